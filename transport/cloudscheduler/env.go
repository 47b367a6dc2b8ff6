package cloudscheduler

import "github.com/typedtasks/typedtasks/internal/gcp"

const envEmulator = "CLOUD_SCHEDULER_EMULATOR_HOST"

// OptionsFromEnv reads the options that the environment sets:
//
//	CLOUD_TASKS_PROJECT, else GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT, GCP_PROJECT
//	CLOUD_TASKS_LOCATION, else GOOGLE_CLOUD_LOCATION, GOOGLE_CLOUD_REGION, FUNCTION_REGION
//	CLOUD_TASKS_SERVICE_ACCOUNT  CLOUD_SCHEDULER_EMULATOR_HOST
//
// The error joins every bad value, each naming the variable, the value and what is allowed. [New] reads them
// by itself, below its options; this is for looking at them sooner.
func OptionsFromEnv() ([]Option, error) {
	var (
		env  gcp.Env
		opts []Option
	)
	set := func(v gcp.Value, field func(*settings) *gcp.Value) {
		if v.Text != "" {
			opts = append(opts, setting(func(s *settings) { *field(s) = v }))
		}
	}
	set(env.Project(), func(s *settings) *gcp.Value { return &s.Project })
	set(env.Location(), func(s *settings) *gcp.Value { return &s.Location })
	set(env.Account(), func(s *settings) *gcp.Value { return &s.Account })
	set(env.Endpoint(driver()), func(s *settings) *gcp.Value { return &s.Endpoint })
	if err := env.Err(driver()); err != nil {
		return nil, err
	}
	return opts, nil
}
