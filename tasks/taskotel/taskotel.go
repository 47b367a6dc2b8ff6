package taskotel

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

// ScopeName is the name of the tracer and of the meter.
const ScopeName = "github.com/typedtasks/typedtasks/tasks/taskotel"

// ErrInstrumented: the App is instrumented already; its spans and counts would come twice.
var ErrInstrumented = errors.New("the App is instrumented already: call Instrument once")

// Instrument makes app tell OpenTelemetry what it enqueues, publishes and runs, with [tasks.App.UseTransient],
// [tasks.App.UseEnqueue] and [tasks.App.UsePublish]: call it before other middleware is added, so that spans cover that
// too, and their contexts reach it. It may come before or after otel.SetTracerProvider.
//
// Errors: [ErrInstrumented] the second time; the meter's, for an instrument that it does not make.
func Instrument(app *tasks.App, opts ...Option) error {
	if app == nil {
		return errors.New("taskotel: instrument: the App is nil")
	}
	s := settings{propagator: propagation.TraceContext{}}
	for _, o := range opts {
		if o != nil {
			o.taskotel(&s)
		}
	}
	in, err := newInstrumentation(app, s)
	if err != nil {
		return fmt.Errorf("taskotel: instrument: %w", err)
	}
	if !app.Once(instrumented{}) {
		return fmt.Errorf("taskotel: instrument: %w", ErrInstrumented)
	}
	app.UseTransient(in.run)
	app.UseEnqueue(in.enqueue)
	app.UsePublish(in.publish)
	return nil
}

type instrumented struct{}

// Option sets up [Instrument].
type Option interface{ taskotel(*settings) }

// WithTracerProvider makes spans with p. Default: the global provider, set before or after. While none is set, the tracer
// is not even asked, and next to nothing spent; automatic instrumentation (eBPF), which sets none, needs it to be: give
// otel.GetTracerProvider() then.
func WithTracerProvider(p trace.TracerProvider) Option {
	return option(func(s *settings) { s.tracers = p })
}

// WithMeterProvider measures with p. Default: the global provider, set before or after.
func WithMeterProvider(p metric.MeterProvider) Option {
	return option(func(s *settings) { s.meters = p })
}

// WithPropagator carries contexts with p. Default: propagation.TraceContext{}, W3C's traceparent and tracestate; baggage
// only travels if p does it too. Its fields must be fit for headers and, for messages, for attributes of up to 1 KiB.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return option(func(s *settings) {
		if p != nil {
			s.propagator = p
		}
	})
}

type settings struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
}

type option func(*settings)

func (o option) taskotel(s *settings) { o(s) }

// instrumentation is that of one App.
type instrumentation struct {
	app        *tasks.App
	tracer     trace.Tracer
	unset      trace.TracerProvider // the global one as long as none is set; nil where one was given
	untraced   bool
	propagator propagation.TextMapPropagator
	fields     []string // the propagator's
	measures   measures
	profiles   table[role, *profile]

	taskSystem, messageSystem, jobSystem string
	headersKey                           string          // of a message's data
	clock                                transport.Clock // nil: the system's
	eager                                bool            // functions run within Enqueue or Publish
}

func newInstrumentation(app *tasks.App, s settings) (*instrumentation, error) {
	cfg := app.Config()
	in := &instrumentation{app: app, propagator: s.propagator, fields: s.propagator.Fields(), headersKey: cfg.PropagatedHeadersKey}
	switch p := s.tracers.(type) {
	case nil:
		s.tracers = otel.GetTracerProvider()
		if isUnset(s.tracers) {
			in.unset = s.tracers
		}
	case noop.TracerProvider:
		in.untraced = true
	case *noop.TracerProvider:
		in.untraced = p != nil
	}
	in.tracer = s.tracers.Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL))
	if s.meters == nil {
		s.meters = otel.GetMeterProvider()
	}
	var err error
	in.measures, err = newMeasures(s.meters.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL)))

	in.taskSystem, in.messageSystem, in.jobSystem = systemTasks, systemMessages, systemJobs
	if _, err := transport.As[transport.Server](cfg.Transport); err == nil {
		in.taskSystem = systemLocal
	}
	if _, err := transport.BrokerAs[transport.Server](cfg.Broker); err == nil {
		in.messageSystem = systemLocal
	}
	if _, err := transport.SchedulerAs[transport.Server](cfg.Scheduler); err == nil {
		in.jobSystem = systemLocal
	}
	in.clock, _ = transport.As[transport.Clock](cfg.Transport)
	_, transportErr := transport.As[*eager.Transport](cfg.Transport)
	_, brokerErr := transport.BrokerAs[*eager.Transport](cfg.Broker)
	in.eager = transportErr == nil || brokerErr == nil
	return in, err
}

// isUnset recognizes what stands in for a global provider until one is set. Were it not recognized any more, nothing
// would be lost but time: its tracers make spans that record nothing.
func isUnset(p trace.TracerProvider) bool {
	t := reflect.TypeOf(p)
	return t.Kind() == reflect.Pointer && strings.HasPrefix(t.Elem().PkgPath(), "go.opentelemetry.io/otel/internal/")
}

// tracing reports whether anybody wants spans.
func (in *instrumentation) tracing() bool {
	return !in.untraced && (in.unset == nil || otel.GetTracerProvider() != in.unset)
}

// now is the time by which tasks are due.
func (in *instrumentation) now() time.Time {
	if in.clock != nil {
		return in.clock.Now()
	}
	return time.Now()
}

// enqueuing is a ctx under which what runs was enqueued or published: it tells eager work from [tasks.Task.Run].
func (in *instrumentation) enqueuing(ctx context.Context) context.Context {
	if !in.eager {
		return ctx
	}
	return context.WithValue(ctx, enqueuingKey{}, true)
}

type enqueuingKey struct{}
