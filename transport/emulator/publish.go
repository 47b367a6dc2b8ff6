package emulator

import (
	"context"
	"errors"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

// maxPublish is the most bytes of the messages of one request, which are as many as one message may have.
const maxPublish = transport.MaxMessageSize

// Publish stores all messages of the request, or none.
func (p *pubsub) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	if err := checkTopicName(r.Topic); err != nil {
		return nil, err
	}
	messages, err := toMessages(r)
	if err != nil {
		return nil, err
	}
	ids, err := p.broker.Publish(r.Topic, messages)
	if p.onDemand && errors.Is(err, transport.ErrNotFound) {
		if err := p.demandTopic(r.Topic); err != nil {
			return nil, err
		}
		ids, err = p.broker.Publish(r.Topic, messages)
	}
	if err != nil {
		return nil, brokerError(err, r.Topic)
	}
	return &pubsubpb.PublishResponse{MessageIds: ids}, nil
}

func (p *pubsub) demandTopic(name string) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	return p.needTopic(name)
}

// toMessages returns the messages of a request as the broker takes them. They share its memory.
func toMessages(r *pubsubpb.PublishRequest) ([]*transport.Message, error) {
	if len(r.Messages) == 0 {
		return nil, invalid("The value for message_count is too small. You passed 0 in the request, but the minimum value is 1.")
	}
	if n := len(r.Messages); n > transport.MaxPublishBatch {
		return nil, invalid("The value for message_count is too large. You passed %d in the request, but the maximum value is %d.", n, transport.MaxPublishBatch)
	}
	messages := make([]*transport.Message, len(r.Messages))
	size := 0
	for i, m := range r.Messages {
		message := &transport.Message{Topic: r.Topic, OrderingKey: m.GetOrderingKey(), Data: m.GetData(), Attributes: m.GetAttributes()}
		if err := checkMessage(i, message); err != nil {
			return nil, err
		}
		messages[i] = message
		if first := messages[0].OrderingKey; message.OrderingKey != first {
			return nil, invalid("All messages of a request must have the same ordering_key: messages[0] has %q, messages[%d] has %q.",
				first, i, message.OrderingKey)
		}
		size += message.Size()
	}
	if size > maxPublish {
		return nil, invalid("The value for request_size is too large. You passed %d in the request, but the maximum value is %d.", size, maxPublish)
	}
	return messages, nil
}

func checkMessage(i int, m *transport.Message) error {
	if len(m.Data) == 0 && len(m.Attributes) == 0 {
		return invalid("One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.")
	}
	if err := m.Check(); err != nil {
		return invalid("Invalid message given (messages[%d]): %s.", i, causeOf(err))
	}
	return nil
}

// fromLeases returns messages as clients get them.
func fromLeases(leases []broker.Leased) []*pubsubpb.ReceivedMessage {
	received := make([]*pubsubpb.ReceivedMessage, len(leases))
	for i, l := range leases {
		received[i] = &pubsubpb.ReceivedMessage{
			AckId: l.AckID,
			Message: &pubsubpb.PubsubMessage{
				Data: l.Message.Data, Attributes: l.Message.Attributes, OrderingKey: l.Message.OrderingKey,
				MessageId: l.Message.ID, PublishTime: timestamppb.New(l.Message.PublishTime),
			},
			DeliveryAttempt: int32(l.Message.DeliveryAttempt),
		}
	}
	return received
}
