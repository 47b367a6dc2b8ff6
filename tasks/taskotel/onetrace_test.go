package taskotel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

// cloud is Google Cloud as the emulator plays it, with Google's own clients, and a service whose pushes come over HTTP.
type cloud struct {
	*httptest.Server
	mux *http.ServeMux
	cfg tasks.Config
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	e, err := emulator.New(emulator.WithQueuesOnDemand(), emulator.WithTopicsOnDemand(), emulator.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	to, err := cloudtasks.New(t.Context(), cloudtasks.WithEndpoint(address))
	if err != nil {
		t.Fatal(err)
	}
	broker, err := cloudpubsub.New(t.Context(), cloudpubsub.WithProject("shop"), cloudpubsub.WithoutOIDC(), cloudpubsub.WithClientOptions(
		option.WithEndpoint(address), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))))
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{mux: http.NewServeMux()}
	c.Server = httptest.NewServer(c.mux)
	c.cfg = tasks.Config{Name: "shop", Endpoint: c.URL + "/_tasks", Transport: to, Broker: broker}
	t.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		c.Close()
		if err := broker.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// serve mounts an App, and makes its topics and subscriptions.
func (c *cloud) serve(t testing.TB, app *tasks.App) {
	t.Helper()
	c.mux.Handle("/_tasks/", frontEnd(app))
	if _, err := pubsub.Sync(t.Context(), app); err != nil && !errors.Is(err, pubsub.ErrNothingToSync) {
		t.Fatal(err)
	}
}

// frontEnd stands in front of a service as Cloud Run's does: it has spans of its own, which nobody ever sees.
func frontEnd(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := "4bf92f3577b34da6a3ce929d0e0e4736"
		if _, known, ok := strings.Cut(r.Header.Get("Traceparent"), "-"); ok {
			trace = known[:32]
		}
		r.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
		next.ServeHTTP(w, r)
	})
}

// request calls a user's route as a traced client does.
func (c *cloud) request(t testing.TB, path string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := c.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%s answered %s", path, resp.Status)
	}
}

// What the issue asks for: an HTTP request, a task through Cloud Tasks, an event through Pub/Sub.
func TestOneTrace_FromARequestToASubscriber(t *testing.T) {
	for _, c := range []struct {
		name       string
		propagated []string // nothing of it is needed but that the request's context is known
		header     http.Header
		root       string
	}{
		{"traceparent is propagated", nil, http.Header{"Traceparent": {traceparent}, "Tracestate": {"vendor=1"}}, "(outside)"},
		{"as is tracestate", []string{"traceparent", "tracestate", "x-tenant"},
			http.Header{"Traceparent": {traceparent}, "Tracestate": {"vendor=1"}, "X-Tenant": {"acme"}}, "(outside)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, world := tracing(t), newCloud(t)
			paid := pubsub.NewPublisher[order](pubsub.Topic("orders"))
			charge := tasks.New(func(ctx context.Context, o order) error {
				_, err := paid.Publish(ctx, o)
				return err
			}, tasks.WithName("charge"), tasks.OnQueue("payments"))
			tenant := make(chan string, 1)
			audit := pubsub.NewSubscriber(func(ctx context.Context, _ pubsub.Message[order]) error {
				tenant <- tasks.HeadersFrom(ctx).Get("X-Tenant")
				return nil
			}, pubsub.Topic("orders"), pubsub.Subscription("audit"))
			cfg := world.cfg
			cfg.PropagatedHeaders = c.propagated
			app := newApp(t, cfg, spans, charge, paid, audit)
			world.serve(t, app)
			world.mux.Handle("/orders", app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := charge.Enqueue(r.Context(), order{ID: 7}); err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusNoContent)
			})))

			world.request(t, "/orders", c.header)
			got := spans.want(t, `
		(outside)
		  producer send payments: ok
		    consumer process payments: executed
		      producer send orders: ok
		        consumer subscribe audit: executed`)
			oneTrace(t, got, outerTrace)
			if id := find(t, got, "send payments").Parent.SpanID().String(); id != outerSpan {
				t.Errorf("the first parent is %s, want %s", id, outerSpan)
			}
			state := ""
			if c.propagated != nil {
				state = "vendor=1"
			}
			for _, s := range got {
				if s.SpanContext.TraceState().String() != state {
					t.Errorf("the trace state of %s is %q, want %q", s.Name, s.SpanContext.TraceState(), state)
				}
			}
			if got, want := <-tenant, c.header.Get("X-Tenant"); got != want {
				t.Errorf("the subscriber knows of tenant %q, want %q", got, want)
			}
		})
	}
}

func TestOneTrace_AFailingAttemptAndASnooze_HangTogether(t *testing.T) {
	spans, world := tracing(t), newCloud(t)
	runs := 0
	charge := tasks.New(func(ctx context.Context, _ order) error {
		switch runs++; runs {
		case 1:
			return errDown
		case 2:
			return tasks.Snooze(0)
		default:
			return nil
		}
	}, tasks.WithName("charge"), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3, MinBackoff: 1e6, MaxBackoff: 1e6}))
	app := newApp(t, world.cfg, spans, charge)
	world.serve(t, app)
	first := must(charge.Enqueue(under(t.Context(), traceparent), order{ID: 1}))(t)
	got := spans.want(t, `
		(outside)
		  producer send shop: ok
		    consumer process shop: failed, error failed
		    consumer process shop: snoozed
		      producer send shop: ok
		        consumer process shop: executed`)
	oneTrace(t, got, outerTrace)
	var last tracetest.SpanStub
	for _, s := range got {
		if text(s, taskotel.OutcomeKey) == "executed" {
			last = s
		}
	}
	if text(last, "messaging.message.conversation_id") != first.ID || text(last, "typedtasks.attempt") != "3" || text(last, "messaging.message.id") == first.ID {
		t.Errorf("the last run says %v, want the first id, %s", values(last.Attributes), first.ID)
	}
}

func TestOneTrace_PulledSubscriberAndViaTasks(t *testing.T) {
	spans, world := tracing(t), newCloud(t)
	paid := pubsub.NewPublisher[order](pubsub.Topic("orders"))
	pulled := pubsub.NewSubscriber(func(context.Context, pubsub.Message[order]) error { return nil },
		pubsub.Topic("orders"), pubsub.Subscription("pulled"), pubsub.Pull())
	via := pubsub.NewSubscriber(func(context.Context, pubsub.Message[order]) error { return nil },
		pubsub.Topic("orders"), pubsub.Subscription("via"), pubsub.ViaTasks())
	app := newApp(t, world.cfg, spans, paid, pulled, via)
	world.serve(t, app)
	must(paid.Publish(under(t.Context(), traceparent), order{ID: 1}))(t)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- pubsub.Receive(ctx, app) }()
	spans.wait(t, 5)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := spans.GetSpans()
	oneTrace(t, got, outerTrace)
	send := find(t, got, "send orders")
	for name, parent := range map[string]string{
		"subscribe pulled": "send orders", "subscribe via": "send orders", "send shop": "subscribe via", "process shop": "send shop",
	} {
		if got, want := find(t, got, name).Parent.SpanID(), find(t, got, parent).SpanContext.SpanID(); got != want {
			t.Errorf("the parent of %s is not %s", name, parent)
		}
	}
	if send.Parent.SpanID().String() != outerSpan {
		t.Errorf("the parent of %s is %s", send.Name, send.Parent.SpanID())
	}
	if task := find(t, got, "process shop"); text(task, "typedtasks.kind") != tasks.KindSubscriber || text(task, "typedtasks.name") != "via" {
		t.Errorf("the task says %v", values(task.Attributes))
	}
}
