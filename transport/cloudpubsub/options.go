package cloudpubsub

import (
	"log/slog"
	"runtime"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// Option configures [New].
type Option interface{ apply(*settings) }

// WithProject sets the project that holds topics and subscriptions. Default: CLOUD_TASKS_PROJECT or
// GOOGLE_CLOUD_PROJECT, then the project that the program runs in.
func WithProject(id string) Option {
	return setting(func(s *settings) { s.Project = gcp.Value{Text: id, Source: "WithProject"} })
}

// WithProjectNumber sets the number of that project. It is a part of the name of Pub/Sub's own service account, to
// which DeadLetterGrants gives roles. Default: asked of the metadata server when it is needed.
func WithProjectNumber(n int64) Option {
	return setting(func(s *settings) { s.number, s.numbered = n, true })
}

// WithServiceAccount sets the account, by its e-mail address, whose OIDC token pushes carry where their subscription
// names none. Default: CLOUD_TASKS_SERVICE_ACCOUNT, then the account that the program runs as; where there is none
// either, pushes carry no token; with an emulator, tasks@emulator.iam.gserviceaccount.com. Who creates a subscription
// needs roles/iam.serviceAccountUser on it.
func WithServiceAccount(email string) Option {
	return setting(func(s *settings) { s.Account, s.NoOIDC = gcp.Value{Text: email, Source: "WithServiceAccount"}, false })
}

// WithAudience sets whom tokens are made for where PushConfig.Audience is empty. Default: the endpoint.
func WithAudience(audience string) Option {
	return setting(func(s *settings) { s.audience = audience })
}

// WithoutOIDC makes push subscriptions that name no service account send no token: the endpoint then cannot tell
// Pub/Sub from anyone else.
func WithoutOIDC() Option {
	return setting(func(s *settings) { s.NoOIDC = true })
}

// WithEndpoint talks to an emulator at host:port, in plaintext and without credentials. Project and service account
// then default to "emulator" and tasks@emulator.iam.gserviceaccount.com. Default: PUBSUB_EMULATOR_HOST; without it,
// Pub/Sub. Where the emulator refuses connections, a call looks for it for 3 s, and then gives up; a Receive goes on.
func WithEndpoint(hostport string) Option {
	return setting(func(s *settings) { s.Endpoint = gcp.Value{Text: hostport, Source: "WithEndpoint"} })
}

// WithClientOptions passes options to Google's client, after the driver's own: credentials, another endpoint,
// interceptors.
func WithClientOptions(opts ...option.ClientOption) Option {
	return setting(func(s *settings) { s.ClientOptions = append(s.ClientOptions, opts...) })
}

// WithPublishSettings sets how Publish gathers messages into requests, with the meaning that the settings have in
// Google's client; those that are zero, or less, are as in pubsub.DefaultPublishSettings: 10 ms, 100 messages, 1 MB, a
// minute. They hold for each topic. DelayThreshold is the longest wait, for others while a request is in flight:
// a quiet topic sends at once. Messages that FlowControlSettings refuse answer ErrCapacity.
//
// With HedgingSettings, messages without an ordering key go through the client's own publisher: then they do wait
// for DelayThreshold, and may be stored twice. PublishBatch does not gather: of all this it takes Timeout and
// compression.
func WithPublishSettings(p pubsub.PublishSettings) Option {
	return setting(func(s *settings) { s.publish = p })
}

// WithReceiveSettings sets how Receive pulls. Those that are zero are as in pubsub.DefaultReceiveSettings, and those
// that ReceiveWith is given win.
//
// Google's client sends acknowledgements every 100 ms, and until then the server counts a message as outstanding: a
// small MaxOutstandingMessages of n bounds the rate to about 10 n messages a second, however fast the handlers are.
func WithReceiveSettings(r pubsub.ReceiveSettings) Option {
	return setting(func(s *settings) { s.receive = r })
}

// WithTelemetry turns on the OpenTelemetry instrumentation of Google's client for gRPC: a span and metrics for each
// call. It is off by default because each call takes longer with it, even in a program that records nothing.
func WithTelemetry() Option {
	return setting(func(s *settings) { s.Telemetry = true })
}

// WithLogger sets where warnings go. Default: slog.Default().
func WithLogger(l *slog.Logger) Option {
	return setting(func(s *settings) { s.Logger = l })
}

type setting func(*settings)

func (f setting) apply(s *settings) { f(s) }

type settings struct {
	gcp.Settings

	number   int64
	numbered bool
	audience string
	publish  pubsub.PublishSettings
	receive  pubsub.ReceiveSettings
}

// completed fills in what is not set.
func completed(p pubsub.PublishSettings) pubsub.PublishSettings {
	d := pubsub.DefaultPublishSettings
	p.DelayThreshold = positive(p.DelayThreshold, d.DelayThreshold)
	p.CountThreshold = min(positive(p.CountThreshold, d.CountThreshold), pubsub.MaxPublishRequestCount)
	p.ByteThreshold = positive(p.ByteThreshold, d.ByteThreshold)
	p.Timeout = positive(p.Timeout, d.Timeout)
	p.CompressionBytesThreshold = positive(p.CompressionBytesThreshold, d.CompressionBytesThreshold)
	p.NumGoroutines = positive(p.NumGoroutines, 25*runtime.GOMAXPROCS(0)) // as the client does
	f, df := &p.FlowControlSettings, d.FlowControlSettings
	f.MaxOutstandingMessages = positive(f.MaxOutstandingMessages, df.MaxOutstandingMessages)
	f.MaxOutstandingBytes = positive(f.MaxOutstandingBytes, df.MaxOutstandingBytes)
	return p
}

func positive[T int | time.Duration](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}
