package taskotel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqueue is the middleware of UseEnqueue.
func (in *instrumentation) enqueue(next tasks.EnqueueFunc) tasks.EnqueueFunc {
	return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
		tracing, measuring, either := in.watched(ctx, len(ts))
		if !either {
			return next(ctx, ts)
		}
		return in.send(ctx, taskBatch{in, ts, next}, tracing, measuring)
	}
}

type taskBatch struct {
	in    *instrumentation
	tasks []*transport.Task
	then  tasks.EnqueueFunc
}

func (b taskBatch) len() int { return len(b.tasks) }

func (b taskBatch) subject(i int, operation string) subject {
	t := b.tasks[i]
	spec, _ := b.in.app.SpecOf(t.URL)
	return subject{system: b.in.taskSystem, operation: operation, destination: t.Queue, kind: spec.Kind, name: spec.Name}
}

func (b taskBatch) parent(ctx context.Context, i int) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return b.in.propagator.Extract(ctx, headerCarrier(b.tasks[i].Header))
}

func (b taskBatch) attach(ctx context.Context, i int) { b.in.attachTask(ctx, b.tasks[i]) }

func (b taskBatch) details(attributes []attribute.KeyValue, _ int) []attribute.KeyValue {
	return attributes
}

func (b taskBatch) next(ctx context.Context) []tasks.Result { return b.then(ctx, b.tasks) }

// publish is the middleware of UsePublish.
func (in *instrumentation) publish(next tasks.PublishFunc) tasks.PublishFunc {
	return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
		tracing, measuring, either := in.watched(ctx, len(ms))
		if !either {
			return next(ctx, ms)
		}
		return in.send(ctx, &messageBatch{in: in, messages: ms, then: next, by: origin.From(ctx).Name}, tracing, measuring)
	}
}

type messageBatch struct {
	in       *instrumentation
	messages []*transport.Message
	then     tasks.PublishFunc
	by       string          // the publisher
	under    context.Context // see parent
}

func (b *messageBatch) len() int { return len(b.messages) }

func (b *messageBatch) subject(i int, operation string) subject {
	s := subject{system: b.in.messageSystem, operation: operation, destination: transport.ResourceID(b.messages[i].Topic), name: b.by}
	if b.by != "" {
		s.kind = tasks.KindPublisher
	}
	return s
}

func (b *messageBatch) parent(ctx context.Context, _ int) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if b.under == nil { // the same for all
		b.under = b.in.propagator.Extract(ctx, headerCarrier(tasks.HeadersFrom(ctx)))
	}
	return b.under
}

func (b *messageBatch) attach(ctx context.Context, i int) { b.in.attachMessage(ctx, b.messages[i]) }

func (b *messageBatch) details(attributes []attribute.KeyValue, i int) []attribute.KeyValue {
	if key := b.messages[i].OrderingKey; key != "" {
		attributes = append(attributes, semconv.MessagingGCPPubSubMessageOrderingKey(key))
	}
	return attributes
}

func (b *messageBatch) next(ctx context.Context) []tasks.Result { return b.then(ctx, b.messages) }
