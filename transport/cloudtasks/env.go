package cloudtasks

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The variables of the driver. For project and location the usual ones of Google's products follow.
const (
	envProject  = "CLOUD_TASKS_PROJECT"
	envLocation = "CLOUD_TASKS_LOCATION"
	envAccount  = "CLOUD_TASKS_SERVICE_ACCOUNT"
	envBackup   = "CLOUD_TASKS_BACKUP_QUEUE_NAME"
	envEmulator = "CLOUD_TASKS_EMULATOR_HOST"
)

// OptionsFromEnv reads the options that the environment sets:
//
//	CLOUD_TASKS_PROJECT, else GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT, GCP_PROJECT
//	CLOUD_TASKS_LOCATION, else GOOGLE_CLOUD_LOCATION, GOOGLE_CLOUD_REGION, FUNCTION_REGION
//	CLOUD_TASKS_SERVICE_ACCOUNT  CLOUD_TASKS_BACKUP_QUEUE_NAME  CLOUD_TASKS_EMULATOR_HOST
//
// The error joins every bad value, each naming the variable, the value and what is allowed. [New] reads them
// by itself, below its options; this is for looking at them sooner.
func OptionsFromEnv() ([]Option, error) {
	var (
		opts []Option
		errs []error
	)
	read := func(check func(string) error, to func(*settings) *value, names ...string) {
		v := lookUp(names)
		if v.value == "" {
			return
		}
		if err := check(v.value); err != nil {
			errs = append(errs, v.wrong(err))
			return
		}
		opts = append(opts, setting(func(s *settings) { *to(s) = v }))
	}
	read(checkProject, func(s *settings) *value { return &s.project },
		envProject, "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT")
	read(checkLocation, func(s *settings) *value { return &s.location },
		envLocation, "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "FUNCTION_REGION")
	read(checkAccount, func(s *settings) *value { return &s.account }, envAccount)
	read(checkBackup, func(s *settings) *value { return &s.backup }, envBackup)
	read(checkHostPort, func(s *settings) *value { return &s.endpoint }, envEmulator)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("cloudtasks: environment: %w", err)
	}
	return opts, nil
}

// lookUp returns the first variable that is set. Products with a location of their own set "global", where
// Cloud Tasks has no queues.
func lookUp(names []string) value {
	for i, name := range names {
		if s := strings.TrimSpace(os.Getenv(name)); s != "" && (i == 0 || s != "global") {
			return value{s, name}
		}
	}
	return value{}
}

// wrong is an error about a value, from an option or a variable.
func (v value) wrong(err error) error {
	if strings.HasPrefix(v.source, "With") {
		return fmt.Errorf("%s(%q): %w", v.source, v.value, err)
	}
	return fmt.Errorf("%s=%q: %w", v.source, v.value, err)
}
