package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/typedtasks/typedtasks/transport"
)

// OpShutdown is the verb of Shutdown in errors.
const OpShutdown = "shut down"

// Shutdown implements transport.Server.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.drain()
	select {
	case <-e.drained:
	default:
		select {
		case <-e.drained:
		case <-ctx.Done():
		}
	}
	running := e.close()
	e.cancel()
	select {
	case <-e.drained:
		return nil
	default:
		err := fmt.Errorf("%d attempts were still running: %w", running, ctx.Err())
		return fail(OpShutdown, "", "", transport.KindOther, err)
	}
}

// Drain is the first half of Shutdown: no further attempt begins. The channel is closed when the last one that runs
// is over. Enqueue goes on working.
func (e *Engine) Drain() <-chan struct{} {
	e.drain()
	return e.drained
}

// drain lets no further attempt begin.
func (e *Engine) drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage != open {
		return
	}
	e.stage = draining
	e.busy.Store(1) // so that it reaches zero below at the earliest
	for q := range e.all() {
		q.mu.Lock()
		q.stage = draining
		if q.busy > 0 {
			e.busy.Add(1)
		}
		q.kick(e.now())
		q.mu.Unlock()
	}
	e.leave()
}

// close lets nothing in any more and returns how many handlers still run.
func (e *Engine) close() (running int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stage = closed
	for q := range e.all() {
		q.mu.Lock()
		q.stage = closed
		running += q.busy
		q.mu.Unlock()
	}
	return running
}

// all yields every queue, removed ones too. e.mu is held.
func (e *Engine) all() iter.Seq[*queue] {
	return func(yield func(*queue) bool) {
		for _, q := range *e.queues.Load() {
			if !yield(q) {
				return
			}
		}
		for _, q := range e.removed {
			if !yield(q) {
				return
			}
		}
	}
}

// checkDrained tells Shutdown when the last handler of q has returned.
func (q *queue) checkDrained() {
	if q.busy == 0 && q.stage != open {
		q.e.leave()
	}
}

func (e *Engine) leave() {
	if e.busy.Add(-1) == 0 {
		close(e.drained)
	}
}
