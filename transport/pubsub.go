package transport

import (
	"context"
	"time"
)

// Message is one event, on its way to a topic or from a subscription.
type Message struct {
	Topic       string            // topic id; a driver may take full names too. Not set on delivery
	OrderingKey string            // messages of one key are delivered in order, where the subscription asks for it
	Data        []byte            // sent as it is; may be empty where there are attributes
	Attributes  map[string]string // see [Message.Check] for the limits

	// Set on delivery, ignored by Publish.
	ID              string    // the server's
	PublishTime     time.Time // when the server took it, UTC
	DeliveryAttempt int       // from 1, where the subscription has a dead-letter policy; else 0. Approximate on Pub/Sub
	Subscription    string    // which it comes from: an id, or the full name where the platform says so
}

// Broker publishes messages. Publish returns the server's id of the message once it is stored; a topic that does
// not exist is created. It neither keeps nor changes m after it returns, and is safe for concurrent use.
//
// Errors match ErrInvalid for a message that [Message.Check] refuses (ErrTooLarge where it is too large), and
// ErrClosed after the end.
type Broker interface {
	Publish(ctx context.Context, m *Message) (id string, err error)
}

// BatchPublisher publishes many messages in few calls. Receipt.ID of each result is the message's id. Messages of
// one topic and ordering key are stored in the order of ms; one that fails fails those that follow it under its
// key, so that order is kept.
type BatchPublisher interface {
	PublishBatch(ctx context.Context, ms []*Message) []Result // puts work in: never looked up through a decorator
}

// Receiver delivers the messages of a subscription to h, several at a time, until ctx ends; h's nil
// acknowledges, an error asks for redelivery. When ctx ends it takes no more, waits for the calls of h in
// flight, whose contexts do not end with ctx, gives back what it holds, and returns nil. The lease of a message
// is extended for as long as h runs. The message is h's own; what its Data and Attributes hold may be shared, and is
// not to be changed.
type Receiver interface {
	Receive(ctx context.Context, subscription string, h func(context.Context, *Message) error) error
}

// FlowReceiver is a Receiver that is told how much it may hold.
type FlowReceiver interface {
	ReceiveWith(ctx context.Context, subscription string, s ReceiveSettings, h func(context.Context, *Message) error) error
}

// ReceiveSettings bound what a receiver holds. Zero means the driver's default, in Pub/Sub's client 1000
// messages, 1e9 bytes and an hour.
type ReceiveSettings struct {
	MaxOutstandingMessages int           // delivered to h or about to be
	MaxOutstandingBytes    int           // of their data
	MaxExtension           time.Duration // for how long a lease is extended
}

// BrokerAs finds an ability of b, as [As] does for a Transport, walking Unwrap() Broker. [BatchPublisher] is asked
// of b alone.
func BrokerAs[A any](b Broker) (A, error) { return lookUp[A, Broker](b, "broker") }
