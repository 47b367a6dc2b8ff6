package cloudpubsub

import (
	"cmp"
	"context"
	"runtime/debug"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// Receive pulls with the settings of [WithReceiveSettings], and [Broker.Shutdown] ends it as the end of ctx does, with
// an error that matches ErrClosed. A handler that panics has failed: its message is given back, the panic and its
// stack are logged.
//
// While Pub/Sub cannot be reached it goes on trying, and logs one warning. Once it is to end and the handlers are
// done, it waits for their verdicts to be sent, but no longer than about two seconds in which none goes through:
// those messages come again.
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
	streams := max(b.receive.NumGoroutines, pubsub.DefaultReceiveSettings.NumGoroutines)
	pull := b.link.enter(name, streams)
	defer b.link.leave(pull, streams)

	from := b.client.Subscriber(name)
	from.ReceiveSettings = b.receive
	from.ReceiveSettings.MaxOutstandingMessages = cmp.Or(s.MaxOutstandingMessages, b.receive.MaxOutstandingMessages)
	from.ReceiveSettings.MaxOutstandingBytes = cmp.Or(s.MaxOutstandingBytes, b.receive.MaxOutstandingBytes)
	from.ReceiveSettings.MaxExtension = cmp.Or(s.MaxExtension, b.receive.MaxExtension)
	handling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(b.running, end)() // Shutdown has given them up
	r := &receiver{b: b, subscription: subscription, h: h, handling: handling, pulling: pulling, pull: pull}
	err = r.run(from)
	switch {
	case err == nil && b.stopping.Err() == nil, ctx.Err() != nil:
		return nil
	case b.stopping.Err() != nil:
		return closedError(transport.OpReceive, resource)
	case status.Code(err) == codes.NotFound:
		return &transport.Error{Op: transport.OpReceive, Resource: resource, Kind: transport.KindNotFound, Err: unmadeError{err}}
	}
	return b.failed(ctx, transport.OpReceive, resource, roleSubscriber, err)
}

// receiver is one Receive.
type receiver struct {
	b            *Broker
	subscription string
	h            func(context.Context, *transport.Message) error
	handling     context.Context // of handlers: it does not end with Receive's
	pulling      context.Context // ends the Receive
	pull         *pull

	mu      sync.Mutex
	running int // handlers
}

// The end of a Receive waits no longer than patience looks, apart by this, that all find nothing happening. Looks are
// counted rather than time so that a process that stood still has not given up when it wakes.
const look, patience = 250 * time.Millisecond, 8

// run receives until pulling ends. What Google's client does not finish then is left to it: it tries to acknowledge
// for up to a minute.
func (r *receiver) run(from *pubsub.Subscriber) error {
	done := make(chan error, 1)
	go func() {
		done <- from.Receive(r.pulling, func(_ context.Context, m *pubsub.Message) {
			if !r.begin() { // it waited for another of its ordering key
				m.Nack()
				return
			}
			defer r.end()
			r.handle(m)
		})
	}()
	select {
	case err := <-done:
		return err
	case <-r.pulling.Done():
	}
	looks := time.NewTicker(look)
	defer looks.Stop()
	settled := r.pull.settled.Load()
	for idle := 0; idle < patience; {
		select {
		case err := <-done:
			return err
		case <-looks.C:
		}
		idle++
		if n := r.pull.settled.Load(); n != settled || r.pull.settling.Load() > 0 {
			settled, idle = n, 0
		}
		if r.b.running.Err() != nil { // Shutdown has given up
			idle = patience
		}
		if r.busy() {
			idle = 0
		}
	}
	r.b.logger.WarnContext(r.handling, "cloudpubsub: receiving has ended without an answer from Pub/Sub: messages handled last may come again",
		"subscription", r.subscription)
	return nil
}

// begin reports whether a handler may begin. Then it must end.
func (r *receiver) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pulling.Err() != nil {
		return false
	}
	r.running++
	return true
}

func (r *receiver) end() {
	r.mu.Lock()
	r.running--
	r.mu.Unlock()
}

func (r *receiver) busy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running > 0
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
