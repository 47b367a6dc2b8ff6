package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// Order is what the messages carry: the type is the same for who publishes and for who subscribes, and it is
// validated on both sides.
type Order struct {
	ID     int    `json:"id"     validate:"required"`
	Region string `json:"region" validate:"oneof=emea apac"`
	Cents  int    `json:"cents"  validate:"gt=0"`
}

// OrderingKey keeps the orders of a region in order, for subscribers that ask for it.
func (o Order) OrderingKey() string { return o.Region }

// OrderPaid announces an order to whom it may concern.
var OrderPaid = pubsub.NewPublisher[Order](pubsub.Topic("orders"), pubsub.WithName("OrderPaid"))

// unlucky is an order that nobody manages to ship.
const unlucky = 13

// subscribers are two parties that know nothing of each other, and one that looks after what failed. how is empty,
// or pubsub.Pull() where the broker cannot push to this process.
func subscribers(l *ledger, how ...pubsub.SubscriberOption) []tasks.Definition {
	with := func(opts ...pubsub.SubscriberOption) []pubsub.SubscriberOption { return append(opts, how...) }

	shipping := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		if m.Data.ID == unlucky || m.Data.ID == 3 && l.first("shipping", m.Data.ID) {
			l.tell("shipping", "failed", m.Data, fmt.Sprintf("attempt %d, the carrier is away", m.DeliveryAttempt))
			return errors.New("the carrier is away")
		}
		l.tell("shipping", "shipped", m.Data, "")
		return nil
	}, with(pubsub.Topic("orders"), pubsub.Subscription("shipping"),
		pubsub.Backoff(20*time.Millisecond, time.Second), // minutes, in a real shop
		pubsub.DeadLetter("orders-dead"), pubsub.MaxDeliveryAttempts(5))...)

	audit := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		l.tell("audit", "noted", m.Data, "in the order in which they were paid")
		return nil
	}, with(pubsub.Topic("orders"), pubsub.Subscription("audit-emea"),
		pubsub.Filter(`attributes.region = "emea"`), pubsub.Ordered())...)

	support := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		l.tell("support", "called", m.Data, "from the dead-letter topic")
		return nil
	}, with(pubsub.Topic("orders-dead"), pubsub.Subscription("orders-dead"))...)

	return []tasks.Definition{shipping, audit, support}
}
