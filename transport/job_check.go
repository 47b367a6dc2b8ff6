package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"
)

// Cloud Scheduler's limits and defaults, read 2026-11 from the API definitions (scheduler 1.18.1) and the quota page.
const (
	MaxJobSize         = 1 << 20         // of the whole job, bytes
	MaxJobDescription  = 500             // characters
	DefaultJobDeadline = 3 * time.Minute // of one attempt

	MaxJobRetries          = 5 // RetryConfig.MaxAttempts is one more
	DefaultJobMinBackoff   = 5 * time.Second
	DefaultJobMaxBackoff   = time.Hour
	DefaultJobMaxDoublings = 5
)

// CheckJob reports why name is no job id: it must have 1 to 500 letters, digits, "-" and "_".
func CheckJob(name string) error { return checkID("job id", name) }

// Check reports everything for which no driver should accept the job: its name, description, URL, method, headers,
// deadline, retries, size. Kind is KindInvalid, or KindTooLarge. The schedule and the time zone are the scheduler's to
// check.
func (j *Job) Check() error {
	var errs []error
	if err := CheckJob(j.Name); err != nil {
		errs = append(errs, err)
	}
	if n := utf8.RuneCountInString(j.Description); n > MaxJobDescription {
		errs = append(errs, fmt.Errorf("the description has %d characters, at most %d are allowed", n, MaxJobDescription))
	}
	if err := checkTarget(j.URL); err != nil {
		errs = append(errs, err)
	}
	switch j.Method {
	case "", http.MethodPost, http.MethodPut, http.MethodPatch:
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		if len(j.Body) > 0 {
			errs = append(errs, fmt.Errorf("a body goes with POST, PUT and PATCH only, not with %s", j.Method))
		}
	default:
		errs = append(errs, fmt.Errorf("method %q is none that Cloud Scheduler sends", j.Method))
	}
	headerBytes, values, bad := measure(j.Header)
	if bad != nil {
		errs = append(errs, bad)
	}
	if headerBytes > MaxHeaderBytes {
		errs = append(errs, lengthError{what: "header", got: headerBytes, most: MaxHeaderBytes})
	}
	if j.Deadline != 0 && (j.Deadline < MinTimeout || j.Deadline > MaxTimeout) {
		errs = append(errs, fmt.Errorf("deadline %s is outside %s to %s", j.Deadline, MinTimeout, MaxTimeout))
	}
	if j.Retry != nil {
		errs = append(errs, j.Retry.CheckForJob())
	}
	size := sizeReserve + len(j.Name) + len(j.Description) + len(j.URL) + len(j.Audience) + len(j.Body) + headerBytes + values*headerOverhead
	kind := KindInvalid
	if size > MaxJobSize {
		kind = KindTooLarge
		errs = append(errs, fmt.Errorf("the job has about %d bytes, at most %d are allowed", size, MaxJobSize))
	}
	if err := errors.Join(errs...); err != nil {
		return &Error{Op: OpPutJob, Resource: JobResource(j.Name), Kind: kind, Err: err}
	}
	return nil
}

// JobResource is how errors call a job.
func JobResource(name string) string { return fmt.Sprintf("job %q", name) }

func checkTarget(s string) error {
	if len(s) > MaxURL {
		return lengthError{what: "URL", got: len(s), most: MaxURL}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("URL %q must begin with http:// or https:// and a host", s)
	}
	return nil
}

// ForJob returns r with every unset field at Cloud Scheduler's default: one attempt, that is no retry; 5 s to 1 h
// with 5 doublings where no backoff is set.
func (r RetryConfig) ForJob() RetryConfig {
	if r.MinBackoff == 0 && r.MaxBackoff == 0 && r.MaxDoublings == 0 {
		r.MaxDoublings = DefaultJobMaxDoublings
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 1
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(DefaultJobMaxBackoff, r.MinBackoff)
	}
	if r.MinBackoff == 0 {
		r.MinBackoff = min(DefaultJobMinBackoff, r.MaxBackoff)
	}
	return r
}

// CheckForJob reports every field that Cloud Scheduler does not take, nil if there is none: it retries at most
// [MaxJobRetries] times.
func (r RetryConfig) CheckForJob() error {
	err := r.Validate()
	if r.MaxAttempts == UnlimitedAttempts || r.MaxAttempts > 1+MaxJobRetries {
		err = errors.Join(err, fmt.Errorf("RetryConfig.MaxAttempts %d is outside 0 to %d: a job is retried %d times at most", r.MaxAttempts, 1+MaxJobRetries, MaxJobRetries))
	}
	return err
}
