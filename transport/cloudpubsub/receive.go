package cloudpubsub

import (
	"cmp"
	"context"
	"runtime/debug"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// Receive pulls with the settings of [WithReceiveSettings], and [Broker.Shutdown] ends it as the end of ctx does, with
// an error that matches ErrClosed. A handler that panics has failed: its message is given back, the panic and its
// stack are logged.
func (b *Broker) Receive(ctx context.Context, subscription string, h func(context.Context, *transport.Message) error) error {
	return b.ReceiveWith(ctx, subscription, transport.ReceiveSettings{}, h)
}

// ReceiveWith is Receive with what s sets.
func (b *Broker) ReceiveWith(ctx context.Context, subscription string, s transport.ReceiveSettings, h func(context.Context, *transport.Message) error) error {
	resource := subscriptionResource(subscription)
	name, err := b.fullName(subscriptions, subscription)
	if err != nil {
		return invalid(transport.OpReceive, resource, err)
	}
	if !b.pulling.enter() {
		return closedError(transport.OpReceive, resource)
	}
	defer b.pulling.leave()
	if ctx.Err() != nil {
		return nil
	}
	pulling, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.stopping, cancel)()

	from := b.client.Subscriber(name)
	from.ReceiveSettings = b.receive
	from.ReceiveSettings.MaxOutstandingMessages = cmp.Or(s.MaxOutstandingMessages, b.receive.MaxOutstandingMessages)
	from.ReceiveSettings.MaxOutstandingBytes = cmp.Or(s.MaxOutstandingBytes, b.receive.MaxOutstandingBytes)
	from.ReceiveSettings.MaxExtension = cmp.Or(s.MaxExtension, b.receive.MaxExtension)
	r := &receiver{b: b, subscription: subscription, h: h, handling: context.WithoutCancel(ctx)}
	err = from.Receive(pulling, func(_ context.Context, m *pubsub.Message) {
		if pulling.Err() != nil { // it waited for another of its ordering key
			m.Nack()
			return
		}
		r.handle(m)
	})
	switch {
	case err == nil && b.stopping.Err() == nil, ctx.Err() != nil:
		return nil
	case b.stopping.Err() != nil:
		return closedError(transport.OpReceive, resource)
	case status.Code(err) == codes.NotFound:
		return &transport.Error{Op: transport.OpReceive, Resource: resource, Kind: transport.KindNotFound, Err: unmadeError{err}}
	}
	return failed(ctx, transport.OpReceive, resource, roleSubscriber, err)
}

// receiver is one Receive.
type receiver struct {
	b            *Broker
	subscription string
	h            func(context.Context, *transport.Message) error
	handling     context.Context // does not end
}

// handle calls h and settles the message: nil acknowledges it, anything else gives it back.
func (r *receiver) handle(m *pubsub.Message) {
	handled := false
	defer func() {
		if p := recover(); p != nil {
			r.b.logger.ErrorContext(r.handling, "cloudpubsub: a handler panicked; its message comes again",
				"subscription", r.subscription, "message", m.ID, "panic", p, "stack", string(debug.Stack()))
		}
		if handled {
			m.Ack()
		} else {
			m.Nack()
		}
	}()
	handled = r.h(r.handling, r.message(m)) == nil
}

func (r *receiver) message(m *pubsub.Message) *transport.Message {
	d := &transport.Message{
		OrderingKey: m.OrderingKey, Data: m.Data, Attributes: m.Attributes,
		ID: m.ID, PublishTime: m.PublishTime.UTC(), Subscription: r.subscription,
	}
	if m.DeliveryAttempt != nil {
		d.DeliveryAttempt = *m.DeliveryAttempt
	}
	return d
}

type unmadeError struct{ err error }

func (e unmadeError) Error() string {
	return "pubsub.Sync makes what the code declares: " + e.err.Error()
}

func (e unmadeError) Unwrap() error { return e.err }
