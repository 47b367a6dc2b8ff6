package engine

import (
	"context"
	"fmt"

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

// drain lets no further attempt begin.
func (e *Engine) drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage != serving {
		return
	}
	e.stage = draining
	e.busy.Store(1) // so that it reaches zero below at the earliest
	for _, q := range *e.queues.Load() {
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
	for _, q := range *e.queues.Load() {
		q.mu.Lock()
		q.stage = closed
		running += q.busy
		q.mu.Unlock()
	}
	return running
}

// checkDrained tells Shutdown when the last handler of q has returned.
func (q *queue) checkDrained() {
	if q.busy == 0 && q.stage != serving {
		q.e.leave()
	}
}

func (e *Engine) leave() {
	if e.busy.Add(-1) == 0 {
		close(e.drained)
	}
}
