package transporttest

import (
	"context"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func shutdownLaws() []law {
	return []law{
		{"shutdown/waits", "Shutdown waits for the running attempts, which may still enqueue, and starts no other.", shutdownWaits},
		{"shutdown/closed", "After Shutdown, Enqueue answers ErrClosed; shutting down again does no harm.", shutdownClosed},
		{"shutdown/cancels", "When its context ends first, Shutdown cancels the running attempts and returns the context's error.", shutdownCancels},
	}
}

func shutdownWaits(t *trial) {
	t.needsQueueing()
	s := ability[transport.Server](t)
	g := t.gate()
	enqueued := make(chan error, 1)
	box := t.receive(g.before(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		_, err := t.attempt(t.task("last-words"))
		offer(enqueued, err)
		return http.StatusOK, 0, nil
	}))
	t.enqueue(t.task("running"))
	box.next()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := t.context()
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	t.pass(t.unit)
	select {
	case err := <-ended:
		t.errorf("Shutdown returned while an attempt was running (error %q)", text(err))
	default:
	}
	g.open()
	select {
	case err := <-enqueued:
		t.wantError(err, nil, "Enqueue from the running attempt")
	case <-time.After(t.Patience):
		t.errorf("the running attempt did not get to its end")
	}
	select {
	case err := <-ended:
		t.wantError(err, nil, "Shutdown")
	case <-time.After(2 * t.Patience):
		t.errorf("Shutdown did not return after the last attempt ended")
	}
	box.none("a transport that shuts down starts no attempt")
}

func shutdownClosed(t *trial) {
	s := ability[transport.Server](t)
	box := t.receive(done)
	if !t.NoDelay {
		t.enqueue(t.due("left", t.unit))
	}
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(s.Shutdown(ctx), nil, "Shutdown")
	t.refuses(t.task("late"), transport.ErrClosed)
	t.wantError(s.Shutdown(ctx), nil, "Shutdown again")
	t.refuses(t.task("late"), transport.ErrClosed)
	t.pass(t.unit)
	box.none("a transport that was shut down starts no attempt")
}

func shutdownCancels(t *trial) {
	t.needsQueueing()
	s := ability[transport.Server](t)
	g := t.gate()
	cancelled := t.gate()
	box := t.receive(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		status, after, err := g.before(done)(ctx, d)
		if ctx.Err() != nil {
			cancelled.open()
		}
		return status, after, err
	})
	t.enqueue(t.retried("endless"))
	box.next()
	ctx, cancel := context.WithTimeout(t.tb.Context(), t.unit)
	defer cancel()
	t.wantError(s.Shutdown(ctx), context.DeadlineExceeded, "Shutdown with a context that ends")
	select {
	case <-cancelled.ch:
	case <-time.After(t.Grace):
		t.errorf("the running attempt's context was not cancelled")
	}
	box.none("a transport that was shut down starts no attempt")
}
