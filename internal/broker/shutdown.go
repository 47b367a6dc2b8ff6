package broker

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// Shutdown lets no push begin any more, ends every Pull and Receive with ErrClosed, and waits for what handles
// messages, which may still publish; then Publish answers ErrClosed. When ctx ends first, it cancels their contexts
// and returns ctx's error. Calling it again does no harm. Leases can be settled after it.
func (b *Broker) Shutdown(ctx context.Context) error {
	drained := b.Drain()
	select {
	case <-drained:
	default:
		select {
		case <-drained:
		case <-ctx.Done():
		}
	}
	running := b.close()
	b.cancel()
	if running > 0 {
		err := fmt.Errorf("%d messages were still being handled: %w", running, ctx.Err())
		return &transport.Error{Op: OpShutdown, Err: err}
	}
	return nil
}

// Drain is the first half of Shutdown: nothing begins any more. The channel is closed when nothing handles a
// message any more. Publish goes on working.
func (b *Broker) Drain() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stage == open {
		b.stage = draining
		b.stop()
		for _, s := range b.subs {
			s.wakeAll()
			s.kick(b.now())
		}
		b.leave(0)
	}
	return b.drained
}

// close lets nothing in any more and returns how many messages are still being handled.
func (b *Broker) close() (running int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stage = closed
	for _, s := range b.subs {
		s.disarm()
	}
	return b.busy
}

// leave counts n messages as handled, and tells Shutdown of the last one.
func (b *Broker) leave(n int) {
	b.busy -= n
	if b.busy > 0 || b.stage == open {
		return
	}
	select {
	case <-b.drained:
	default:
		close(b.drained)
	}
}
