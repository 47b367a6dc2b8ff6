package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// ErrNothingToReceive: the App has no subscriber with [Pull].
var ErrNothingToReceive = errors.New("no subscriber pulls: define one with pubsub.Pull")

// Receive pulls the messages of every [Pull] subscriber that app has now and runs them, until ctx ends or the App is
// shut down: then it takes no more, waits for the handlers that run, whose contexts do not end with ctx, and returns
// nil. When one subscription fails, the others stop likewise, and its error comes back.
//
// Errors match [ErrNothingToReceive], tasks.ErrNoBroker, tasks.ErrShutdown for an App that is shut down already,
// transport.ErrUnsupported for a broker that cannot be pulled from, transport.ErrNotFound for a subscription that
// [Sync] has not made.
func Receive(ctx context.Context, app *tasks.App) error {
	cfg := app.Config()
	if cfg.Broker == nil {
		return fmt.Errorf("pubsub: receive: %w", tasks.ErrNoBroker)
	}
	from, err := transport.BrokerAs[transport.Receiver](cfg.Broker)
	if err != nil {
		return fmt.Errorf("pubsub: receive: %w", err)
	}
	if isShutDown(app) {
		return fmt.Errorf("pubsub: receive: %w", tasks.ErrShutdown)
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-app.ShuttingDown():
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
		found bool
	)
	for def := range app.Definitions() {
		d, in := pulling(def, app)
		if d == nil {
			continue
		}
		found = true
		group.Go(func() {
			err := d.receive(ctx, from, app, def, in)
			cancel()
			if err != nil && !(errors.Is(err, transport.ErrClosed) && isShutDown(app)) { // a broker of this process ends with it
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("pubsub: receive %s: %w", d.nameOf(), err))
			}
		})
	}
	if !found {
		return fmt.Errorf("pubsub: receive: %w", ErrNothingToReceive)
	}
	group.Wait()
	return errors.Join(errs...)
}

// pulling is def as a subscriber that pulls, and what it is in app; nil for anything else.
func pulling(def tasks.Definition, app *tasks.App) (*subscriber, *inlet) {
	s, ok := def.(interface {
		definition() *subscriber
		Resolved(*tasks.App) any
	})
	if !ok || !s.definition().pull {
		return nil, nil
	}
	in, _ := s.Resolved(app).(*inlet)
	if in == nil { // released meanwhile
		return nil, nil
	}
	return s.definition(), in
}

func isShutDown(app *tasks.App) bool {
	select {
	case <-app.ShuttingDown():
		return true
	default:
		return false
	}
}

func (d *subscriber) receive(ctx context.Context, from transport.Receiver, app *tasks.App, def tasks.Definition, in *inlet) error {
	h := func(ctx context.Context, m *transport.Message) error { return app.Deliver(ctx, def, m) }
	if f, ok := from.(transport.FlowReceiver); ok {
		return f.ReceiveWith(ctx, in.subscription.Name, transport.ReceiveSettings{
			MaxOutstandingMessages: d.maxMessages, MaxOutstandingBytes: d.maxBytes, MaxExtension: maxExtension,
		}, h)
	}
	return from.Receive(ctx, in.subscription.Name, h)
}
