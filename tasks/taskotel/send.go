package taskotel

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// The outcomes of an enqueue or a publish.
const (
	outcomeOK        = "ok"
	outcomeDuplicate = "duplicate"
	outcomeError     = "error"
)

// batch is what goes out in one call: tasks or messages.
type batch interface {
	len() int
	subject(i int, operation string) subject
	// parent is ctx with what was propagated to the i-th, for where ctx has no span of its own.
	parent(ctx context.Context, i int) context.Context
	attach(ctx context.Context, i int)
	details(attributes []attribute.KeyValue, i int) []attribute.KeyValue // with what else its span has
	next(ctx context.Context) []tasks.Result
}

// watched says whether anybody wants to know of sends.
func (in *instrumentation) watched(ctx context.Context, n int) (tracing, measuring, either bool) {
	tracing, measuring = in.tracing(), in.measures.ofSends(ctx)
	return tracing, measuring, n > 0 && (tracing || measuring)
}

// send lets a batch go, within spans.
func (in *instrumentation) send(ctx context.Context, b batch, tracing, measuring bool) []tasks.Result {
	start := time.Now()
	s := sending{in: in, batch: b}
	if tracing {
		ctx = s.begin(ctx)
	}
	defer s.end() // however next ends
	results := b.next(in.enqueuing(ctx))
	if len(results) > b.len() {
		return results // it is wrong, and package tasks says so
	}
	s.tell(results)
	if measuring {
		s.measure(ctx, results, time.Since(start))
	}
	return results
}

// sending is a batch on its way. One alone has one span, that of sending it; of many each has one of its creation, which
// travels with it, and the span of sending them links to those.
type sending struct {
	in    *instrumentation
	batch batch
	each  []trace.Span
	whole trace.Span // of many
}

// mostLinks is how many links spans of the SDK keep by default.
const mostLinks = 128

// begin returns the ctx to send under.
func (s *sending) begin(ctx context.Context) context.Context {
	in, n := s.in, s.batch.len()
	operation := opSend
	if n > 1 {
		operation = opCreate
	}
	s.each = make([]trace.Span, n)
	var under context.Context
	whole := s.batch.parent(ctx, 0) // before anything is attached
	for i := range n {
		p := in.profile(s.batch.subject(i, operation), trace.SpanKindProducer)
		under, s.each[i] = in.tracer.Start(s.batch.parent(ctx, i), p.spanName, p.start...)
		s.batch.attach(under, i)
	}
	if n == 1 {
		return under
	}
	links := make([]trace.Link, min(n, mostLinks))
	for i := range links {
		links[i].SpanContext = s.each[i].SpanContext()
	}
	p := in.profile(s.common(), trace.SpanKindClient)
	under, s.whole = in.tracer.Start(whole, p.spanName,
		p.startWith(trace.WithLinks(links...), trace.WithAttributes(semconv.MessagingBatchMessageCount(n)))...)
	return under
}

// common is what all of the batch have in common.
func (s *sending) common() subject {
	all := s.batch.subject(0, opSend)
	for i := range s.batch.len() {
		one := s.batch.subject(i, opSend)
		if one.destination != all.destination {
			all.destination = ""
		}
		if one.kind != all.kind || one.name != all.name {
			all.kind, all.name = "", ""
		}
	}
	return all
}

// tell says on the spans what became of them.
func (s *sending) tell(results []tasks.Result) {
	failed := 0
	var first error
	for i, r := range results {
		if r.Err != nil {
			if failed++; first == nil {
				first = r.Err
			}
		}
		if s.each == nil || !s.each[i].IsRecording() {
			continue
		}
		span, end := s.each[i], resultOf(r)
		attributes := append(make([]attribute.KeyValue, 0, 3), OutcomeKey.String(end.outcome))
		if r.Receipt.ID != "" {
			attributes = append(attributes, semconv.MessagingMessageID(r.Receipt.ID))
		}
		span.SetAttributes(s.batch.details(attributes, i)...)
		if r.Err != nil {
			fail(span, end.errorType, r.Err)
		}
	}
	if s.whole != nil && first != nil {
		s.whole.SetAttributes(semconv.ErrorTypeKey.String(errorType(first)))
		s.whole.SetStatus(codes.Error, strconv.Itoa(failed)+" of "+strconv.Itoa(len(results))+" failed")
	}
}

func (s *sending) end() {
	if s.whole != nil {
		s.whole.End()
	}
	for _, span := range s.each {
		span.End()
	}
}

// measure counts what is alike in one go.
func (s *sending) measure(ctx context.Context, results []tasks.Result, took time.Duration) {
	type alike struct {
		p *profile
		r result
	}
	var run alike
	var worst result
	n := int64(0)
	flush := func() {
		if n > 0 {
			s.in.measures.sent.Add(ctx, n, run.p.set(run.r))
		}
		n = 0
	}
	for i, r := range results {
		next := alike{s.in.profile(s.batch.subject(i, opSend), trace.SpanKindProducer), resultOf(r)}
		if next != run {
			flush()
			run = next
		}
		n++
		if r.Err != nil && worst.errorType == "" {
			worst.errorType = next.r.errorType
		}
	}
	flush()
	p := run.p
	if len(results) > 1 {
		p = s.in.profile(s.common(), trace.SpanKindClient)
	}
	if p != nil {
		s.in.measures.sending.Record(ctx, seconds(took), p.set(worst))
	}
}

func resultOf(r tasks.Result) result {
	switch {
	case r.Err != nil:
		return result{outcomeError, errorType(r.Err)}
	case r.Receipt.Duplicate:
		return result{outcome: outcomeDuplicate}
	default:
		return result{outcome: outcomeOK}
	}
}

// errorType names the kind of an error of a driver, in the words of the conventions where they have some.
func errorType(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	switch transport.KindOf(err) {
	case transport.KindNotFound, transport.KindQueueMissing:
		return "not_found"
	case transport.KindExists, transport.KindGone:
		return "exists"
	case transport.KindUnsupported:
		return "unsupported"
	case transport.KindClosed:
		return "closed"
	case transport.KindCapacity:
		return "capacity"
	case transport.KindTooLarge:
		return "too_large"
	case transport.KindTooFar:
		return "too_far"
	case transport.KindInvalid:
		return "invalid"
	default:
		return semconv.ErrorTypeOther.Value.AsString()
	}
}

// fail marks a span as that of a failure.
func fail(span trace.Span, errorType string, err error, opts ...trace.EventOption) {
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	span.RecordError(err, opts...)
	span.SetStatus(codes.Error, err.Error())
}
