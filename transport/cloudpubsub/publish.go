package cloudpubsub

import (
	"bytes"
	"context"
	"errors"
	"maps"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// Publish sends m with those that other callers publish to the topic at the same time, and waits for its id. A topic
// that does not exist is created. When ctx ends first, m may still be sent. Google's client retries what may pass,
// for as long as the Timeout of [WithPublishSettings], a minute by default.
func (b *Broker) Publish(ctx context.Context, m *transport.Message) (string, error) {
	if !b.calling.enter() {
		return "", closedError(transport.OpPublish, topicResource(m.Topic))
	}
	defer b.calling.leave()
	t, err := b.accept(ctx, m)
	if err != nil {
		return "", err
	}
	var id string
	if b.publish.HedgingSettings != nil && m.OrderingKey == "" {
		id, err = t.publishHedged(ctx, m)
	} else {
		id, err = t.publish(ctx, m)
	}
	if err != nil {
		return "", b.publishError(ctx, m, err)
	}
	return id, nil
}

// accept returns the topic that m goes to, or why it must not be sent.
func (b *Broker) accept(ctx context.Context, m *transport.Message) (*topic, error) {
	if err := ctx.Err(); err != nil {
		return nil, &transport.Error{Op: transport.OpPublish, Resource: topicResource(m.Topic), Err: err}
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	t, err := b.topic(m.Topic)
	if err != nil {
		return nil, invalid(transport.OpPublish, topicResource(m.Topic), err)
	}
	return t, nil
}

func (b *Broker) publishError(ctx context.Context, m *transport.Message, err error) error {
	if errors.Is(err, pubsub.ErrFlowControllerMaxOutstandingMessages) || errors.Is(err, pubsub.ErrFlowControllerMaxOutstandingBytes) {
		return &transport.Error{Op: transport.OpPublish, Resource: topicResource(m.Topic), Kind: transport.KindCapacity, Err: err}
	}
	if errors.Is(err, pubsub.ErrOversizedMessage) {
		return &transport.Error{Op: transport.OpPublish, Resource: topicResource(m.Topic), Kind: transport.KindTooLarge, Err: err}
	}
	return b.failed(ctx, transport.OpPublish, topicResource(m.Topic), rolePublisher, err)
}

// publish sends m with what other callers publish, and waits until that is done or ctx ends.
func (t *topic) publish(ctx context.Context, m *transport.Message) (string, error) {
	p := messageProto(m)
	size := proto.Size(p)
	if err := t.flow.acquire(ctx, size); err != nil {
		return "", err
	}
	if ctx.Done() != nil { // the caller may leave before the message does
		p.Data, p.Attributes = bytes.Clone(p.Data), maps.Clone(p.Attributes)
	}
	r, at, alone := t.join(p, size)
	if alone {
		t.run(ctx, r)
		return r.id(at)
	}
	select {
	case <-r.done:
		return r.id(at)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// publishHedged leaves m to the client's own publisher.
func (t *topic) publishHedged(ctx context.Context, m *transport.Message) (id string, err error) {
	t.hedging.Do(func() {
		t.hedged = t.b.client.Publisher(t.name)
		t.hedged.PublishSettings = t.b.publish
	})
	err = t.existing(ctx, func() error {
		r := t.hedged.Publish(ctx, &pubsub.Message{Data: bytes.Clone(m.Data), Attributes: maps.Clone(m.Attributes)})
		if id, err = r.Get(ctx); ctx.Err() != nil { // the message may outlast its caller, and is waited for all the same
			t.b.calling.follow()
			go func() {
				defer t.b.calling.leave()
				<-r.Ready()
			}()
		}
		return err
	})
	return id, err
}

func messageProto(m *transport.Message) *pubsubpb.PubsubMessage {
	return &pubsubpb.PubsubMessage{Data: m.Data, Attributes: m.Attributes, OrderingKey: m.OrderingKey}
}

// perMessage is what a message takes in a request beside its own bytes: its tag, and the number of these.
const perMessage = 5

// fits reports whether so many messages of so many bytes may be one request: Pub/Sub allows 10 MB, the topic's name
// included. One message alone may be larger: whether it is too large is Pub/Sub's decision.
func (t *topic) fits(messages, bytes int) bool {
	return bytes+perMessage*messages <= pubsub.MaxPublishRequestBytes-len(t.name)-perMessage
}
