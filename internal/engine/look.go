package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Snapshot is a task as it stands, with what became of its attempts. Body, Header and Retry are the engine's own,
// which never change: read them only.
type Snapshot struct {
	transport.Task
	Created  time.Time
	Explicit bool // the id was the sender's, or the task was restored
	History
}

// Look returns the task. Errors as for Get.
func (e *Engine) Look(ctx context.Context, queue, id string) (*Snapshot, error) {
	q, err := e.lookup(ctx, transport.OpGet, queue, id)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ent, idx, gone := q.find(id, e.now())
	if ent == nil {
		return nil, notFound(transport.OpGet, queue, id, gone)
	}
	return q.snapshot(idx, ent), nil
}

// Page returns up to limit of the queue's tasks from a place on, 0 being the first, and where the next page
// begins, 0 if there is none. Tasks that come or go between two calls may or may not be seen.
func (e *Engine) Page(ctx context.Context, queue string, from uint32, limit int) (page []*Snapshot, next uint32, err error) {
	q, err := e.lookup(ctx, transport.OpList, queue, "")
	if err != nil {
		return nil, 0, err
	}
	next = from
	for more := true; more && len(page) < limit; {
		page, next, more = q.snapshots(page, next, limit)
	}
	return page, next, nil
}

// snapshots appends tasks to page, looking at pageSize places from from on. It returns where to go on; no more
// where the places end.
func (q *queue) snapshots(page []*Snapshot, from uint32, limit int) (_ []*Snapshot, next uint32, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for idx := from; idx < q.tasks.used; idx++ {
		if idx == from+pageSize || len(page) == limit {
			return page, idx, true
		}
		if ent := q.tasks.at(idx); ent.flags&occupied != 0 {
			page = append(page, q.snapshot(idx, ent))
		}
	}
	return page, 0, false
}

func (q *queue) snapshot(idx uint32, ent *entry) *Snapshot {
	return &Snapshot{Task: q.task(idx, ent), Created: instant(ent.created), Explicit: ent.name() != "", History: q.history(idx, ent)}
}

// Force is RunNow, and returns the task as it was dispatched: nil if it was given up instead, being too old.
func (e *Engine) Force(ctx context.Context, queue, id string) (*Snapshot, error) {
	q, err := e.lookup(ctx, transport.OpRun, queue, id)
	if err != nil {
		return nil, err
	}
	now := e.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	ent, idx, gone := q.find(id, now)
	switch {
	case ent == nil:
		return nil, notFound(transport.OpRun, queue, id, gone)
	case q.stage != open:
		return nil, fail(transport.OpRun, queue, id, transport.KindClosed, nil)
	case e.table.Load().Len() == 0:
		return nil, fail(transport.OpRun, queue, id, transport.KindOther, fmt.Errorf("nobody serves yet: call Serve first"))
	}
	q.unschedule(ent)
	if e.cfg.Manual {
		ent.eta = now
		ent.flags |= forced
		q.schedule(idx, ent, now)
		return q.snapshot(idx, ent), nil
	}
	var s *Snapshot
	r := &run{}
	begun := q.start(r, idx, ent, now, now)
	if !r.gaveUp {
		s = q.snapshot(idx, ent)
	}
	if begun {
		go q.work(r)
	}
	q.kick(now)
	return s, nil
}
