package cloudscheduler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apiv1 "cloud.google.com/go/scheduler/apiv1"
	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// Option configures [New].
type Option interface{ apply(*settings) }

// WithProject sets the project that holds the jobs. Default: CLOUD_TASKS_PROJECT or GOOGLE_CLOUD_PROJECT, then the
// project that the program runs in.
func WithProject(id string) Option {
	return setting(func(s *settings) { s.Project = gcp.Value{Text: id, Source: "WithProject"} })
}

// WithLocation sets the location of the jobs, such as "europe-west1". Default: CLOUD_TASKS_LOCATION or
// GOOGLE_CLOUD_LOCATION, then the region that the program runs in.
func WithLocation(id string) Option {
	return setting(func(s *settings) { s.Location = gcp.Value{Text: id, Source: "WithLocation"} })
}

// WithServiceAccount sets the account, by its e-mail address, whose OIDC token the jobs with an Audience send, where
// they name none themselves; a job without an Audience sends none. Default: CLOUD_TASKS_SERVICE_ACCOUNT, then the
// account that the program runs as; with an emulator, tasks@emulator.iam.gserviceaccount.com. The caller needs
// roles/iam.serviceAccountUser on it.
func WithServiceAccount(email string) Option {
	return setting(func(s *settings) { s.Account = gcp.Value{Text: email, Source: "WithServiceAccount"} })
}

// WithEndpoint talks to an emulator at host:port, in plaintext and without credentials. Project, location and
// service account then default to "emulator", "local" and tasks@emulator.iam.gserviceaccount.com. Default:
// CLOUD_SCHEDULER_EMULATOR_HOST; without it, Cloud Scheduler. Where the emulator refuses
// connections, a call looks for it for 3 s, and then gives up.
func WithEndpoint(hostport string) Option {
	return setting(func(s *settings) { s.Endpoint = gcp.Value{Text: hostport, Source: "WithEndpoint"} })
}

// WithClient uses a client that is already there. Close leaves it open, and everything about connecting (endpoint,
// client options, telemetry) is its own.
func WithClient(c *apiv1.CloudSchedulerClient) Option {
	return setting(func(s *settings) { s.client = c })
}

// WithClientOptions passes options to Google's client, after the driver's own: credentials, another endpoint,
// interceptors.
func WithClientOptions(opts ...option.ClientOption) Option {
	return setting(func(s *settings) { s.ClientOptions = append(s.ClientOptions, opts...) })
}

// WithRetryTime sets for how long a call is made again that is refused for the moment: because Cloud Scheduler cannot
// be reached or does not answer in [CallTimeout], or because the project's quota is used up. Waits grow from half a
// second to 20 s. Default: [DefaultRetryTime]; 0: each call is made once. An emulator that refuses connections is given
// no more than 3 s.
func WithRetryTime(d time.Duration) Option {
	return setting(func(s *settings) { s.retryTime = d })
}

// WithTelemetry turns on the OpenTelemetry instrumentation of Google's client: a span and metrics for each call.
func WithTelemetry() Option {
	return setting(func(s *settings) { s.Telemetry = true })
}

// WithLogger sets where warnings go: one a minute while calls are made again. Default: slog.Default().
func WithLogger(l *slog.Logger) Option {
	return setting(func(s *settings) { s.Logger = l })
}

// DefaultRetryTime outlasts the minute for which a quota is used up.
const DefaultRetryTime = 2 * time.Minute

type setting func(*settings)

func (f setting) apply(s *settings) { f(s) }

type settings struct {
	gcp.Settings

	client    *apiv1.CloudSchedulerClient
	retryTime time.Duration
}

// driver says that a service account may be missing: a job without an Audience needs none.
func driver() gcp.Driver {
	return gcp.Driver{Name: "cloudscheduler", Emulator: envEmulator, Port: "8123", Regional: true, AccountOptional: true}
}

// resolve makes settings of options, environment and metadata server, in this order.
func resolve(ctx context.Context, opts []Option) (*settings, error) {
	s := &settings{retryTime: DefaultRetryTime}
	env, err := OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	for _, o := range append(env, opts...) {
		if o != nil {
			o.apply(s)
		}
	}
	var retryErr error
	if s.retryTime < 0 {
		retryErr = fmt.Errorf("WithRetryTime(%s): want 0 or more", s.retryTime)
	}
	if err := s.Resolve(ctx, driver(), retryErr); err != nil {
		return nil, err
	}
	return s, nil
}
