package engine

import (
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// queue is one queue with its tasks. Everything below mu is guarded by it.
type queue struct {
	e    *Engine
	name string
	ids  scrambler

	mu      sync.Mutex
	cfg     transport.QueueConfig // defaults resolved
	chosen  bool                  // somebody asked for cfg, it is not merely the default
	paused  bool
	stage   stage
	bucket  bucket
	tasks   slab
	names   names
	ready   fifo[ref]
	gone    int // refs in ready that are stale
	due     dueHeap
	running runHeap

	slots    int // dispatches that count towards MaxConcurrentDispatches
	busy     int // handlers that have not returned, those past their deadline too
	starting int // workers on their way to their first task

	timer Timer
	armed int64 // when timer fires; 0: it does not
}

// configure puts cfg in force. Tokens that the queue has left stay.
func (q *queue) configure(cfg transport.QueueConfig) {
	q.cfg = cfg.Or(q.e.cfg.Queue)
	q.cfg.MaxBurst = q.cfg.Burst()
	old := q.bucket
	q.bucket = newBucket(q.cfg)
	q.bucket.inherit(old, q.e.now())
}

// enqueue stores t, which has been checked. revive lets it take the id of one that is gone.
func (q *queue) enqueue(t *transport.Task, now time.Time, revive bool) (transport.Receipt, error) {
	var commonBuf, ownBuf [6]field
	common, own := q.e.envelopes.known.split(q.e.envelopes.seed, t.Header, commonBuf[:0], ownBuf[:0])
	env, made := q.e.envelopes.of(t, common)
	ent := entry{
		data: pack(t.Body, own), body: uint32(len(t.Body)),
		env: env, created: now.UnixNano(),
	}
	receipt := transport.Receipt{ID: t.ID, Queue: q.name}
	if ent.eta = ent.created; t.ETA.After(now) {
		ent.eta, receipt.ETA = t.ETA.UnixNano(), t.ETA
	}
	if made {
		ent.flags |= paysEnvelope
	}
	if t.ID != "" {
		ent.more = &details{name: t.ID}
	}
	if err := q.e.held.take(ent.size()); err != nil {
		return transport.Receipt{}, fail(transport.OpEnqueue, q.name, t.ID, transport.KindCapacity, err)
	}
	if q.e.cfg.Manual {
		ent.seq = q.e.seq.Add(1)
	}

	q.mu.Lock()
	kind := q.refusal(t.ID, ent.created, revive)
	if kind != transport.KindOther {
		q.mu.Unlock()
		q.e.held.give(ent.size())
		if kind == transport.KindClosed {
			return transport.Receipt{}, fail(transport.OpEnqueue, q.name, t.ID, kind, nil)
		}
		receipt = transport.Receipt{ID: t.ID, Queue: q.name, Duplicate: true, Finished: kind == transport.KindGone}
		return receipt, fail(transport.OpEnqueue, q.name, t.ID, kind, nil)
	}
	idx, gen := q.add(&ent)
	q.mu.Unlock()

	if t.ID == "" {
		receipt.ID = q.ids.id(idx, gen)
	}
	return receipt, nil
}

// refusal returns why no task with this id may be stored, KindOther if one may.
func (q *queue) refusal(id string, now int64, revive bool) transport.Kind {
	if q.stage == closed {
		return transport.KindClosed
	}
	if id == "" {
		return transport.KindOther
	}
	switch ent, _, gone := q.find(id, now); {
	case ent != nil:
		return transport.KindExists
	case gone && !revive:
		return transport.KindGone
	}
	return transport.KindOther
}

// add puts the task into the slab and where it waits.
func (q *queue) add(task *entry) (idx, gen uint32) {
	idx, ent := q.tasks.take()
	task.gen, task.ver, task.flags = ent.gen, ent.ver, task.flags|occupied
	*ent = *task
	if name := ent.name(); name != "" {
		q.names.hold(name, idx, ent.created)
	}
	q.schedule(idx, ent, ent.created)
	q.kick(ent.created)
	return idx, ent.gen
}

// find returns the task with this id; gone tells that it was there lately.
func (q *queue) find(id string, now int64) (_ *entry, idx uint32, gone bool) {
	idx, live, gone := q.names.find(id, now)
	if live {
		return q.tasks.at(idx), idx, false
	}
	if idx, gen, ok := q.ids.place(id); ok {
		if ent := q.tasks.get(idx, gen); ent != nil && ent.name() == "" {
			return ent, idx, false
		}
		gone = gone || q.tasks.had(idx, gen)
	}
	return nil, 0, gone
}

// schedule makes ent wait for ent.eta. It must not wait already.
func (q *queue) schedule(idx uint32, ent *entry, now int64) {
	switch {
	case q.e.cfg.Manual:
	case ent.eta <= now:
		q.ready.push(ref{idx, ent.ver})
		ent.where = inReady
	default:
		q.due.push(dueItem{ent.eta, ref{idx, ent.ver}})
		ent.where = inDue
	}
}

// unschedule takes ent from where it waits, leaving a stale ref behind.
func (q *queue) unschedule(ent *entry) {
	ent.ver++
	switch ent.where {
	case inReady:
		if q.gone++; q.gone > q.ready.len()/2+fifoBlock {
			q.ready.keep(q.valid)
			q.gone = 0
		}
	case inDue:
		if q.due.stale++; q.due.stale > q.due.n/2+dueBlock {
			q.due.keep(q.valid)
		}
	}
	ent.where = nowhere
}

// valid reports whether the task still waits where r is.
func (q *queue) valid(r ref) bool {
	ent := q.tasks.at(r.idx)
	return ent.ver == r.ver && ent.where != nowhere
}

// remove makes ent leave the queue. An attempt in flight notices when it ends.
func (q *queue) remove(idx uint32, ent *entry, now int64) {
	q.unschedule(ent)
	if name := ent.name(); name != "" {
		q.names.bury(name, now)
	}
	q.e.held.give(ent.size())
	if q.tasks.release(idx) {
		q.ready, q.gone, q.due = fifo[ref]{}, 0, dueHeap{}
	}
}

// id is how the task is known outside.
func (q *queue) id(idx uint32, ent *entry) string {
	if name := ent.name(); name != "" {
		return name
	}
	return q.ids.id(idx, ent.gen)
}

// task returns ent as its sender would recognize it. Body and Header are the engine's own.
func (q *queue) task(idx uint32, ent *entry) transport.Task {
	var t transport.Task
	q.describe(&t, ent)
	t.ID = q.id(idx, ent)
	t.Header = unpack(t.Header, ent.packed())
	return t
}

// describe sets all of t but its ID; of its headers only those that are shared.
func (q *queue) describe(t *transport.Task, ent *entry) {
	env := ent.env
	t.Queue = q.name
	t.URL = env.url
	t.Audience = env.audience
	t.Header = env.header
	t.Body = ent.data[:ent.body:ent.body]
	t.ETA = instant(ent.eta)
	t.Timeout = env.timeout
	t.Retry = env.retry
}
