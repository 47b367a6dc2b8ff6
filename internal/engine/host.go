package engine

import (
	"maps"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Insert stores tasks in a queue that exists, all before the first can run. The caller has checked them by rules
// of its own, unlike with Enqueue; their Queue is not looked at, and their Audience may be any text. stored, unless
// nil, hears the outcomes while the queue still stands still, as it does for a [Journal]. Errors as for Enqueue.
func (e *Engine) Insert(queue string, ts []*transport.Task, now time.Time, stored func([]transport.Result)) []transport.Result {
	results := make([]transport.Result, len(ts))
	q := (*e.queues.Load())[queue]
	if q == nil {
		for i, t := range ts {
			results[i].Err = missing(transport.OpEnqueue, queue, t.ID)
		}
		if stored != nil {
			stored(results)
		}
		return results
	}
	entries := make([]entry, len(ts))
	for i, t := range ts {
		entries[i] = q.wrap(t)
		results[i].Receipt, results[i].Err = q.prepare(t, &entries[i], now)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, t := range ts {
		q.insert(t, &entries[i], &results[i])
	}
	if stored != nil {
		stored(results)
	}
	return results
}

// insert stores t, unless r says that it cannot be stored.
func (q *queue) insert(t *transport.Task, ent *entry, r *transport.Result) {
	if r.Err != nil {
		return
	}
	if kind := q.refusal(t.ID, ent.created, false); kind != transport.KindOther {
		r.Receipt, r.Err = q.refuse(t, ent, kind)
		return
	}
	if idx, gen := q.add(ent, ent.created); t.ID == "" {
		r.Receipt.ID = q.ids.id(idx, gen)
	}
}

// Restore puts a task back as it was in an earlier process: with its id, which counts as an explicit one from
// now on, its age and its history. What it says about an attempt in flight is lost: the task is due at its ETA.
func (e *Engine) Restore(s *Snapshot) error {
	q := (*e.queues.Load())[s.Queue]
	if q == nil {
		return missing(OpRestore, s.Queue, s.ID)
	}
	ent := q.wrap(&s.Task)
	ent.body, ent.created, ent.eta = uint32(len(s.Body)), s.Created.UnixNano(), s.ETA.UnixNano()
	ent.dispatches = uint32(s.Dispatches)
	ent.more = &details{
		name: s.ID, err: s.Last.Err,
		seen: uint32(s.Seen), executions: uint32(s.Executions), status: int32(s.Status),
	}
	if !s.First.IsZero() {
		ent.more.first = s.First.UnixNano()
	}
	if l := s.Last; e.cfg.History && !l.Responded.IsZero() {
		ent.more.last = &attempt{l.Scheduled.UnixNano(), l.Dispatched.UnixNano(), l.Responded.UnixNano()}
	}
	if err := e.held.take(ent.size()); err != nil {
		return fail(OpRestore, s.Queue, s.ID, transport.KindCapacity, err)
	}
	now := e.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if kind := q.refusal(s.ID, now, true); kind != transport.KindOther {
		e.held.give(ent.size())
		return fail(OpRestore, s.Queue, s.ID, kind, nil)
	}
	q.add(&ent, now)
	return nil
}

// Bury makes id a tombstone of the queue until a time, unless a task holds it. Calls must come in the order of
// their times, and before any task has left the queue.
func (e *Engine) Bury(queue, id string, until time.Time) error {
	q := (*e.queues.Load())[queue]
	if q == nil {
		return missing(OpRestore, queue, id)
	}
	now := e.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, live, _ := q.names.find(id, now); !live {
		q.names.buryUntil(id, until.UnixNano(), now)
	}
	return nil
}

// Tombstone is an explicit id that cannot be used again before a time.
type Tombstone struct {
	ID    string
	Until time.Time
}

// Tombstones returns the ids that the queue remembers of tasks that have left, in no order.
func (e *Engine) Tombstones(queue string) []Tombstone {
	q := (*e.queues.Load())[queue]
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var graves []Tombstone
	for id, h := range q.names.held {
		if h.until != 0 {
			graves = append(graves, Tombstone{id, instant(h.until)})
		}
	}
	return graves
}

// OpRestore is the verb of Restore and Bury in errors.
const OpRestore = "restore"

// SetQueue makes the queue, or puts cfg in force, which the caller has checked. Its name may be any text.
func (e *Engine) SetQueue(name string, cfg transport.QueueConfig) { e.put(name, cfg, true) }

// RemoveQueue forgets the queue with all that it holds; one that was declared comes into being again as declared.
// Attempts in flight go on; their outcomes are ignored.
func (e *Engine) RemoveQueue(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := (*e.queues.Load())[name]
	if q == nil {
		return missing(transport.OpDeleteQueue, name, "")
	}
	queues := maps.Clone(*e.queues.Load())
	delete(queues, name)
	e.queues.Store(&queues)
	e.removed = append(e.busyOnes(), q)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.removed = true
	for idx := range q.tasks.used {
		if ent := q.tasks.at(idx); ent.flags&occupied != 0 {
			e.held.give(ent.size())
		}
	}
	q.tasks, q.names, q.due = slab{}, names{limit: q.names.limit}, dueHeap{}
	q.ready, q.gone = fifo[ref]{}, 0
	q.kick(e.now())
	return nil
}

// busyOnes returns the removed queues that still run something; Shutdown waits for them. e.mu is held.
func (e *Engine) busyOnes() []*queue {
	var busy []*queue
	for _, q := range e.removed {
		q.mu.Lock()
		if q.busy > 0 {
			busy = append(busy, q)
		}
		q.mu.Unlock()
	}
	return busy
}
