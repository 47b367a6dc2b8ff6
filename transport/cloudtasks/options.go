package cloudtasks

import (
	"log/slog"

	apiv2 "cloud.google.com/go/cloudtasks/apiv2"
	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// Option configures [New].
type Option interface{ apply(*settings) }

// WithProject sets the project that holds the queues. Default: CLOUD_TASKS_PROJECT or GOOGLE_CLOUD_PROJECT, then
// the project that the program runs in.
func WithProject(id string) Option {
	return setting(func(s *settings) { s.Project = gcp.Value{Text: id, Source: "WithProject"} })
}

// WithLocation sets the location of the queues, such as "europe-west1". Default: CLOUD_TASKS_LOCATION or
// GOOGLE_CLOUD_LOCATION, then the region that the program runs in.
func WithLocation(id string) Option {
	return setting(func(s *settings) { s.Location = gcp.Value{Text: id, Source: "WithLocation"} })
}

// WithServiceAccount sets the account, by its e-mail address, whose OIDC token every delivery carries. Default:
// CLOUD_TASKS_SERVICE_ACCOUNT, then the account that the program runs as; with an emulator,
// tasks@emulator.iam.gserviceaccount.com. The caller needs roles/iam.serviceAccountUser on it.
func WithServiceAccount(email string) Option {
	return setting(func(s *settings) { s.Account, s.NoOIDC = gcp.Value{Text: email, Source: "WithServiceAccount"}, false })
}

// WithAudience sets whom tokens are made for where Task.Audience is empty. Default: scheme and host of the task's
// URL.
func WithAudience(audience string) Option {
	return setting(func(s *settings) { s.audience = audience })
}

// WithoutOIDC sends deliveries without a token: the endpoint then cannot tell Cloud Tasks from anyone else.
func WithoutOIDC() Option {
	return setting(func(s *settings) { s.NoOIDC = true })
}

// WithBackupQueue names the queue for tasks whose own queue was deleted too recently to be created again.
// Default: CLOUD_TASKS_BACKUP_QUEUE_NAME, then the queue's name with "--temp" behind it.
func WithBackupQueue(id string) Option {
	return setting(func(s *settings) { s.backup = gcp.Value{Text: id, Source: "WithBackupQueue"} })
}

// WithEndpoint talks to an emulator at host:port, in plaintext and without credentials. Project, location and
// service account then default to "emulator", "local" and tasks@emulator.iam.gserviceaccount.com. Default:
// CLOUD_TASKS_EMULATOR_HOST; without it, Cloud Tasks. Where the emulator refuses
// connections, a call looks for it for 3 s, and then gives up.
func WithEndpoint(hostport string) Option {
	return setting(func(s *settings) { s.Endpoint = gcp.Value{Text: hostport, Source: "WithEndpoint"} })
}

// WithClient uses a client that is already there. Close leaves it open, and everything about connecting
// (endpoint, client options, pool, telemetry) is its own.
func WithClient(c *apiv2.Client) Option {
	return setting(func(s *settings) { s.client = c })
}

// WithClientOptions passes options to Google's client, after the driver's own: credentials, another endpoint,
// interceptors.
func WithClientOptions(opts ...option.ClientOption) Option {
	return setting(func(s *settings) { s.ClientOptions = append(s.ClientOptions, opts...) })
}

// WithConnectionPool sets how many gRPC connections are opened. Default: [DefaultConnections].
func WithConnectionPool(n int) Option {
	return setting(func(s *settings) { s.pool = n })
}

// WithInFlight sets how many requests one EnqueueBatch or Delete has in flight at most. Where the server knows
// no batches and each request carries one task, it is three times as many. Default: [DefaultInFlight].
func WithInFlight(n int) Option {
	return setting(func(s *settings) { s.inFlight = n })
}

// WithTelemetry turns on the OpenTelemetry instrumentation of Google's client: a span and metrics for each
// call. It is off by default because a call to a server on the same machine takes about 15 % longer with it, even
// in a program that records nothing.
func WithTelemetry() Option {
	return setting(func(s *settings) { s.Telemetry = true })
}

// WithLogger sets where warnings go. Default: slog.Default().
func WithLogger(l *slog.Logger) Option {
	return setting(func(s *settings) { s.Logger = l })
}

const (
	// DefaultConnections is how many gRPC connections New opens. One carries as many calls as a small machine
	// can make: further ones bought nothing on two cores.
	DefaultConnections = 1

	// DefaultInFlight is how many requests of bulk work are in flight at once, each of up to [MaxBatchTasks]
	// tasks. It fills a connection whose answers take 10 ms, and stays well under the 100 streams that a server
	// usually allows on one.
	DefaultInFlight = 32
)

type setting func(*settings)

func (f setting) apply(s *settings) { f(s) }

type settings struct {
	gcp.Settings

	backup   gcp.Value
	audience string
	client   *apiv2.Client
	pool     int
	inFlight int
}
