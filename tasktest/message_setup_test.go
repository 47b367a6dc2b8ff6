package tasktest_test

import (
	"context"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

type Paid struct {
	Order int    `json:"order" validate:"required"`
	Note  string `json:"note,omitempty"`
}

// publish publishes or fails the test.
func publish[M any](t testing.TB, ctx context.Context, p *pubsub.Publisher[M], m M, opts ...pubsub.PublishOption) string {
	t.Helper()
	id, err := p.Publish(ctx, m, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// publishRaw publishes as something that is no publisher of the App does.
func publishRaw(t testing.TB, rec *tasktest.Recorder, m *transport.Message) string {
	t.Helper()
	id, err := rec.App().PublishMessage(rec.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// paid is a publisher named OrderPaid to the topic orders.
func paid(opts ...pubsub.PublisherOption) *pubsub.Publisher[Paid] {
	return pubsub.NewPublisher[Paid](append([]pubsub.PublisherOption{pubsub.WithName("OrderPaid"), pubsub.Topic("orders")}, opts...)...)
}

// audit is a subscriber named Audit of the topic orders.
func audit(fn func(context.Context, pubsub.Message[Paid]) error, opts ...pubsub.SubscriberOption) *pubsub.Subscriber[Paid] {
	return pubsub.NewSubscriber(fn, append([]pubsub.SubscriberOption{pubsub.WithName("Audit"), pubsub.Topic("orders")}, opts...)...)
}

func ignore[M any](context.Context, pubsub.Message[M]) error { return nil }

// take is a subscriber's function that notes the orders it is called for.
func take(orders *[]int) func(context.Context, pubsub.Message[Paid]) error {
	return func(_ context.Context, m pubsub.Message[Paid]) error {
		*orders = append(*orders, m.Data.Order)
		return nil
	}
}

// traced is ctx with a traceparent that rides along.
func traced(ctx context.Context, trace string) context.Context {
	return tasks.ContextWithHeaders(ctx, map[string][]string{"Traceparent": {trace}})
}
