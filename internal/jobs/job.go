package jobs

import (
	"bytes"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/transport"
)

// job is a job as it stands.
type job struct {
	settings
	urls    []string // that were declared, the first one first
	lasting bool     // it was put, and stays though nobody serves it
	putURL  string   // that it was put with, unless it was declared again since

	paused  bool
	next    time.Time // of the schedule; zero: there is none, or the job is paused
	asked   time.Time // when RunNow asked for a run that has not begun; zero: it did not
	cur     *run      // being attempted, or waiting for its retry
	gone    bool
	lastRun time.Time
	lastErr error
}

// settings are what is put. They are replaced, never changed.
type settings struct {
	spec     *transport.Job // without its state
	schedule *cron.Schedule
	zone     *time.Location
}

// compile copies j.
func compile(op string, j *transport.Job) (settings, error) {
	schedule, err := cron.Parse(j.Schedule)
	if err != nil {
		return settings{}, jobError(op, j.Name, transport.KindInvalid, err)
	}
	zone, err := cron.LoadZone(j.TimeZone)
	if err != nil {
		return settings{}, jobError(op, j.Name, transport.KindInvalid, err)
	}
	spec := clone(j)
	spec.State, spec.Next, spec.LastRun, spec.LastErr = "", time.Time{}, time.Time{}, nil
	return settings{spec, schedule, zone}, nil
}

// clone copies j with all that it refers to.
func clone(j *transport.Job) *transport.Job {
	c := *j
	c.Header, c.Body = j.Header.Clone(), bytes.Clone(j.Body)
	if j.Retry != nil {
		r := *j.Retry
		c.Retry = &r
	}
	return &c
}

// after is the first time of the schedule that is later than t.
func (c *settings) after(t time.Time) time.Time { return c.schedule.Next(t.In(c.zone)) }

// sameTimes reports whether c and o have one schedule.
func (c *settings) sameTimes(o *settings) bool {
	return c.schedule.String() == o.schedule.String() && c.zone.String() == o.zone.String()
}

// retry is what the job says about retries, defaults filled in.
func (c *settings) retry() transport.RetryConfig {
	if c.spec.Retry == nil {
		return transport.RetryConfig{}.ForJob()
	}
	return c.spec.Retry.ForJob()
}

// timeout is how long one attempt may take.
func (c *settings) timeout() time.Duration {
	if c.spec.Deadline == 0 {
		return transport.DefaultJobDeadline
	}
	return c.spec.Deadline
}

// view is the job for the caller.
func (j *job) view(now time.Time) *transport.Job {
	v := clone(j.spec)
	v.State = transport.JobEnabled
	if j.paused {
		v.State = transport.JobPaused
	}
	switch {
	case !j.running():
		v.Next, _ = j.due()
	case j.cur.passes(j, now):
		v.Next = j.advanced(now)
	default:
		v.Next = j.next
	}
	v.LastRun, v.LastErr = j.lastRun, j.lastErr
	return v
}

func (j *job) running() bool { return j.cur != nil && j.cur.at.IsZero() }

// passes reports whether a time of the schedule has come while r is being attempted, and is skipped. It waits where
// the run was asked for by hand.
func (r *run) passes(j *job, now time.Time) bool { return !r.ByHand && j.ticked(now) }

// ticked reports whether a time of the schedule has come.
func (j *job) ticked(now time.Time) bool { return !j.next.IsZero() && !j.next.After(now) }

// due is when the job is to be attempted next, given that it is not being attempted. ok is false for never.
func (j *job) due() (at time.Time, ok bool) {
	return first(j.begun(), j.next)
}

// begun is due without the schedule: a retry, or what was asked for by hand; zero: neither.
func (j *job) begun() time.Time {
	if !j.asked.IsZero() || j.cur == nil {
		return j.asked
	}
	return j.cur.at
}

// advanced is the time of the schedule that follows next, which has come: one that is still to come.
func (j *job) advanced(now time.Time) time.Time {
	if d, ok := j.schedule.Interval(); ok { // it goes on counting from where it was
		return j.next.Add((now.Sub(j.next)/d + 1) * d)
	}
	if at := j.after(j.next); at.IsZero() || at.After(now) {
		return at
	}
	return j.after(now)
}

// first is the earlier one of two times, of which zero is none.
func first(a, b time.Time) (t time.Time, ok bool) {
	switch {
	case a.IsZero():
		return b, !b.IsZero()
	case b.IsZero() || !b.Before(a):
		return a, true
	}
	return b, true
}
