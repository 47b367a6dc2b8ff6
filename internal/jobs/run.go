package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
)

// run is one run of a job, attempted once or more often.
type run struct {
	Run
	began time.Time // its first attempt
	at    time.Time // of its next attempt; zero: it is being attempted
}

// attempt is what begin hands out, and settle takes back.
type attempt struct {
	settings
	job *job
	run Run
	url string
}

// begin starts the attempt of j that is due. ok is false where nobody would take it: the job is dropped.
func (s *Jobs) begin(j *job, now time.Time) (a *attempt, ok bool) {
	url := j.spec.URL
	if len(j.urls) > 0 {
		if url = j.target(s.cfg.Served); url == "" {
			s.drop(j)
			return nil, false
		}
	}
	switch {
	case !j.asked.IsZero():
		j.cur = &run{Run: Run{Planned: j.asked, Attempt: 1, ByHand: true}, began: now}
		j.asked = time.Time{}
	case j.ticked(now): // and if the last run waits for its retry, that is over
		j.cur = &run{Run: Run{Planned: j.next, Attempt: 1}, began: now}
		j.next = j.advanced(now)
	default:
		j.cur.Attempt++
	}
	j.cur.Cron = j.schedule.UnixCron()
	j.cur.at = time.Time{}
	j.lastRun, j.lastErr = now, nil
	s.busy++
	s.tell(j)
	return &attempt{settings: j.settings, job: j, run: j.cur.Run, url: url}, true
}

// work makes one attempt, in a goroutine of its own.
func (s *Jobs) work(a *attempt) { _ = s.try(s.base, a) }

// try makes an attempt and settles it, also where the handler ends the goroutine.
func (s *Jobs) try(base context.Context, a *attempt) (ran Ran) {
	ran = Ran{Job: a.spec.Name, URL: a.url, Run: a.run, Err: errGoexit}
	defer func() { ran.GaveUp = s.settle(a, ran.Err) }()
	deadline := time.Now().Add(a.timeout()) // contexts go by a clock that need not be ours
	ctx := lazyctx.WithDeadline(base, deadline)
	defer ctx.Cancel()
	ran.Err = s.fire(ctx, a)
	if ran.Err == nil && !time.Now().Before(deadline) {
		ran.Err = errDeadline
	}
	return ran
}

// fire calls Fire. It never panics.
func (s *Jobs) fire(ctx context.Context, a *attempt) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("the handler panicked: %w\n%s", v, debug.Stack())
		default:
			err = fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	spec := clone(a.spec)
	spec.URL = a.url
	return s.cfg.Fire(ctx, spec, a.run)
}

// settle decides what follows an attempt. It reports whether that is nothing, though it failed.
func (s *Jobs) settle(a *attempt, err error) (gaveUp bool) {
	s.mu.Lock()
	defer s.unlock()
	defer s.leave()
	now, j := s.Now(), a.job
	cur := j.cur
	j.lastErr, j.cur = err, nil
	if j.gone {
		return err != nil
	}
	s.tell(j)
	if cur.passes(j, now) {
		j.next = j.advanced(now)
	} else if err != nil {
		if at, ok := j.retryAt(cur, err, now); ok {
			cur.at, j.cur = at, cur
		}
	}
	gaveUp = err != nil && j.cur == nil
	s.kick(j, now)
	return gaveUp
}

// retryAt is when a run that failed is attempted again.
func (j *job) retryAt(r *run, err error, now time.Time) (at time.Time, ok bool) {
	retry := j.retry()
	switch {
	case errors.Is(err, ErrNotTaken):
		r.Attempt-- // it was none
		at = now.Add(notTakenPause)
	case retry.MaxAttempts <= 1 || retry.Exhausted(r.Attempt, now.Sub(r.began)):
		return time.Time{}, false
	default:
		at = now.Add(retry.Delay(r.Attempt))
	}
	return at, !j.paused && (j.next.IsZero() || at.Before(j.next)) // the schedule ends it
}
