package engine

import "time"

// Journal hears what becomes of tasks, for each queue in the order in which it happens, so that a later process
// can [Engine.Restore] them; insertions are told to who inserts. The queue stands still during a call, which must
// be short and must not call the engine.
type Journal interface {
	// Failed tells that an attempt failed and that another is due at eta.
	Failed(queue, id string, eta time.Time, h History)
	// Left tells that a task is done, given up or deleted. An explicit id is a tombstone from then on.
	Left(queue, id string, now time.Time)
	// Purged tells that all tasks of the queue have left.
	Purged(queue string, now time.Time)
}

// History is what became of a task's attempts.
type History struct {
	Dispatches int       // attempts begun
	InFlight   int       // of these, not ended
	Seen       int       // attempts that got an answer
	Executions int       // of these, with a status other than 5xx
	Status     int       // of the last failure, 0 if there was none
	First      time.Time // when the first attempt began; zero if there was none
	Last       Attempt
}

// Attempt is the latest attempt at a task; the zero value if there was none, or without [Config].History.
type Attempt struct {
	Scheduled  time.Time
	Dispatched time.Time
	Responded  time.Time // zero while it is in flight
	Err        error     // nil where the answer's status says it all
}

// attempt is an Attempt that is over, in the engine's own unit.
type attempt struct{ scheduled, dispatched, responded int64 }

// remember keeps when r, an attempt at ent, began and ended. It must be called before ent is scheduled anew.
func (q *queue) remember(r *run, ent *entry, now int64) {
	if q.e.cfg.History {
		ent.more.last = &attempt{scheduled: ent.eta, dispatched: r.dispatched(), responded: now}
	}
}

// tell tells the journal that an attempt at ent failed and another follows.
func (q *queue) tell(idx uint32, ent *entry) {
	if j := q.e.cfg.Journal; j != nil {
		j.Failed(q.name, q.id(idx, ent), instant(ent.eta), q.history(idx, ent))
	}
}

// dispatched is when the attempt began.
func (r *run) dispatched() int64 { return r.deadline - int64(r.env.timeout) }

// history returns what became of ent's attempts.
func (q *queue) history(idx uint32, ent *entry) History {
	h := History{Dispatches: int(ent.dispatches), InFlight: int(ent.inflight)}
	if more := ent.more; more != nil {
		h.Seen, h.Executions, h.Status = int(more.seen), int(more.executions), int(more.status)
		if more.first != 0 {
			h.First = instant(more.first)
		}
		if last := more.last; last != nil {
			h.Last = Attempt{instant(last.scheduled), instant(last.dispatched), instant(last.responded), more.err}
		}
	}
	if ent.inflight > 0 {
		q.addInFlight(&h, idx, ent)
	}
	return h
}

// addInFlight adds the attempts in flight to h. They are few, and looked for only when somebody asks.
func (q *queue) addInFlight(h *History, idx uint32, ent *entry) {
	for _, r := range q.running {
		if r.idx != idx || r.gen != ent.gen || r.notice != nil {
			continue
		}
		if first := instant(r.first); h.First.IsZero() || first.Before(h.First) {
			h.First = first
		}
		if began := instant(r.dispatched()); !began.Before(h.Last.Dispatched) {
			h.Last = Attempt{Scheduled: instant(ent.eta), Dispatched: began}
		}
	}
}
