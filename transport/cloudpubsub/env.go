package cloudpubsub

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The variables of the driver: those of the Cloud Tasks driver, so that one setting serves both, and the official one
// for an emulator.
const (
	envProject  = "CLOUD_TASKS_PROJECT"
	envAccount  = "CLOUD_TASKS_SERVICE_ACCOUNT"
	envEmulator = "PUBSUB_EMULATOR_HOST"
)

// OptionsFromEnv reads the options that the environment sets:
//
//	CLOUD_TASKS_PROJECT, else GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT, GCP_PROJECT
//	CLOUD_TASKS_SERVICE_ACCOUNT  PUBSUB_EMULATOR_HOST
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
	read(checkAccount, func(s *settings) *value { return &s.account }, envAccount)
	read(checkHostPort, func(s *settings) *value { return &s.endpoint }, envEmulator)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("cloudpubsub: environment: %w", err)
	}
	return opts, nil
}

// lookUp returns the first variable that is set.
func lookUp(names []string) value {
	for _, name := range names {
		if s := strings.TrimSpace(os.Getenv(name)); s != "" {
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
