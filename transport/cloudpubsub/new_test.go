package cloudpubsub_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// sentTo publishes and returns the topic as the server knows it.
func sentTo(t *testing.T, s *server, opts ...cloudpubsub.Option) string {
	t.Helper()
	publish(t, connect(t, opts...), message("x"))
	calls := s.calls("Publish")
	return calls[len(calls)-1].(*pubsubpb.PublishRequest).Topic
}

func TestNew_OptionWinsOverEnvironment(t *testing.T) {
	s := newServer()
	addr := s.start(t)
	t.Setenv("PUBSUB_EMULATOR_HOST", addr)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json")) // nobody needs them
	if got := sentTo(t, s); got != "projects/emulator/topics/orders" {
		t.Errorf("at an emulator, with nothing set: %s", got)
	}
	if got := connect(t).PushServiceAccount(); got != "tasks@emulator.iam.gserviceaccount.com" {
		t.Errorf("at an emulator, with nothing set: %s", got)
	}
	t.Setenv("GOOGLE_CLOUD_PROJECT", "usual")
	if got := sentTo(t, s); got != "projects/usual/topics/orders" {
		t.Errorf("with the usual variable: %s", got)
	}
	t.Setenv("CLOUD_TASKS_PROJECT", " own ")
	t.Setenv("CLOUD_TASKS_SERVICE_ACCOUNT", "env@own.iam.gserviceaccount.com")
	if got := sentTo(t, s); got != "projects/own/topics/orders" {
		t.Errorf("with the driver's variable: %s", got)
	}
	if got := connect(t).PushServiceAccount(); got != "env@own.iam.gserviceaccount.com" {
		t.Errorf("with the driver's variable: %s", got)
	}
	if got := sentTo(t, s, cloudpubsub.WithProject("p"), nil); got != "projects/p/topics/orders" {
		t.Errorf("with an option: %s", got)
	}
	if got := connect(t, cloudpubsub.WithServiceAccount("a@b")).PushServiceAccount(); got != "a@b" {
		t.Errorf("with an option: %s", got)
	}
	if got := connect(t, cloudpubsub.WithoutOIDC()).PushServiceAccount(); got != "" {
		t.Errorf("with an option: %s", got)
	}
	t.Setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
	sentTo(t, s, cloudpubsub.WithEndpoint("http://"+addr))
}

func TestOptionsFromEnv_ReadsWhatNewReads(t *testing.T) {
	s := newServer()
	t.Setenv("PUBSUB_EMULATOR_HOST", s.start(t))
	t.Setenv("CLOUD_TASKS_PROJECT", "ppp")
	t.Setenv("CLOUD_TASKS_SERVICE_ACCOUNT", "a@b")
	opts, err := cloudpubsub.OptionsFromEnv()
	if err != nil || len(opts) != 3 {
		t.Fatalf("%d options, %v", len(opts), err)
	}
	for _, name := range []string{"PUBSUB_EMULATOR_HOST", "CLOUD_TASKS_PROJECT", "CLOUD_TASKS_SERVICE_ACCOUNT"} {
		t.Setenv(name, "")
	}
	if got := sentTo(t, s, opts...); got != "projects/ppp/topics/orders" {
		t.Errorf("sent to %s", got)
	}
	if got := connect(t, opts...).PushServiceAccount(); got != "a@b" {
		t.Errorf("account %s", got)
	}
}

func TestOptionsFromEnv_BadValue_NamesVariableValueAndWhatIsAllowed(t *testing.T) {
	for name, c := range map[string][2]string{
		"CLOUD_TASKS_PROJECT":         {"my_project", "letters"},
		"GOOGLE_CLOUD_PROJECT":        {"a/b", "letters"},
		"CLOUD_TASKS_SERVICE_ACCOUNT": {"nobody", "e-mail"},
		"PUBSUB_EMULATOR_HOST":        {"localhost", "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, c[0])
			_, err := cloudpubsub.OptionsFromEnv()
			_, newErr := cloudpubsub.New(t.Context())
			for _, err := range []error{err, newErr} {
				for _, part := range []string{name, `"` + c[0] + `"`, c[1]} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v does not say %s", err, part)
					}
				}
			}
		})
	}
}

func TestNew_BadOptions_AllAreNamed(t *testing.T) {
	_, err := cloudpubsub.New(t.Context(), cloudpubsub.WithProject(""), cloudpubsub.WithServiceAccount("a b@c"), cloudpubsub.WithEndpoint(""), cloudpubsub.WithProjectNumber(-1))
	for _, part := range []string{`WithProject("")`, `WithServiceAccount("a b@c")`, `WithEndpoint("")`, "WithProjectNumber(-1)"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}

// plaintext leads to a server without saying that it is an emulator.
func plaintext(addr string) cloudpubsub.Option {
	return cloudpubsub.WithClientOptions(option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
}

func TestNew_AsksMetadataServerForTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		answers        map[string]string
		opts           []cloudpubsub.Option
		topic, account string
	}{
		"all":                    {map[string]string{"project/project-id": "shop-1", "instance/service-accounts/default/email": "run@shop-1.iam.gserviceaccount.com\n"}, nil, "projects/shop-1/topics/orders", "run@shop-1.iam.gserviceaccount.com"},
		"no account":             {map[string]string{"project/project-id": "shop-1"}, nil, "projects/shop-1/topics/orders", ""},
		"only the account":       {map[string]string{"instance/service-accounts/default/email": "a@b"}, []cloudpubsub.Option{cloudpubsub.WithProject("ppp")}, "projects/ppp/topics/orders", "a@b"},
		"nothing that it is for": {nil, []cloudpubsub.Option{cloudpubsub.WithProject("ppp"), cloudpubsub.WithoutOIDC()}, "projects/ppp/topics/orders", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, c.answers))
			s := newServer()
			opts := append(c.opts, plaintext(s.start(t)))
			if got := sentTo(t, s, opts...); got != c.topic {
				t.Errorf("sent to %s", got)
			}
			if got := connect(t, opts...).PushServiceAccount(); got != c.account {
				t.Errorf("account %q", got)
			}
		})
	}
}

func TestNew_WhatIsMissing_IsNamedWithTheWayToSetIt(t *testing.T) {
	require := func(t *testing.T, err error, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not say %s", err, part)
			}
		}
	}
	projectParts := []string{"no project", "WithProject", "CLOUD_TASKS_PROJECT"}
	t.Run("metadata server knows nothing", func(t *testing.T) {
		t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, map[string]string{"project/project-id": "not legal", "instance/service-accounts/default/email": "not legal"}))
		_, err := cloudpubsub.New(t.Context())
		require(t, err, append(projectParts, "no service account", "WithServiceAccount", "CLOUD_TASKS_SERVICE_ACCOUNT", "WithoutOIDC")...)
	})
	t.Run("no metadata server", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := cloudpubsub.New(ctx)
		require(t, err, projectParts...)
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "service account") {
			t.Errorf("error %v", err)
		}
	})
}

func TestNew_NoCredentials_SaysHowToGetThem(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := cloudpubsub.New(t.Context(), cloudpubsub.WithProject("p"), cloudpubsub.WithoutOIDC())
	if err == nil || !strings.Contains(err.Error(), "gcloud auth application-default login") || errors.Unwrap(err) == nil {
		t.Errorf("error %v", err)
	}
}

func TestClose_EverythingAnswersErrClosed(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t)
	publish(t, b, message("one"))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	requests := len(s.requests)
	_, err := b.Publish(t.Context(), message("two"))
	errs := map[string]error{
		"Publish": err, "PublishBatch": b.PublishBatch(t.Context(), []*transport.Message{message("two")})[0].Err,
		"Receive": b.Receive(t.Context(), "audit", nil),
	}
	for _, err := range b.Subscriptions(t.Context()) {
		errs["Subscriptions"] = err
	}
	for name, call := range adminCalls(b) {
		errs[name] = call(t.Context(), "orders")
	}
	for name, err := range errs {
		if !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.requests) != requests {
		t.Error("something was sent")
	}
}

func TestShutdown_SendsWhatIsBuffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		b := s.pipe(t)
		all := newCallers(t, b)
		all.publish(message("first"))
		all.publish(keyed("key", "keyed"))
		synctest.Wait()
		all.publish(message("second"))
		ctx, cancel := context.WithCancel(t.Context())
		all.done.Go(func() { _, _ = b.Publish(ctx, message("left")) })
		synctest.Wait()
		cancel() // a caller that leaves, and whose message is on its way
		synctest.Wait()
		var down sync.WaitGroup
		down.Go(func() {
			if err := b.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
		synctest.Wait()
		if _, err := b.Publish(t.Context(), message("late")); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Publish after Shutdown has begun: %v", err)
		}
		release()
		down.Wait()
		if got := len(s.messages); got != 4 {
			t.Errorf("%d messages are stored", got)
		}
		all.done.Wait()
	})
}

func TestShutdown_ContextEnds_AbortsWhatIsInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := gated(100, "orders")
		b := s.pipe(t)
		var all sync.WaitGroup
		for _, m := range []*transport.Message{message("alone"), message("gathered"), keyed("key", "keyed")} {
			all.Go(func() {
				if _, err := b.Publish(t.Context(), m); err == nil {
					t.Errorf("%s was published", m.Data)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		all.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestWithTelemetry_TurnsOnThatOfGooglesClient(t *testing.T) {
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	otel.SetTracerProvider(noop.NewTracerProvider()) // the first one set is asked for all that was made before
	for _, c := range []struct {
		opts []cloudpubsub.Option
		want bool
	}{{nil, false}, {[]cloudpubsub.Option{cloudpubsub.WithTelemetry()}, true}} {
		p := &gcptest.Tracers{}
		otel.SetTracerProvider(p)
		publish(t, newServer().dial(t, c.opts...), message("x"))
		if (p.Asked > 0) != c.want {
			t.Errorf("with %d options, %d tracers were made", len(c.opts), p.Asked)
		}
	}
}
