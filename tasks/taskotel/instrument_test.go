package taskotel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestInstrument_Twice_Refuses(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	if err := taskotel.Instrument(rec.App(), taskotel.WithTracerProvider(spans.provider)); !errors.Is(err, taskotel.ErrInstrumented) {
		t.Errorf("got %v, want ErrInstrumented", err)
	}
	must(task.Enqueue(rec.Context(), order{1}))(t)
	rec.Drain()
	spans.want(t, `
		producer send shop: ok
		  consumer process shop: executed`)
}

func TestInstrument_WhatItCannotDo_IsAnError(t *testing.T) {
	t.Parallel()
	if err := taskotel.Instrument(nil); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("a nil App: %v", err)
	}
	rec := tasktest.New(t)
	if err := taskotel.Instrument(rec.App(), taskotel.WithMeterProvider(refusing{})); !errors.Is(err, errNoInstrument) {
		t.Errorf("a meter that refuses: %v", err)
	}
	if err := taskotel.Instrument(rec.App()); err != nil { // nothing was installed before
		t.Error(err)
	}
}

// Middleware around the instrumentation may have changed what it finds.
func TestInstrument_WithinOtherMiddleware(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, other := tasks.New(nothing, tasks.WithName("charge")), tasks.New(nothing, tasks.WithName("other"))
	to := &remote{}
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: nowhere{}, Broker: to, Endpoint: "https://shop.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			ts[0].Header, ts[1].Queue, ts[1].URL = nil, "elsewhere", "https://shop.example.com/tasks/other"
			return next(ctx, ts)
		}
	})
	if err := errors.Join(app.Register(task, other), taskotel.Instrument(app, taskotel.WithTracerProvider(spans.provider))); err != nil {
		t.Fatal(err)
	}
	task.EnqueueAll(t.Context(), []order{{1}, {2}})
	app.PublishMessages(t.Context(), []*transport.Message{{Topic: "orders", Data: []byte("1")}, {Topic: "projects/p/topics/refunds", Data: []byte("2")}})
	got := spans.want(t, `
		producer create shop: ok
		producer create elsewhere: ok
		client send: -
		producer create orders: ok
		producer create refunds: ok
		client send: -`)
	names := ""
	for _, s := range got {
		names += text(s, taskotel.NameKey) + ";"
	}
	if strings.Count(names, "charge;") != 1 || strings.Count(names, "other;") != 1 {
		t.Errorf("the spans are of %q, want one of each", names)
	}
	for _, m := range to.kept {
		if m.Attributes["http-traceparent"] == "" { // it is no JSON object
			t.Errorf("a message carries %v", m.Attributes)
		}
	}
}

func TestInstrument_APropagatorThatCarriesNothing(t *testing.T) {
	t.Parallel()
	spans, to := tracing(t), &remote{}
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	newAppWith(t, tasks.Config{Transport: nowhere{}, Broker: to, Endpoint: "https://shop.example.com"},
		[]taskotel.Option{taskotel.WithTracerProvider(spans.provider), taskotel.WithPropagator(propagation.Baggage{})}, task, p)
	must(task.Enqueue(t.Context(), order{1}))(t)
	must(p.Publish(t.Context(), order{1}))(t)
	if got := string(to.kept[0].Data); got != `{"id":1}` || len(to.kept[0].Attributes) != 0 {
		t.Errorf("published %s", got)
	}
	spans.want(t, `
		producer send tasks: ok
		producer send orders: ok`)
}

// Middleware that answers for others with the wrong number of results is told so, not hidden.
func TestInstrument_AroundMiddlewareThatIsWrong(t *testing.T) {
	t.Parallel()
	spans, m := tracing(t), measuring(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task, p)
	if err := taskotel.Instrument(rec.App(), taskotel.WithTracerProvider(spans.provider), taskotel.WithMeterProvider(m)); err != nil {
		t.Fatal(err)
	}
	n := 0
	rec.App().UseEnqueue(func(tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(context.Context, []*transport.Task) []tasks.Result { return make([]tasks.Result, n) }
	})
	for n = range 3 {
		if _, err := task.Enqueue(rec.Context(), order{1}); (err == nil) != (n == 1) {
			t.Errorf("%d results for one task: %v", n, err)
		}
	}
	if got := len(spans.GetSpans()); got != 3 {
		t.Errorf("%d spans have ended, want 3", got)
	}
	m.want(t, "messaging.client.sent.messages",
		"destination.name=shop operation.name=send operation.type=send system=typedtasks kind=task name=charge outcome=ok: 1")
}

// globals are set by one test, once: what stood in for them before never forgets the first.
var globals sync.Once

func TestInstrument_GlobalProviders_MayComeLater(t *testing.T) {
	first := false
	if globals.Do(func() { first = true }); !first {
		t.Skip("they were set before")
	}
	spans, m := tracing(t), measuring(t)
	unset, unmeasured := otel.GetTracerProvider(), otel.GetMeterProvider()
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task, p)
	if err := taskotel.Instrument(rec.App()); err != nil {
		t.Fatal(err)
	}
	ctx := under(rec.Context(), traceparent)
	must(task.Enqueue(ctx, order{1}))(t)
	must(p.Publish(ctx, order{1}))(t)
	rec.Drain()
	if h := rec.Recorded()[0].Header.Get("Traceparent"); h != traceparent {
		t.Errorf("without a provider the task carries %q, want what was propagated", h)
	}
	otel.SetTracerProvider(spans.provider)
	otel.SetMeterProvider(m)
	t.Cleanup(func() {
		otel.SetTracerProvider(unset)
		otel.SetMeterProvider(unmeasured)
	})
	must(task.Enqueue(ctx, order{1}))(t)
	rec.Drain()
	oneTrace(t, spans.want(t, `
		(outside)
		  producer send shop: ok
		    consumer process shop: executed`), outerTrace)
	if n := len(m.lines(t, "messaging.client.consumed.messages")); n != 1 {
		t.Errorf("%d points, want 1", n)
	}
	after := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task)
	if err := taskotel.Instrument(after.App()); err != nil { // with providers that are set
		t.Fatal(err)
	}
	must(task.Enqueue(after.Context(), order{1}))(t)
	if n := len(spans.GetSpans()); n != 3 {
		t.Errorf("%d spans, want 3", n)
	}
}

// Where the global provider is given, the tracer is asked, and what it says travels.
func TestInstrument_AProviderThatDoesNothing_LeavesHeadersAlone(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]taskotel.Option{
		"none":             nil,
		"the global one":   {taskotel.WithTracerProvider(otel.GetTracerProvider())},
		"a no-op":          {taskotel.WithTracerProvider(tracenoop.NewTracerProvider())},
		"a pointer to one": {taskotel.WithTracerProvider(&tracenoop.TracerProvider{})},
	} {
		task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
		rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task, p)
		if err := taskotel.Instrument(rec.App(), append(opts, taskotel.WithMeterProvider(noop.NewMeterProvider()))...); err != nil {
			t.Fatal(err)
		}
		for _, ctx := range []context.Context{rec.Context(), under(rec.Context(), traceparent)} {
			must(task.Enqueue(ctx, order{1}))(t)
			must(p.Publish(ctx, order{1}))(t)
		}
		rec.Drain()
		if a, b := rec.Recorded()[0].Header.Get("Traceparent"), rec.Recorded()[1].Header.Get("Traceparent"); a != "" || b != traceparent {
			t.Errorf("%s: the tasks carry %q and %q", name, a, b)
		}
		if a, b := string(rec.RecordedMessages()[0].Data), string(rec.RecordedMessages()[1].Data); a != `{"id":1}` || !strings.Contains(b, traceparent) {
			t.Errorf("%s: the messages are %s and %s", name, a, b)
		}
	}
}

// Without a provider, a run costs what it does without instrumentation: not one allocation more, and the buffers of
// requests are still used again.
func TestInstrument_WithoutProviders_ARunAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	allocs := func(opts ...taskotel.Option) float64 {
		task := tasks.New(nothing, tasks.WithName("charge"))
		app, err := tasks.NewApp(tasks.Config{Name: "shop", Eager: true, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Register(task); err != nil {
			t.Fatal(err)
		}
		if opts != nil {
			if err := taskotel.Instrument(app, opts...); err != nil {
				t.Fatal(err)
			}
		}
		base := tasktest.Request(t, task, order{1})
		body, err := io.ReadAll(base.Body)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(100, func() {
			r := *base
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			w := httptest.NewRecorder()
			if app.ServeHTTP(w, &r); w.Code != http.StatusOK {
				t.Fatalf("answered %d", w.Code)
			}
		})
	}
	bare := allocs()
	for name, opts := range map[string][]taskotel.Option{
		"none set":       {nil},
		"those that are": {taskotel.WithTracerProvider(tracenoop.NewTracerProvider()), taskotel.WithMeterProvider(metric.MeterProvider(noop.NewMeterProvider()))},
	} {
		if got := allocs(opts...); got != bare {
			t.Errorf("%s: %.0f allocations, %.0f without instrumentation", name, got, bare)
		}
	}
}
