package taskotel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/transport"
)

// benchOrder is a payload as services have them, about 105 bytes.
type benchOrder struct {
	ID       int64     `json:"id" validate:"required"`
	Email    string    `json:"email" validate:"required,email"`
	Currency string    `json:"currency" validate:"len=3"`
	Total    float64   `json:"total" validate:"gte=0"`
	Placed   time.Time `json:"placed"`
}

// unexported is a processor of spans that keeps none.
type unexported struct{}

func (unexported) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (unexported) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (unexported) Shutdown(context.Context) error                  { return nil }
func (unexported) ForceFlush(context.Context) error                { return nil }

// benchSides are an App without instrumentation, with it while no provider is set up, and with the SDK's.
func benchSides() map[string][]taskotel.Option {
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(unexported{}))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	return map[string][]taskotel.Option{
		"bare": nil, "off": {},
		"traced":   {taskotel.WithTracerProvider(tracers), taskotel.WithMeterProvider(noop.NewMeterProvider())},
		"measured": {taskotel.WithMeterProvider(meters)},
		"on":       {taskotel.WithTracerProvider(tracers), taskotel.WithMeterProvider(meters)},
	}
}

// compareSides runs the sides of a benchmark in turns of n calls, so that what else the machine does falls on all alike,
// and reports the median ratio of each one's time to the bare one's.
func compareSides(b *testing.B, n int, prepare func(b *testing.B, app *tasks.App, task *tasks.Task[benchOrder]) func()) {
	b.Helper()
	names := []string{"bare", "off", "traced", "measured", "on"}
	sides, took := benchSides(), map[string][]float64{}
	calls := map[string]func(){}
	for _, name := range names {
		task := tasks.New(func(context.Context, benchOrder) error { return nil }, tasks.WithName("order"))
		app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: nowhere{}, Endpoint: "https://shop.example.com", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		if opts := sides[name]; opts != nil {
			if err := taskotel.Instrument(app, opts...); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Register(task); err != nil {
			b.Fatal(err)
		}
		calls[name] = prepare(b, app, task)
		calls[name]()
	}
	for b.Loop() {
		for _, name := range names {
			start := time.Now()
			for range n {
				calls[name]()
			}
			took[name] = append(took[name], float64(time.Since(start))/float64(n))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took["bare"]), "bare-ns")
	for _, name := range names[1:] {
		ratios := make([]float64, len(took[name]))
		for i, ns := range took[name] {
			ratios[i] = ns / took["bare"][i]
		}
		b.ReportMetric(median(ratios), name+"/bare")
	}
}

func median(xs []float64) float64 {
	return slices.Sorted(slices.Values(xs))[len(xs)/2]
}

// nowhere is a transport that takes everything, at once.
type nowhere struct{}

func (nowhere) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{ID: "1"}, nil
}

var benchData = benchOrder{ID: 42, Email: "ana@example.com", Currency: "EUR", Total: 119.90, Placed: time.Unix(1732415400, 123456000).UTC()}

// BenchmarkPush is the handling of one push of Cloud Tasks, from request to answer.
func BenchmarkPush(b *testing.B) {
	body, err := json.Marshal(benchData)
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{}
	for name, value := range map[string]string{
		"User-Agent": "Google-Cloud-Tasks", "Content-Type": "application/json", "X-CloudTasks-QueueName": "shop", "X-CloudTasks-TaskName": "57462374832847",
		"X-CloudTasks-TaskRetryCount": "0", "X-CloudTasks-TaskExecutionCount": "0", "X-CloudTasks-TaskETA": "1732415400.123456", "Traceparent": traceparent,
	} {
		header.Set(name, value)
	}
	base, err := http.NewRequest(http.MethodPost, "/tasks/order", nil)
	if err != nil {
		b.Fatal(err)
	}
	base.Header, base.ContentLength = header, int64(len(body))
	compareSides(b, 10_000, func(b *testing.B, app *tasks.App, _ *tasks.Task[benchOrder]) func() {
		w, reader := &discardWriter{header: http.Header{}}, bytes.NewReader(body)
		return func() {
			r := *base
			reader.Reset(body)
			r.Body = io.NopCloser(reader)
			clear(w.header)
			app.ServeHTTP(w, &r)
			if w.code != http.StatusOK {
				b.Fatalf("answered %d", w.code)
			}
		}
	})
}

// BenchmarkEnqueue is an enqueue to a transport that costs nothing, under a request that is traced.
func BenchmarkEnqueue(b *testing.B) {
	ctx := under(b.Context(), traceparent)
	compareSides(b, 10_000, func(b *testing.B, app *tasks.App, task *tasks.Task[benchOrder]) func() {
		ctx := app.Context(ctx)
		return func() {
			if _, err := task.Enqueue(ctx, benchData); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSDK is what of that is the SDK's: a span as a run has it, and the four measurements of a run.
func BenchmarkSDK(b *testing.B) {
	kvs := make([]attribute.KeyValue, 6)
	for i := range kvs {
		kvs[i] = attribute.String(fmt.Sprint("messaging.attribute.", i), "value")
	}
	b.Run("span", func(b *testing.B) {
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(unexported{})).Tracer("bench")
		header := propagation.HeaderCarrier{"Traceparent": {traceparent}}
		opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(kvs...)}
		b.ReportAllocs()
		for b.Loop() {
			ctx := propagation.TraceContext{}.Extract(b.Context(), header)
			_, span := tracer.Start(ctx, "process shop", opts...)
			span.SetAttributes(attribute.String("messaging.message.id", "57462374832847"), attribute.Int("typedtasks.attempt", 1))
			span.SetAttributes(attribute.String("typedtasks.outcome", "executed"))
			span.End()
		}
	})
	b.Run("measurements", func(b *testing.B) {
		meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())).Meter("bench")
		counter, err1 := meter.Int64Counter("counter")
		histogram, err2 := meter.Float64Histogram("histogram")
		if err := errors.Join(err1, err2); err != nil {
			b.Fatal(err)
		}
		set := metric.WithAttributeSet(attribute.NewSet(kvs...))
		b.ReportAllocs()
		for b.Loop() {
			counter.Add(b.Context(), 1, set)
			for range 3 {
				histogram.Record(b.Context(), 1, set)
			}
		}
	})
}

type discardWriter struct {
	header http.Header
	code   int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) WriteHeader(code int)        { w.code = code }
func (w *discardWriter) Write(b []byte) (int, error) { return len(b), nil }
