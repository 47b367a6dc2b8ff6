// Package gcp is what the cloud drivers have in common: which project, location and service account they work for
// (options, then the environment, then the metadata server), how they reach an emulator, how their errors read.
package gcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What stands for project, location and service account at an emulator.
const (
	EmulatorProject  = "emulator"
	EmulatorLocation = "local"
	EmulatorAccount  = "tasks@emulator.iam.gserviceaccount.com"
)

// Driver is what a driver is called and needs.
type Driver struct {
	Name string // of its package

	Emulator string // the variable that names an emulator
	Port     string // where one usually listens, for errors

	Regional        bool // its resources are in a location
	AccountOptional bool // it works without a service account where none is known
	WithoutOIDC     bool // it has the option to want none
}

// Settings are what the options of all drivers set. Project, Location, Account and Endpoint are unset where they have
// no Source.
type Settings struct {
	Project, Location, Account, Endpoint Value

	NoOIDC        bool // Account is not wanted
	Telemetry     bool
	ClientOptions []option.ClientOption
	Logger        *slog.Logger
}

// Resolve checks what is set, and then fills in what is not: for an emulator with names of its own, else by asking
// the metadata server, within ctx. The error names the driver, all that is wrong, to which other joins, and all that
// stays missing, and how to set it.
func (s *Settings) Resolve(ctx context.Context, d Driver, other ...error) error {
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	err := errors.Join(append(s.check(d), other...)...)
	if err == nil {
		err = s.complete(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("%s: new: %w", d.Name, err)
	}
	return nil
}

func (s *Settings) check(d Driver) []error {
	return []error{
		s.Project.Check(CheckProject),
		s.Location.Check(CheckLocation),
		s.Account.Check(CheckAccount),
		s.Endpoint.Check(CheckHostPort(d.Port)),
	}
}

func (s *Settings) complete(ctx context.Context, d Driver) error {
	s.Endpoint.Text = strings.TrimPrefix(s.Endpoint.Text, "http://")
	if s.NoOIDC {
		s.Account = Value{}
	}
	if s.Endpoint.Text == "" {
		return s.askMetadata(ctx, d)
	}
	s.Project.or(EmulatorProject)
	if d.Regional {
		s.Location.or(EmulatorLocation)
	}
	if !s.NoOIDC {
		s.Account.or(EmulatorAccount)
	}
	return nil
}

// DialOptions are those of Google's client: the driver's own come first, the user's last, so that they win.
func (s *Settings) DialOptions(own ...option.ClientOption) []option.ClientOption {
	opts := own
	if !s.Telemetry {
		opts = append(opts, option.WithTelemetryDisabled())
	}
	if s.Endpoint.Text != "" {
		opts = append(opts,
			option.WithEndpoint(s.Endpoint.Text),
			option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		)
	}
	return append(opts, s.ClientOptions...)
}
