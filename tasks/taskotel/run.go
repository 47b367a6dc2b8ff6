package taskotel

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/internal/aftermath"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// run is the middleware of Use. It keeps nothing of a delivery.
func (in *instrumentation) run(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		tracing, measuring := in.tracing(), in.measures.ofRuns(ctx)
		if !tracing && !measuring {
			return next(ctx, d)
		}
		r := in.newRun(ctx, d)
		if tracing {
			ctx = r.begin(ctx)
		}
		if r.meta.Eager {
			ctx = context.WithValue(ctx, enqueuingKey{}, false) // what the function runs is not enqueued
		}
		if measuring {
			r.measureStart(ctx)
		}
		return r.through(ctx, next, measuring)
	}
}

// attempt is one run of a delivery.
type attempt struct {
	in       *instrumentation
	delivery *transport.Delivery
	meta     tasks.Metadata
	profile  *profile
	span     trace.Span // nil without tracing
	start    time.Time
	inCaller bool // Run or Debug
	message  bool // straight from a subscription
	job      bool // straight from a scheduler
}

func (in *instrumentation) newRun(ctx context.Context, d *transport.Delivery) *attempt {
	r := &attempt{in: in, delivery: d, start: time.Now()}
	r.meta, _ = tasks.MetadataFrom(ctx)
	enqueued, _ := ctx.Value(enqueuingKey{}).(bool)
	r.inCaller = r.meta.Eager && !enqueued
	r.message = d.Message != nil && d.Queue == ""
	r.job = d.Queue == "" && r.meta.SchedulerJob != ""

	spec, _ := in.app.SpecOf(d.URL)
	s := subject{system: in.taskSystem, operation: opProcess, destination: d.Queue, kind: spec.Kind, name: r.meta.Name}
	kind := trace.SpanKindConsumer
	switch {
	case r.inCaller:
		s.system, s.operation, s.destination = systemLocal, opRun, ""
		kind = trace.SpanKindInternal
	case r.message:
		s.subscription = transport.ResourceID(d.Message.Subscription)
		if s.subscription == "" {
			s.subscription = transport.ResourceID(spec.Subscription)
		}
		s.system, s.operation, s.destination = in.messageSystem, opSubscribe, s.subscription
	case r.job:
		s.system, s.destination = in.jobSystem, r.meta.SchedulerJob
	}
	r.profile = in.profile(s, kind)
	return r
}

// begin starts the span, and returns the ctx to run under.
func (r *attempt) begin(ctx context.Context) context.Context {
	outside := ctx
	ctx, opts := r.parent(ctx)
	ctx, r.span = r.in.tracer.Start(ctx, r.profile.spanName, r.profile.startWith(opts...)...)
	if r.span.SpanContext().Equal(trace.SpanContextFromContext(outside)) {
		return ctx // of a tracer that does nothing
	}
	sc := r.span.SpanContext()
	aftermath.Adopt(ctx, aftermath.Span{Trace: sc.TraceID(), ID: sc.SpanID(), Sampled: sc.IsSampled()})
	if r.span.IsRecording() {
		r.span.SetAttributes(r.details()...)
	}
	return ctx
}

// parent chooses whose child the span is: the producer's, where the delivery has one, and a span that is around the run, as
// a server's, is linked. What only the request says may be of whoever stands in front of the service: then a span around
// the run is its parent where it is of the same trace. A job has no producer: what came along with it is linked.
func (r *attempt) parent(ctx context.Context) (context.Context, []trace.SpanStartOption) {
	around := trace.SpanFromContext(ctx)
	ambient := around.SpanContext()
	carrier, producers := r.in.carrier(r.delivery)
	with := r.in.propagator.Extract(ctx, carrier)
	created := trace.SpanContextFromContext(with)
	within := func() context.Context { return trace.ContextWithSpan(with, around) }
	link := func(sc trace.SpanContext) []trace.SpanStartOption {
		return []trace.SpanStartOption{trace.WithLinks(trace.Link{SpanContext: sc})}
	}
	switch {
	case !created.IsValid():
		return with, nil
	case r.job && !ambient.IsValid():
		return with, append(link(created), trace.WithNewRoot())
	case !ambient.IsValid():
		return with, nil
	case sameSpan(created, ambient), r.inCaller && !r.queued():
		return within(), nil
	case r.job, r.inCaller, !producers && created.TraceID() == ambient.TraceID():
		return within(), link(created)
	default:
		return with, link(ambient)
	}
}

// sameSpan compares what names a span: one that was carried is remote, though it may be the one that is around.
func sameSpan(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID()
}

// queued reports whether the delivery is of a task that waits in its queue: Debug.
func (r *attempt) queued() bool { return r.delivery.ID != "" }

// details are the attributes that belong to one run alone.
func (r *attempt) details() []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, 0, 5)
	if id := r.delivery.ID; id != "" {
		kvs = append(kvs, semconv.MessagingMessageID(id))
		if r.meta.ID != id { // the first, of a snoozed task
			kvs = append(kvs, semconv.MessagingMessageConversationID(r.meta.ID))
		}
	}
	if !r.message {
		return append(kvs, AttemptKey.Int(r.meta.Attempt))
	}
	m := r.delivery.Message
	if m.DeliveryAttempt > 0 {
		kvs = append(kvs, semconv.MessagingGCPPubSubMessageDeliveryAttempt(m.DeliveryAttempt))
	}
	if m.OrderingKey != "" {
		kvs = append(kvs, semconv.MessagingGCPPubSubMessageOrderingKey(m.OrderingKey))
	}
	return kvs
}

// through runs the rest, and tells how it ended.
func (r *attempt) through(ctx context.Context, next tasks.Handler, measuring bool) (value any, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		died := result{outcome: string(tasks.OutcomeFailed), errorType: errorPanic}
		err := fmt.Errorf("panic: %v", p)
		if p == nil {
			died.errorType, err = errorGoexit, errGoexit
		}
		r.end(ctx, died, err, debug.Stack(), measuring)
		if p != nil {
			panic(p) // package tasks makes a failed attempt of it
		}
	}()
	value, err = next(ctx, r.delivery)
	returned = true
	end, stack := r.judge(ctx, err)
	r.end(ctx, end, err, stack, measuring)
	return value, err
}

// Values of error.type of a run, beside the outcomes.
const (
	errorPanic   = "panic"
	errorGoexit  = "goexit"
	errorTimeout = "timeout"
)

var errGoexit = errors.New("the function ended its goroutine (runtime.Goexit, or FailNow of a test)")

// judge says what the function's error asks for.
func (r *attempt) judge(ctx context.Context, err error) (end result, stack []byte) {
	outcome := tasks.OutcomeOf(err)
	end.outcome = string(outcome)
	switch outcome {
	case tasks.OutcomeFailed:
		end.errorType = end.outcome
		if p, ok := errors.AsType[*payload.PanicError](err); ok { // of a payload's own method
			end.errorType, stack = errorPanic, p.Stack
		} else if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
			end.errorType = errorTimeout
		}
	case tasks.OutcomeRejected, tasks.OutcomeRetryLater:
		end.errorType = end.outcome
	}
	return end, stack
}

func (r *attempt) end(ctx context.Context, end result, err error, stack []byte, measuring bool) {
	took := time.Since(r.start)
	if span := r.span; span != nil {
		if span.IsRecording() {
			span.SetAttributes(OutcomeKey.String(end.outcome))
			var opts []trace.EventOption
			if stack != nil {
				opts = append(opts, trace.WithAttributes(semconv.ExceptionStacktrace(string(stack))))
			}
			switch {
			case end.errorType != "":
				fail(span, end.errorType, err, opts...)
			case end.outcome == string(tasks.OutcomeDiscarded) && errors.Unwrap(err) != nil:
				span.RecordError(err) // why; it is no failure
			}
		}
		span.End()
	}
	if measuring {
		r.measureEnd(ctx, end, took)
	}
}

// measureStart tells how late the run is. What waited for a retry says nothing of that.
func (r *attempt) measureStart(ctx context.Context) {
	var due time.Time
	switch {
	case r.meta.Eager, r.delivery.Attempt > 1:
		return
	case r.message:
		due = r.delivery.Message.PublishTime
	case r.job:
		due = r.meta.ScheduleTime
	default:
		due = r.delivery.ETA
	}
	if !due.IsZero() {
		r.in.measures.delay.Record(ctx, seconds(r.in.now().Sub(due)), r.profile.set(result{}))
	}
}

func (r *attempt) measureEnd(ctx context.Context, end result, took time.Duration) {
	attributes := r.profile.set(end)
	m := &r.in.measures
	m.runs.Add(ctx, 1, attributes)
	m.running.Record(ctx, seconds(took), attributes)
	if !r.inCaller {
		m.attempts.Record(ctx, int64(r.meta.Attempt), attributes)
	}
}
