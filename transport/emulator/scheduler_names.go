package emulator

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	jobsPart = "/jobs/"
	maxJobID = 500

	textJobName  = `Job name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>".`
	textLocation = `Location name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>".`
)

// checkJobName refuses what is no job's full name.
func checkJobName(name string) error {
	_, err := locationOfJob(name)
	return err
}

// locationOfJob returns the location's full name in that of a job.
func locationOfJob(name string) (string, error) {
	at := strings.LastIndex(name, jobsPart) // the last: a location may be called "jobs"
	if at < 0 || !isLocation(name[:at]) || strings.Contains(name[at+len(jobsPart):], "/") {
		return "", invalid("%s", textJobName)
	}
	if id := name[at+len(jobsPart):]; !isID(id, maxJobID, "-_") {
		return "", invalid("Job ID %q can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or underscores (_). "+
			"Job ID must be between 1 and 500 characters.", id)
	}
	return name[:at], nil
}

// checkSchedulerParent refuses what is no location's full name.
func checkSchedulerParent(name string) error {
	if !isLocation(name) {
		return invalid("%s", textLocation)
	}
	return nil
}

// generateJobName returns a name for a job that was created without one.
func generateJobName(location string) string {
	return location + jobsPart + strconv.FormatUint(rand.Uint64(), 10)
}
