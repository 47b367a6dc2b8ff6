package cloudpubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What stands for project and service account at an emulator, as with the Cloud Tasks driver.
const (
	emulatorProject = "emulator"
	emulatorAccount = "tasks@emulator.iam.gserviceaccount.com"
)

// resolve makes settings of options, environment and metadata server, in this order.
func resolve(ctx context.Context, opts []Option) (*settings, error) {
	s := &settings{}
	env, err := OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	for _, o := range append(env, opts...) {
		if o != nil {
			o.apply(s)
		}
	}
	s.logger = cmp.Or(s.logger, slog.Default())
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("cloudpubsub: new: %w", err)
	}
	s.endpoint.value = strings.TrimPrefix(s.endpoint.value, "http://")
	if s.noOIDC {
		s.account = value{}
	}
	if s.endpoint.value != "" {
		s.project.value = cmp.Or(s.project.value, emulatorProject)
		if !s.noOIDC {
			s.account.value = cmp.Or(s.account.value, emulatorAccount)
		}
		return s, nil
	}
	if err := s.askMetadata(ctx); err != nil {
		return nil, fmt.Errorf("cloudpubsub: new: %w", err)
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
	check(s.account, checkAccount)
	check(s.endpoint, checkHostPort)
	if s.numbered && s.number <= 0 {
		errs = append(errs, fmt.Errorf("WithProjectNumber(%d): want the number of a project, see gcloud projects describe", s.number))
	}
	return errors.Join(errs...)
}

// dialOptions are those of Google's client; the user's come last and win.
func (s *settings) dialOptions(l *link) []option.ClientOption {
	opts := []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(l.unary)),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(l.stream)),
	}
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
	if s == "" {
		return errors.New("want a project id")
	}
	for i := range len(s) {
		if c := s[i]; !letterOrDigit(c) && c != '-' && c != ':' && c != '.' {
			return errors.New(`want a project id: letters, digits, "-", ":" and "."`)
		}
	}
	return nil
}

func checkAccount(s string) error {
	name, domain, ok := strings.Cut(s, "@")
	if !ok || name == "" || domain == "" || strings.ContainsAny(s, " \t,/") {
		return errors.New(`want the e-mail address of a service account, such as "tasks@my-project.iam.gserviceaccount.com"`)
	}
	return nil
}

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s, "http://"))
	if err != nil || host == "" || port == "" {
		return errors.New(`want host:port, such as "localhost:8085"`)
	}
	return nil
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
