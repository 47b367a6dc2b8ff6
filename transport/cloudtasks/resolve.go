package cloudtasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport"
)

// What stands for project, location and service account at an emulator.
const (
	emulatorProject  = "emulator"
	emulatorLocation = "local"
	emulatorAccount  = "tasks@emulator.iam.gserviceaccount.com"
)

// resolve makes settings of options, environment and metadata server, in this order.
func resolve(ctx context.Context, opts []Option) (*settings, error) {
	s := &settings{pool: DefaultConnections, inFlight: DefaultInFlight}
	env, err := OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	for _, o := range append(env, opts...) {
		if o != nil {
			o.apply(s)
		}
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("cloudtasks: new: %w", err)
	}
	s.endpoint.value = strings.TrimPrefix(s.endpoint.value, "http://")
	if s.noOIDC {
		s.account = value{}
	}
	if s.endpoint.value != "" {
		s.project.value = or(s.project.value, emulatorProject)
		s.location.value = or(s.location.value, emulatorLocation)
		if !s.noOIDC {
			s.account.value = or(s.account.value, emulatorAccount)
		}
		return s, nil
	}
	if err := s.askMetadata(ctx); err != nil {
		return nil, fmt.Errorf("cloudtasks: new: %w", err)
	}
	return s, nil
}

func (s *settings) validate() error {
	var errs []error
	check := func(v value, check func(string) error) {
		if v.source == "" {
			return
		}
		if err := check(v.value); err != nil {
			errs = append(errs, v.wrong(err))
		}
	}
	check(s.project, checkProject)
	check(s.location, checkLocation)
	check(s.account, checkAccount)
	check(s.backup, checkBackup)
	check(s.endpoint, checkHostPort)
	if s.pool < 1 {
		errs = append(errs, fmt.Errorf("WithConnectionPool(%d): want at least 1", s.pool))
	}
	if s.inFlight < 1 {
		errs = append(errs, fmt.Errorf("WithInFlight(%d): want at least 1", s.inFlight))
	}
	return errors.Join(errs...)
}

// dialOptions are those of Google's client; the user's come last and win.
func (s *settings) dialOptions() []option.ClientOption {
	opts := []option.ClientOption{option.WithGRPCConnectionPool(s.pool)}
	if !s.telemetry {
		opts = append(opts, option.WithTelemetryDisabled())
	}
	if s.endpoint.value != "" {
		opts = append(opts,
			option.WithEndpoint(s.endpoint.value),
			option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		)
	}
	return append(opts, s.clientOptions...)
}

func checkProject(s string) error {
	for i := range len(s) {
		if c := s[i]; !letterOrDigit(c) && c != '-' && c != ':' && c != '.' {
			return errors.New(`want a project id: letters, digits, "-", ":" and "."`)
		}
	}
	return notEmpty(s, "a project id")
}

func checkLocation(s string) error {
	for i := range len(s) {
		if c := s[i]; !letterOrDigit(c) && c != '-' {
			return errors.New(`want a location such as "europe-west1": letters, digits and "-"`)
		}
	}
	return notEmpty(s, `a location such as "europe-west1"`)
}

func checkAccount(s string) error {
	name, domain, ok := strings.Cut(s, "@")
	if !ok || name == "" || domain == "" || strings.ContainsAny(s, " \t,/") {
		return errors.New(`want the e-mail address of a service account, such as "tasks@my-project.iam.gserviceaccount.com"`)
	}
	return nil
}

func checkBackup(s string) error { return transport.CheckQueue(s) }

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s, "http://"))
	if err != nil || host == "" || port == "" {
		return errors.New(`want host:port, such as "localhost:8123"`)
	}
	return nil
}

func notEmpty(s, what string) error {
	if s == "" {
		return errors.New("want " + what)
	}
	return nil
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
