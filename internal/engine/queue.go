package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// queue is one queue with its tasks. Everything below mu is guarded by it.
type queue struct {
	e    *Engine
	name string
	ids  scrambler
	last atomic.Pointer[envelope] // of the latest task that had nothing of its own

	mu      sync.Mutex
	cfg     transport.QueueConfig // defaults resolved
	chosen  bool                  // somebody asked for cfg, it is not merely the default
	paused  bool
	removed bool // from the engine; attempts in flight may go on
	stage   stage
	bucket  bucket
	brake   brake
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
	q.cfg = q.e.ResolveQueue(cfg)
	q.setRate(q.e.now())
}

// setRate makes the bucket what cfg and the brake say. Tokens that are left stay.
func (q *queue) setRate(now int64) {
	old := q.bucket
	q.bucket = q.brake.slowed(newBucket(q.cfg))
	q.bucket.inherit(old, now)
}

// wrap returns t's part of an entry for it.
func (q *queue) wrap(t *transport.Task) entry {
	var commonBuf, ownBuf [4]field
	c := &q.e.envelopes
	common, own := c.known.split(c.seed, t.Header, commonBuf[:0], ownBuf[:0])
	env, made := c.of(t, common)
	ent := entry{env: env, data: pack(t.Body, own)}
	if made {
		ent.flags = paysEnvelope
	} else if len(own) == 0 {
		q.last.Store(env)
	}
	return ent
}

// enqueue stores t, which has been checked and is in ent. revive lets it take the id of one that is gone.
func (q *queue) enqueue(t *transport.Task, ent entry, now time.Time, revive bool) (transport.Receipt, error) {
	receipt, err := q.prepare(t, &ent, now)
	if err != nil {
		return receipt, err
	}
	q.mu.Lock()
	kind := q.refusal(t.ID, ent.created, revive)
	if kind != transport.KindOther {
		q.mu.Unlock()
		return q.refuse(t, &ent, kind)
	}
	idx, gen := q.add(&ent, ent.created)
	q.mu.Unlock()

	if t.ID == "" {
		receipt.ID = q.ids.id(idx, gen)
	}
	return receipt, nil
}

// prepare completes ent, takes the room for it and returns what t's receipt says beside a generated id.
func (q *queue) prepare(t *transport.Task, ent *entry, now time.Time) (transport.Receipt, error) {
	ent.body, ent.created = uint32(len(t.Body)), now.UnixNano()
	receipt := transport.Receipt{ID: t.ID, Queue: q.name}
	if ent.eta = ent.created; t.ETA.After(now) {
		ent.eta, receipt.ETA = t.ETA.UnixNano(), t.ETA
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
	return receipt, nil
}

// refuse gives the room back that prepare took.
func (q *queue) refuse(t *transport.Task, ent *entry, kind transport.Kind) (transport.Receipt, error) {
	q.e.held.give(ent.size())
	err := fail(transport.OpEnqueue, q.name, t.ID, kind, nil)
	if kind != transport.KindExists && kind != transport.KindGone {
		return transport.Receipt{}, err
	}
	return transport.Receipt{ID: t.ID, Queue: q.name, Duplicate: true, Finished: kind == transport.KindGone}, err
}

// refusal returns why no task with this id may be stored, KindOther if one may.
func (q *queue) refusal(id string, now int64, revive bool) transport.Kind {
	switch {
	case q.stage == closed:
		return transport.KindClosed
	case q.removed:
		return transport.KindQueueMissing
	case id == "":
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
func (q *queue) add(task *entry, now int64) (idx, gen uint32) {
	idx, ent := q.tasks.take()
	task.gen, task.ver, task.flags = ent.gen, ent.ver, task.flags|occupied
	*ent = *task
	if name := ent.name(); name != "" {
		q.names.hold(name, idx, now)
	}
	q.schedule(idx, ent, now)
	q.kick(now)
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
		ent.ver++
		q.e.agenda.add(candidate{q, ref{idx, ent.ver}, ent.gen, ent.eta, ent.seq})
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
	if j := q.e.cfg.Journal; j != nil {
		j.Left(q.name, q.id(idx, ent), instant(now))
	}
	q.drop(idx, ent, now)
}

// drop is remove without telling the journal.
func (q *queue) drop(idx uint32, ent *entry, now int64) {
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
