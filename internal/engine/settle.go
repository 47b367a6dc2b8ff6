package engine

import (
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

const maxLifetime = int64(transport.MaxLifetime)

// settle books how r ended. It reports whether r goes on, as the notice that its task was given up.
func (q *queue) settle(r *run, out outcome, now int64) bool {
	q.busy--
	if !r.lost {
		q.running.remove(r)
		q.slots--
		if q.finish(r, out, now) {
			return true
		}
	}
	q.checkDrained()
	return false
}

// finish is settle for a run whose deadline has not been dealt with.
func (q *queue) finish(r *run, out outcome, now int64) bool {
	if r.notice != nil {
		if serving.OK(out.status) {
			q.e.exhausted.quarantined(r.notice)
		}
		return false
	}
	if now >= r.deadline && !q.e.cfg.Manual {
		out = timeout()
	}
	return q.notify(r, q.book(r, out, now), now)
}

// expire fails the attempts whose deadline has passed. Their handlers may go on; what they answer is ignored.
func (q *queue) expire(now int64) {
	for q.running.first() <= now {
		r := q.running[0]
		q.running.remove(r)
		q.slots--
		r.lost = true
		if r.notice != nil {
			continue
		}
		notice := &run{}
		if q.notify(notice, q.book(r, timeout(), now), now) {
			go q.work(notice)
		}
	}
}

// book enters the outcome of an attempt into its task: done, tried again later, or given up and returned.
func (q *queue) book(r *run, out outcome, now int64) *Exhausted {
	ent := q.tasks.get(r.idx, r.gen)
	if ent == nil {
		return nil // deleted, or done by another attempt
	}
	ent.inflight--
	if serving.OK(out.status) {
		q.remove(r.idx, ent, now)
		return nil
	}
	if out.brokenOff {
		ent.dispatches--
		if ent.inflight == 0 {
			q.schedule(r.idx, ent, now)
		}
		return nil
	}
	more := ent.more
	if more == nil {
		more = &details{}
		ent.more = more
	}
	if more.first == 0 || r.first < more.first {
		more.first = r.first
	}
	if !out.unanswered {
		more.seen++
		if out.status < 500 {
			more.executions++
		}
	}
	more.status, more.err = int32(out.status), out.err
	q.remember(r, ent, now)
	if q.e.cfg.Brake && !out.unanswered && (out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable) {
		q.slow(now)
	}
	if ent.inflight > 0 {
		return nil // RunNow runs it a second time: the last to fail decides
	}
	return q.retry(r, ent, out.retryAfter, now)
}

// retry schedules the next attempt, or gives the task up.
func (q *queue) retry(r *run, ent *entry, after time.Duration, now int64) *Exhausted {
	retry := q.cfg.Retry
	if ent.env.retry != nil {
		retry = *ent.env.retry
	}
	tries := int(ent.dispatches)
	switch {
	case retry.Exhausted(tries, time.Duration(now-ent.more.first)):
		return q.giveUp(r.idx, ent, OutOfAttempts, now)
	case now-ent.created >= maxLifetime:
		return q.giveUp(r.idx, ent, TooOld, now)
	}
	from := now
	if r.calledAt != 0 {
		from = r.calledAt
	}
	delay := min(max(retry.Delay(tries), after), transport.MaxLifetime)
	ent.eta = min(from+int64(delay), ent.created+maxLifetime) // then it is given up
	q.schedule(r.idx, ent, now)
	q.tell(r.idx, ent)
	return nil
}

// giveUp moves the task to the list of those given up.
func (q *queue) giveUp(idx uint32, ent *entry, why Reason, now int64) *Exhausted {
	rec := &Exhausted{
		Task:     q.task(idx, ent),
		Created:  instant(ent.created),
		GivenUp:  instant(now),
		Attempts: int(ent.dispatches),
		Reason:   why,
		named:    ent.name() != "",
		env:      ent.env,
	}
	if more := ent.more; more != nil {
		if more.first != 0 {
			rec.FirstAttempt = instant(more.first)
		}
		rec.Executions, rec.LastStatus, rec.LastErr = int(more.executions), int(more.status), more.err
	}
	q.remove(idx, ent, now)
	q.e.exhausted.add(rec)
	return rec
}

// notify makes r the notice that the task of rec was given up. It reports whether anybody serves the task.
func (q *queue) notify(r *run, rec *Exhausted, now int64) bool {
	if rec == nil {
		return false
	}
	r.gaveUp = true
	if q.e.handler(rec.env) == nil && r.handler == nil && q.e.table.Load().Any() == nil {
		return false
	}
	*r = run{
		env:      rec.env,
		handler:  r.handler,
		deadline: now + int64(rec.env.timeout),
		notice:   rec,
		gaveUp:   true,
		delivery: transport.Delivery{
			Task:             rec.Task,
			Attempt:          rec.Attempts,
			Executions:       rec.Executions,
			PreviousResponse: rec.LastStatus,
			FirstAttempt:     rec.FirstAttempt,
			Exhausted:        true,
			LastErr:          rec.LastErr,
		},
	}
	q.enter(r)
	return true
}

// duration is d nanoseconds, none if negative.
func duration(d int64) time.Duration { return time.Duration(max(d, 0)) }
