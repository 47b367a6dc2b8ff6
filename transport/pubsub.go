package transport

import "context"

// Message is one event on its way to a topic.
type Message struct {
	Topic       string            // topic id
	OrderingKey string            // messages of one key are delivered in order, where the subscription asks for it
	Data        []byte            // sent as it is; may be empty where there are attributes
	Attributes  map[string]string // at most 100, keys up to 256 bytes, values up to 1024
}

// Broker publishes messages. Publish returns the server's id of the message once it is stored. It neither
// keeps nor changes m after it returns, and is safe for concurrent use.
type Broker interface {
	Publish(ctx context.Context, m *Message) (id string, err error)
}

// Receiver delivers the messages of a subscription to h until ctx ends; h's nil acknowledges.
type Receiver interface {
	Receive(ctx context.Context, subscription string, h func(context.Context, *Message) error) error
}
