package engine

import (
	"cmp"
	"context"
	"slices"
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

// candidate is a task that RunNext may run.
type candidate struct {
	q        *queue
	idx, gen uint32
	eta      int64
	seq      uint32
}

// Next returns when a task is due next in manual mode, in the past if one is due already. It reports false when
// none will be: nothing waits, nobody serves, or queues are paused.
func (e *Engine) Next() (time.Time, bool) {
	waiting := e.candidates(never)
	if len(waiting) == 0 {
		return time.Time{}, false
	}
	return instant(slices.MinFunc(waiting, byAge).eta), true
}

// RunNext runs one task that is due, in the caller's goroutine, and the notice if it is given up. It reports
// false where nothing is due. pick chooses among n due tasks, ordered by time and then by age; nil takes the
// first. The handler's context derives from ctx.
func (e *Engine) RunNext(ctx context.Context, pick func(n int) int) (Ran, bool) {
	for {
		now := e.now()
		due := e.candidates(now)
		if len(due) == 0 {
			return Ran{}, false
		}
		chosen := slices.MinFunc(due, byAge)
		if pick != nil {
			slices.SortFunc(due, byAge)
			chosen = due[pick(len(due))]
		}
		if ran, found := chosen.q.runManually(ctx, chosen, now); found {
			return ran, true
		}
	}
}

// byAge orders by due time, then as the tasks were created.
func byAge(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.eta, b.eta), cmp.Compare(a.seq, b.seq))
}

// candidates returns the tasks that may run and are due by the time by.
func (e *Engine) candidates(by int64) []candidate {
	if len(e.routes.Load().served) == 0 {
		return nil
	}
	var found []candidate
	for _, q := range *e.queues.Load() {
		found = q.candidates(by, found)
	}
	return found
}

func (q *queue) candidates(by int64, found []candidate) []candidate {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stage != serving {
		return found
	}
	for idx := range q.tasks.used {
		ent := q.tasks.at(idx)
		may := ent.flags&forced != 0 || ent.inflight == 0 && !q.paused
		if ent.flags&occupied != 0 && may && ent.eta <= by {
			found = append(found, candidate{q, idx, ent.gen, ent.eta, ent.seq})
		}
	}
	return found
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

	ent := q.tasks.get(c.idx, c.gen)
	if ent == nil {
		return Ran{}, false
	}
	ran = Ran{Queue: q.name, ID: q.id(c.idx, ent)}
	calledAt := int64(0)
	if ent.flags&forced != 0 {
		ent.flags &^= forced
		calledAt = ent.eta
	}
	for begun := q.start(r, c.idx, ent, now, calledAt); begun; {
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
