package engine

import (
	"context"
	"time"
)

// Ran is what RunNext did.
type Ran struct {
	Queue, ID string
	Attempt   int // the attempt's number
	Status    int // what the handler answered
	Err       error
	GaveUp    bool // no attempt follows: it was the last, or the task was too old
}

// Next returns when a task is due next in manual mode, in the past if one is due already. It reports false when
// none will be: nothing waits, nobody serves, or queues are paused.
func (e *Engine) Next() (time.Time, bool) {
	if e.table.Load().Len() == 0 {
		return time.Time{}, false
	}
	e.agenda.unpark()
	for {
		c, ok := e.agenda.first()
		if !ok {
			return time.Time{}, false
		}
		if e.agenda.admit(c) {
			return instant(c.eta), true
		}
	}
}

// RunNext runs one task that is due, in the caller's goroutine, and the notice if it is given up. It reports
// false where nothing is due. pick chooses among n due tasks, ordered by time and then by age; nil takes the
// first. The handler's context derives from ctx.
func (e *Engine) RunNext(ctx context.Context, pick func(n int) int) (Ran, bool) {
	if e.table.Load().Len() == 0 {
		return Ran{}, false
	}
	now := e.now()
	e.agenda.unpark()
	for {
		c, ok := e.agenda.take(now, pick)
		if !ok {
			return Ran{}, false
		}
		if ran, found := c.q.runManually(ctx, c, now); found {
			return ran, true
		}
	}
}

// runManually runs c. It reports false if the task has left meanwhile.
func (q *queue) runManually(ctx context.Context, c candidate, now int64) (ran Ran, found bool) {
	r := &run{}
	calling := false
	q.mu.Lock()
	defer func() {
		if calling { // the handler ended the goroutine: there is nobody to hear of a notice
			q.mu.Lock()
			if q.settle(r, failure(errGoexit), q.e.now()) {
				q.settle(r, failure(errGoexit), q.e.now())
			}
		}
		q.mu.Unlock()
	}()

	ent := q.tasks.get(c.ref.idx, c.gen)
	if ent == nil {
		return Ran{}, false
	}
	ran = Ran{Queue: q.name, ID: q.id(c.ref.idx, ent)}
	calledAt := int64(0)
	if ent.flags&forced != 0 {
		ent.flags &^= forced
		calledAt = ent.eta
	}
	for begun := q.start(r, c.ref.idx, ent, now, calledAt); begun; {
		q.mu.Unlock()
		calling = true
		out := q.call(ctx, r)
		calling = false
		q.mu.Lock()
		if r.notice == nil {
			ran.Attempt, ran.Status, ran.Err = r.delivery.Attempt, out.status, out.err
		}
		begun = q.settle(r, out, q.e.now())
	}
	ran.GaveUp = r.gaveUp
	return ran, true
}
