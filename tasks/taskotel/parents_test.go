package taskotel_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
)

// spanHandler is a slog.Handler that notes each message with the span of its context, and the trace and span it names.
type spanHandler struct {
	slog.Handler
	lines []string
}

func (h *spanHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *spanHandler) Handle(ctx context.Context, r slog.Record) error {
	line := r.Message + " " + trace.SpanContextFromContext(ctx).SpanID().String()
	r.Attrs(func(a slog.Attr) bool {
		if strings.HasPrefix(a.Key, "logging.googleapis.com/") {
			line += " " + a.Value.String()
		}
		return true
	})
	h.lines = append(h.lines, line)
	return nil
}

// server is what instruments a user's HTTP server: each request has a span of that name, a child of what its headers say.
func server(e *exported, name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := e.provider.Tracer("test").Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func wantLinks(t testing.TB, s tracetest.SpanStub, to ...string) {
	t.Helper()
	var got []string
	for _, l := range s.Links {
		got = append(got, l.SpanContext.SpanID().String())
	}
	if !slices.Equal(got, to) {
		t.Errorf("%s links to %q, want %q", s.Name, got, to)
	}
}

func TestParent_InAServersSpan(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing, tasks.WithName("charge"))
	sub := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	const front = "00-" + outerTrace + "-00f067aa0ba902b7-01" // of what stands in front of the service
	message := pubsub.Message[order]{Data: order{1}, Attributes: map[string]string{"http-traceparent": traceparent}}
	for name, c := range map[string]struct {
		request func(t testing.TB) *http.Request
		want    string
		link    string // of the run: to the server's span, or to that one
	}{
		"that is the producer's child, it is linked": {
			func(t testing.TB) *http.Request {
				return with(with(tasktest.Request(t, task, order{1}), "Traceparent", traceparent), "Typedtasks-Traceparent", traceparent)
			}, `
		(outside)
		  server PUSH: -
		  consumer process tasks: executed`, "server",
		},
		"that is a front end's child, it is linked": {
			func(t testing.TB) *http.Request {
				return with(with(tasktest.Request(t, task, order{1}), "Traceparent", front), "Typedtasks-Traceparent", traceparent)
			}, `
		(outside)
		  server PUSH: -
		(outside)
		  consumer process tasks: executed`, "server",
		},
		"of the trace of a task that says so once, which a front end may have done, it is the parent": {
			func(t testing.TB) *http.Request {
				return with(tasktest.Request(t, task, order{1}), "Traceparent", traceparent)
			}, `
		(outside)
		  server PUSH: -
		    consumer process tasks: executed`, outerSpan,
		},
		"of a message's trace, it is linked": {
			func(t testing.TB) *http.Request {
				return with(tasktest.PushRequest(t, sub, message), "Traceparent", front)
			}, `
		(outside)
		  server PUSH: -
		(outside)
		  consumer subscribe audit: executed`, "server",
		},
		"of another trace, it is linked": {
			func(t testing.TB) *http.Request { return tasktest.PushRequest(t, sub, message) }, `
		server PUSH: -
		(outside)
		  consumer subscribe audit: executed`, "server",
		},
		"of a message that says nothing, though its push does, it is the parent": {
			func(t testing.TB) *http.Request {
				return with(tasktest.PushRequest(t, sub, pubsub.Message[order]{Data: order{1}}), "Traceparent", traceparent)
			}, `
		(outside)
		  server PUSH: -
		    consumer subscribe audit: executed`, outerSpan,
		},
		"of a task that says nothing, it is the parent": {
			func(t testing.TB) *http.Request { return tasktest.Request(t, task, order{1}) }, `
		server PUSH: -
		  consumer process tasks: executed`,
			"",
		},
		"of a job, it is the parent": {
			func(t testing.TB) *http.Request { return scheduled(t, task) }, `
		server PUSH: -
		  consumer process nightly: executed`,
			"",
		},
		"of a job whose request says something, it is the parent": {
			func(t testing.TB) *http.Request { return with(scheduled(t, task), "Traceparent", traceparent) }, `
		(outside)
		  server PUSH: -
		    consumer process nightly: executed`,
			outerSpan,
		},
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracing(t)
			task, sub := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"))
			app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: &remote{}, Endpoint: "https://shop.example.com"}, spans, task, sub)
			server(spans, "PUSH", app).ServeHTTP(httptest.NewRecorder(), c.request(t))
			got := spans.want(t, c.want)
			switch c.link {
			case "":
				wantLinks(t, got[0])
			case "server":
				wantLinks(t, got[0], find(t, got, "PUSH").SpanContext.SpanID().String())
			default:
				wantLinks(t, got[0], c.link)
			}
		})
	}
}

func with(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func TestParent_OfAJob_IsNone(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(func(context.Context, order) error { return tasks.Snooze(0) }, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Name: "shop", Transport: nowhere{}, Endpoint: "https://shop.example.com"}, spans, task)
	app.ServeHTTP(httptest.NewRecorder(), scheduled(t, task))
	app.ServeHTTP(httptest.NewRecorder(), with(scheduled(t, task), "Traceparent", traceparent)) // of what stands in front of the service
	got := spans.want(t, `
		consumer process nightly: snoozed
		  producer send shop: ok
		consumer process nightly: snoozed
		  producer send shop: ok`)
	wantLinks(t, got[0])
	wantLinks(t, got[2], outerSpan)
}

// What runs within Enqueue is the enqueue's child too, of many each that of its own.
func TestParent_WithinAnEnqueue_IsItsSpan(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	sub := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	newApp(t, tasks.Config{Name: "shop", Eager: true}, spans, task, p, sub)
	must(task.Enqueue(t.Context(), order{1}))(t)
	must(p.Publish(t.Context(), order{1}))(t)
	for _, s := range spans.want(t, `
		producer send shop: ok
		  consumer process shop: executed
		producer send orders: ok
		  consumer subscribe audit: executed`) {
		wantLinks(t, s)
	}
	spans.Reset()
	task.EnqueueAll(t.Context(), []order{{1}, {2}})
	got := spans.want(t, `
		producer create shop: ok
		  consumer process shop: executed
		producer create shop: ok
		  consumer process shop: executed
		client send shop: -`)
	whole := find(t, got, "send shop").SpanContext.SpanID().String()
	for _, s := range got {
		if s.Name == "process shop" {
			wantLinks(t, s, whole)
		}
	}
}

func TestParent_OfAnEnqueue_IsTheSpanAroundIt(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	to := &remote{}
	newApp(t, tasks.Config{Name: "shop", Transport: nowhere{}, Broker: to, Endpoint: "https://shop.example.com"}, spans, task, p)
	ctx, around := spans.provider.Tracer("test").Start(under(t.Context(), traceparent), "around")
	must(task.Enqueue(ctx, order{1}))(t)
	must(p.Publish(ctx, order{1}))(t)
	around.End()
	spans.want(t, `
		internal around: -
		  producer send shop: ok
		  producer send orders: ok`)
}

func TestParent_NotSampled_TravelsOn(t *testing.T) {
	t.Parallel()
	spans := tracing(t, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	must(task.Enqueue(under(rec.Context(), "00-"+outerTrace+"-"+outerSpan+"-00"), order{1}))(t)
	rec.Drain()
	got := rec.Recorded()[0].Header.Get("Traceparent")
	if len(got) != len(traceparent) || got[:36] != "00-"+outerTrace+"-" || got[36:52] == outerSpan || got[52:] != "-00" {
		t.Errorf("the task carries %s, want a span of its own in the same trace, not sampled", got)
	}
	if n := len(spans.GetSpans()); n > 0 {
		t.Errorf("%d spans were exported", n)
	}
}

func TestParent_WhatDoesNotParse_IsNone(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Name: "shop", Transport: nowhere{}, Endpoint: "https://shop.example.com"}, spans, task)
	app.ServeHTTP(httptest.NewRecorder(), with(tasktest.Request(t, task, order{1}), "Traceparent", "00-nonsense"))
	must(task.Enqueue(under(t.Context(), "nonsense"), order{1}))(t)
	spans.want(t, `
		consumer process tasks: executed
		producer send shop: ok`)
}

func TestPropagator_WithBaggage_CarriesItAlong(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	var got []string
	note := func(ctx context.Context) { got = append(got, baggage.FromContext(ctx).String()) }
	task := tasks.New(func(ctx context.Context, _ order) error { note(ctx); return nil }, tasks.WithName("charge"))
	p := pubsub.NewPublisher[order](pubsub.Topic("orders"))
	sub := pubsub.NewSubscriber(func(ctx context.Context, _ pubsub.Message[order]) error { note(ctx); return nil }, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	for _, opts := range [][]taskotel.Option{
		{taskotel.WithPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))},
		{taskotel.WithPropagator(nil)},
	} {
		rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task, p, sub)
		opts = append(opts, nil, taskotel.WithTracerProvider(spans.provider), taskotel.WithMeterProvider(noop.NewMeterProvider()))
		if err := taskotel.Instrument(rec.App(), opts...); err != nil {
			t.Fatal(err)
		}
		b, _ := baggage.Parse("tenant=acme")
		ctx := baggage.ContextWithBaggage(rec.Context(), b)
		must(task.Enqueue(ctx, order{1}))(t)
		must(p.Publish(ctx, order{1}))(t)
		rec.Drain()
	}
	if want := []string{"tenant=acme", "tenant=acme", "", ""}; !slices.Equal(got, want) {
		t.Errorf("runs had the baggage %q, want %q", got, want)
	}
}
