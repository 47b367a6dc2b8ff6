package engine

// kick starts a worker if there is work that may begin now, and otherwise sees to it that the timer fires when
// there is. It is called after every change that may make work possible, or impossible.
func (q *queue) kick(now int64) {
	if q.e.cfg.Manual {
		return
	}
	at := q.opening()
	if at <= now {
		if q.starting == 0 { // a worker that starts calls the next
			q.starting++
			go q.work(nil)
		}
		if len(q.running) == 0 {
			return // the worker sees to the timer
		}
		at = never
	}
	q.arm(min(at, q.running.first()), now)
}

// opening returns the earliest time at which a dispatch is possible as things stand, in the past if now.
func (q *queue) opening() int64 {
	if q.paused || q.stage != open || q.slots >= q.cfg.MaxConcurrentDispatches {
		return never
	}
	if q.e.table.Load().Len() == 0 {
		return never
	}
	q.prune()
	switch {
	case q.ready.len() > 0:
		return q.bucket.next()
	case q.due.n > 0:
		return max(q.due.top().eta, q.bucket.next())
	default:
		return never
	}
}

// prune drops stale refs from where the next task is taken.
func (q *queue) prune() {
	for q.ready.len() > 0 && !q.valid(*q.ready.front()) {
		q.ready.pop()
		q.gone--
	}
	for q.due.n > 0 && !q.valid(q.due.top().ref) {
		q.due.pop()
		q.due.stale--
	}
}

// take removes the task that has been due longest from where it waits. There must be one.
func (q *queue) take() (uint32, *entry) {
	var r ref
	late := q.ready.len() == 0
	if !late && q.due.n > 0 {
		late = q.due.top().eta < q.tasks.at(q.ready.front().idx).eta
	}
	if late {
		r = q.due.top().ref
		q.due.pop()
	} else {
		r = q.ready.pop()
	}
	ent := q.tasks.at(r.idx)
	ent.where = nowhere
	return r.idx, ent
}

// next makes r the next call that is due. It reports whether there is one.
func (q *queue) next(r *run, now int64) bool {
	for q.opening() <= now {
		idx, ent := q.take()
		if q.start(r, idx, ent, now, 0) {
			q.kick(now)
			return true
		}
	}
	return false
}

// start makes r an attempt at ent, or the notice if ent is too old for one. It reports whether there is
// anything to call. calledAt is when RunNow asked for it, 0 for an ordinary dispatch.
func (q *queue) start(r *run, idx uint32, ent *entry, now, calledAt int64) bool {
	r.handler = nil // of the task before
	if now-ent.created >= maxLifetime {
		return q.notify(r, q.giveUp(idx, ent, TooOld, now), now)
	}
	if calledAt == 0 {
		if q.brake.level > 0 {
			q.relax(now)
		}
		q.bucket.take(now)
	}
	q.begin(r, idx, ent, now, calledAt)
	return true
}

// begin makes r an attempt at ent.
func (q *queue) begin(r *run, idx uint32, ent *entry, now, calledAt int64) {
	ent.dispatches++
	ent.inflight++
	env := ent.env
	r.env, r.packed, r.named = env, ent.packed(), ent.name()
	r.idx, r.gen = idx, ent.gen
	r.first, r.calledAt, r.deadline = now, calledAt, now+int64(env.timeout)
	r.lost, r.gaveUp, r.notice = false, false, nil

	d := &r.delivery
	q.describe(&d.Task, ent)
	d.Attempt, d.Executions, d.PreviousResponse, d.Exhausted = int(ent.dispatches), 0, 0, false
	if more := ent.more; more != nil {
		d.Executions, d.PreviousResponse = int(more.executions), int(more.status)
		if more.first != 0 {
			r.first = more.first
		}
	}
	d.FirstAttempt = instant(r.first)
	q.enter(r)
}

// enter counts r among those that run.
func (q *queue) enter(r *run) {
	q.running.push(r)
	q.slots++
	q.busy++
}

// work is the life of a worker goroutine: it runs what may run, and ends when nothing may. r has been begun
// already, or is nil.
func (q *queue) work(r *run) {
	begun := r != nil
	if !begun {
		r = &run{}
	}
	calling := false
	defer func() {
		if calling {
			q.rescue(r)
		}
	}()
	now := q.e.now()
	q.mu.Lock()
	if !begun {
		q.starting--
		begun = q.next(r, now)
	}
	for begun {
		q.mu.Unlock()
		calling = true
		out := q.call(q.e.base, r)
		calling = false
		now = q.e.now()
		q.mu.Lock()
		begun = q.settle(r, out, now) || q.next(r, now)
	}
	q.kick(now)
	q.mu.Unlock()
}

// rescue settles an attempt whose handler ended the worker's goroutine, which cannot go on.
func (q *queue) rescue(r *run) {
	now := q.e.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settle(r, failure(errGoexit), now) {
		go q.work(r)
	}
	q.kick(now)
}

// wake is what the timer calls. Where there is work, its goroutine becomes a worker.
func (q *queue) wake() {
	now := q.e.now()
	q.mu.Lock()
	q.armed = 0
	q.expire(now)
	if q.starting > 0 || q.opening() > now {
		q.kick(now)
		q.mu.Unlock()
		return
	}
	q.starting++
	q.mu.Unlock()
	q.work(nil)
}

// arm sets the timer to fire at the time at, or stops it for never. One that fires earlier is left alone: it
// finds nothing and is set again.
func (q *queue) arm(at, now int64) {
	switch {
	case at == never:
		if q.armed != 0 {
			q.armed = 0
			q.timer.Stop()
		}
	case q.armed != 0 && q.armed <= at:
	case q.timer == nil:
		q.armed = at
		q.timer = q.e.clock.AfterFunc(duration(at-now), q.wake)
	default:
		q.armed = at
		q.timer.Reset(duration(at - now))
	}
}
