package taskotel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
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

// serve mounts an App behind a front end, or a handler around it, and makes its topics and subscriptions.
func (c *cloud) serve(t testing.TB, app *tasks.App, h http.Handler) {
	t.Helper()
	c.mux.Handle("/_tasks/", frontEnd(h))
	if _, err := pubsub.Sync(t.Context(), app); err != nil && !errors.Is(err, pubsub.ErrNothingToSync) {
		t.Fatal(err)
	}
}

// What the front end says of requests: its span, and the trace of those that are of none.
const (
	frontEndTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	frontEndSpan  = "00f067aa0ba902b7"
)

// frontEnd stands in front of a service as Cloud Run's does: it has spans of its own, which nobody ever sees.
func frontEnd(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := frontEndTrace
		if _, known, ok := strings.Cut(r.Header.Get("Traceparent"), "-"); ok {
			trace = known[:32]
		}
		r.Header.Set("Traceparent", "00-"+trace+"-"+frontEndSpan+"-01")
		next.ServeHTTP(w, r)
	})
}

// request calls a user's route as a client does whose own span is the root of all, and returns that.
func (c *cloud) request(t testing.TB, e *exported, path string, header http.Header) trace.SpanContext {
	t.Helper()
	ctx, root := e.provider.Tracer("test").Start(t.Context(), "call", trace.WithSpanKind(trace.SpanKindClient))
	defer root.End()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range header {
		r.Header.Set(name, header.Get(name))
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	resp, err := c.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%s answered %s", path, resp.Status)
	}
	return root.SpanContext()
}

// wantServers fails unless an instrumented server around pushes, behind a front end, has a span in each of the traces, in
// this order, a child of the front end's and linked to by one run. It returns all other spans.
func wantServers(t testing.TB, spans tracetest.SpanStubs, traces ...string) (others tracetest.SpanStubs) {
	t.Helper()
	var servers tracetest.SpanStubs
	links := map[trace.SpanID]int{}
	for _, s := range spans {
		if s.Name == "PUSH" {
			servers = append(servers, s)
			continue
		}
		others = append(others, s)
		if s.SpanKind == trace.SpanKindConsumer && len(traces) > 0 && len(s.Links) == 1 {
			links[s.Links[0].SpanContext.SpanID()]++
		} else {
			wantLinks(t, s)
		}
	}
	slices.SortStableFunc(servers, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var got []string
	for _, s := range servers {
		got = append(got, s.SpanContext.TraceID().String())
		if parent := s.Parent.SpanID().String(); parent != frontEndSpan {
			t.Errorf("the parent of a server's span is %s, want the front end's", parent)
		}
		if n := links[s.SpanContext.SpanID()]; n != 1 {
			t.Errorf("%d runs link to a server's span, want 1", n)
		}
	}
	if !slices.Equal(got, traces) {
		t.Errorf("the server has spans in the traces %q, want %q", got, traces)
	}
	return others
}

// What the issue asks for: an HTTP request, a task through Cloud Tasks, an event through Pub/Sub. The front end that
// stands in front of the pushes is never seen, whether or not the server behind it has spans too.
func TestOneTrace_FromARequestToASubscriber(t *testing.T) {
	const bare = `
		client call: -
		  producer send payments: ok
		    consumer process payments: executed
		      producer send orders: ok
		        consumer subscribe audit: executed`
	for _, c := range []struct {
		name         string
		propagated   []string // nothing of it is needed but that the request's context is known
		header       http.Header
		instrumented bool
		want         string
	}{
		{"traceparent is propagated", nil, http.Header{"Tracestate": {"vendor=1"}}, false, bare},
		{"as is tracestate", []string{"traceparent", "tracestate", "x-tenant"}, http.Header{"Tracestate": {"vendor=1"}, "X-Tenant": {"acme"}}, false, bare},
		{"in a server that is instrumented", nil, http.Header{}, true, `
		client call: -
		  server SERVE: -
		    producer send payments: ok
		      consumer process payments: executed
		        producer send orders: ok
		          consumer subscribe audit: executed
		(outside)
		  server PUSH: -
		  server PUSH: -`},
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
			route := app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := charge.Enqueue(r.Context(), order{ID: 7}); err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			if c.instrumented {
				world.serve(t, app, server(spans, "PUSH", app))
				world.mux.Handle("/orders", server(spans, "SERVE", route))
			} else {
				world.serve(t, app, app)
				world.mux.Handle("/orders", route)
			}

			root := world.request(t, spans, "/orders", c.header)
			var servers []string // the traces of their spans: a message's push is of none
			if c.instrumented {
				servers = []string{root.TraceID().String(), frontEndTrace}
			}
			got := wantServers(t, spans.want(t, c.want), servers...)
			oneTrace(t, got, root.TraceID().String())
			if first := find(t, got, "call"); !first.SpanContext.Equal(root) || first.Parent.IsValid() {
				t.Errorf("the root is %v, of %v, want the client's %v", first.SpanContext, first.Parent, root)
			}
			state := ""
			if c.propagated != nil {
				state = "vendor=1"
			}
			for _, s := range got {
				if s.Name != "call" && s.SpanContext.TraceState().String() != state {
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
	const runs = `
		(outside)
		  producer send shop: ok
		    consumer process shop: failed, error failed
		    consumer process shop: snoozed
		      producer send shop: ok
		        consumer process shop: executed`
	for name, c := range map[string]struct {
		servers []string // the traces of their spans
		want    string
	}{
		"behind a front end": {nil, runs},
		"and in a server that is instrumented too": {[]string{outerTrace, outerTrace, outerTrace}, runs + `
		(outside)
		  server PUSH: -
		  server PUSH: -
		  server PUSH: -`},
	} {
		t.Run(name, func(t *testing.T) {
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
			h := http.Handler(app)
			if c.servers != nil {
				h = server(spans, "PUSH", app)
			}
			world.serve(t, app, h)
			first := must(charge.Enqueue(under(t.Context(), traceparent), order{ID: 1}))(t)
			got := wantServers(t, spans.want(t, c.want), c.servers...)
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
		})
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
	world.serve(t, app, app)
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
