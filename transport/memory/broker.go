package memory

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// Publish implements [transport.Broker]. [transport.ErrCapacity] where too many messages wait.
func (t *Transport) Publish(ctx context.Context, m *transport.Message) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", publishError(m, err)
	}
	if err := m.Check(); err != nil {
		return "", err
	}
	ids, err := t.broker.Publish(transport.ResourceID(m.Topic), []*transport.Message{m})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// PublishBatch implements [transport.BatchPublisher].
func (t *Transport) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	type line struct{ topic, key string }
	broken := map[line]error{}
	results := make([]transport.Result, len(ms))
	for i, m := range ms {
		l := line{transport.ResourceID(m.Topic), m.OrderingKey}
		if err := broken[l]; err != nil {
			results[i].Err = publishError(m, fmt.Errorf("an earlier message of ordering key %q failed: %w", m.OrderingKey, err))
			continue
		}
		results[i].Receipt.ID, results[i].Err = t.Publish(ctx, m)
		if err := results[i].Err; err != nil && m.OrderingKey != "" {
			broken[l] = err
		}
	}
	return results
}

// Receive implements [transport.Receiver] with the defaults of Pub/Sub's client. [transport.ErrNotFound] where there
// is no such subscription, or it is deleted meanwhile; [transport.ErrClosed] from Shutdown on.
func (t *Transport) Receive(ctx context.Context, subscription string, h func(context.Context, *transport.Message) error) error {
	return t.ReceiveWith(ctx, subscription, transport.ReceiveSettings{}, h)
}

// ReceiveWith implements [transport.FlowReceiver]; its errors are those of Receive. A panic in h, or one that takes
// longer than s.MaxExtension, when its context ends, asks for redelivery as an error does. A negative number means no
// limit, a negative MaxExtension the subscription's ack deadline.
func (t *Transport) ReceiveWith(ctx context.Context, subscription string, s transport.ReceiveSettings, h func(context.Context, *transport.Message) error) error {
	return t.broker.Receive(ctx, transport.ResourceID(subscription), s, h)
}

// SubscriptionBacklog implements [transport.SubscriptionBacklogger]. [transport.ErrNotFound].
func (t *Transport) SubscriptionBacklog(_ context.Context, name string) (int, error) {
	return t.broker.Backlog(transport.ResourceID(name))
}

func publishError(m *transport.Message, err error) error {
	return &transport.Error{Op: transport.OpPublish, Resource: fmt.Sprintf("topic %q", m.Topic), Err: err}
}
