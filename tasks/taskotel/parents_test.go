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

// server is what instruments a user's HTTP server: each request has a span, a child of what its headers say.
func server(e *exported, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := e.provider.Tracer("test").Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
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
	message := pubsub.Message[order]{Data: order{1}, Attributes: map[string]string{"http-traceparent": traceparent}}
	for name, c := range map[string]struct {
		request func(t testing.TB) *http.Request
		want    string
		links   func(spans tracetest.SpanStubs) []string // of the run
	}{
		"that is of the producer's trace, it is the parent": {
			func(t testing.TB) *http.Request {
				return with(tasktest.Request(t, task, order{1}), "Traceparent", traceparent)
			}, `
		(outside)
		  server POST: -
		    consumer process tasks: executed`,
			func(tracetest.SpanStubs) []string { return []string{outerSpan} },
		},
		"of another trace, it is linked": {
			func(t testing.TB) *http.Request { return tasktest.PushRequest(t, sub, message) }, `
		server POST: -
		(outside)
		  consumer subscribe audit: executed`,
			func(spans tracetest.SpanStubs) []string { return []string{spans[1].SpanContext.SpanID().String()} },
		},
		"of a task that says nothing, it is the parent": {
			func(t testing.TB) *http.Request { return tasktest.Request(t, task, order{1}) }, `
		server POST: -
		  consumer process tasks: executed`,
			func(tracetest.SpanStubs) []string { return nil },
		},
		"of a job, it is the parent": {
			func(t testing.TB) *http.Request { return scheduled(t, task) }, `
		server POST: -
		  consumer process nightly: executed`,
			func(tracetest.SpanStubs) []string { return nil },
		},
		"of a job whose request says something, it is the parent": {
			func(t testing.TB) *http.Request { return with(scheduled(t, task), "Traceparent", traceparent) }, `
		(outside)
		  server POST: -
		    consumer process nightly: executed`,
			func(tracetest.SpanStubs) []string { return []string{outerSpan} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracing(t)
			task, sub := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"))
			app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: &remote{}, Endpoint: "https://shop.example.com"}, spans, task, sub)
			server(spans, app).ServeHTTP(httptest.NewRecorder(), c.request(t))
			got := spans.want(t, c.want)
			wantLinks(t, got[0], c.links(got)...)
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
