package gcp

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The variables that all drivers read, so that one setting serves all. For project and location the usual ones of
// Google's products follow.
const (
	EnvProject  = "CLOUD_TASKS_PROJECT"
	EnvLocation = "CLOUD_TASKS_LOCATION"
	EnvAccount  = "CLOUD_TASKS_SERVICE_ACCOUNT"
)

// Env reads the environment, and keeps what is wrong with it. The zero Env is ready.
type Env struct{ errs []error }

// Project is that of [EnvProject] and those that follow.
func (e *Env) Project() Value {
	return e.Read(CheckProject, EnvProject, "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT")
}

// Location is that of [EnvLocation] and those that follow. Products with a location of their own set "global", which
// is none of the drivers': such a variable counts as unset.
func (e *Env) Location() Value {
	if v := e.Read(CheckLocation, EnvLocation); v.Source != "" {
		return v
	}
	for _, name := range []string{"GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "FUNCTION_REGION"} {
		if v := e.Read(CheckLocation, name); v.Source != "" && v.Text != "global" {
			return v
		}
	}
	return Value{}
}

// Account is that of [EnvAccount].
func (e *Env) Account() Value { return e.Read(CheckAccount, EnvAccount) }

// Endpoint is the emulator of a driver.
func (e *Env) Endpoint(d Driver) Value { return e.Read(CheckHostPort(d.Port), d.Emulator) }

// Read returns the first variable that is set, without the space around it. A bad value is kept for [Env.Err], and
// has no text.
func (e *Env) Read(check func(string) error, names ...string) Value {
	for _, name := range names {
		v := Value{strings.TrimSpace(os.Getenv(name)), name}
		if v.Text == "" {
			continue
		}
		if err := v.Check(check); err != nil {
			e.errs = append(e.errs, err)
			v.Text = ""
		}
		return v
	}
	return Value{}
}

// Err joins all that is wrong, each with the variable, the value and what is allowed.
func (e *Env) Err(d Driver) error {
	if err := errors.Join(e.errs...); err != nil {
		return fmt.Errorf("%s: environment: %w", d.Name, err)
	}
	return nil
}
