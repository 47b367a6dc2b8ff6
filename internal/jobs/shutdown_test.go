package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestShutdown_DuringARun_WaitsForItAndStartsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ended := false
		r.respond(func(context.Context, *transport.Job, jobs.Run) error {
			time.Sleep(90 * time.Second)
			r.check(r.Put(job("* * * * *", named("late")))) // handlers may still put
			ended = true
			return errSick
		})
		r.put("* * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.pass(61 * time.Second)
		r.must(r.Shutdown(context.Background()))
		if !ended {
			t.Error("Shutdown did not wait")
		}
		r.pass(time.Hour)
		r.wantTimes(time.Minute)
	})
}

func TestShutdown_DuringARetryPause_LeavesIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.failing()
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.pass(time.Hour)
		before := time.Now()
		r.must(r.Shutdown(context.Background()))
		if took := time.Since(before); took != 0 {
			t.Errorf("Shutdown took %s", took)
		}
		r.pass(5 * time.Hour)
		r.wantTimes(time.Hour)
	})
}

func TestShutdown_ContextEndsFirst_CancelsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.taking(2 * time.Minute)
		r.put("0 * * * *")
		r.pass(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !contains(err, "1 runs of jobs were still going on") {
			t.Errorf("Shutdown: %v", err)
		}
		before := time.Now()
		r.must(r.Shutdown(context.Background()))
		if took := time.Since(before); took != 0 {
			t.Errorf("the run went on for %s after its context was cancelled", took)
		}
	})
}

func TestShutdown_LeavesNoTimer(t *testing.T) {
	clock := engine.NewManualClock(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	r := newRig(t, jobs.Config{Clock: clock})
	if _, ok := clock.Next(); ok {
		t.Error("without jobs there is a timer")
	}
	r.must(r.Put(job("0 * * * *")))
	if at, ok := clock.Next(); !ok || at.Sub(clock.Now()) > 10*time.Minute {
		t.Errorf("the timer fires at %s, %t: it would not see a clock that is set", at, ok)
	}
	r.must(r.Shutdown(t.Context()))
	if at, ok := clock.Next(); ok {
		t.Errorf("a timer is left, for %s", at)
	}
}

func TestShutdown_Afterwards_EverythingAnswersErrClosed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		if r.Closed() {
			t.Error("closed before")
		}
		for range 2 {
			r.must(r.Shutdown(context.Background()))
		}
		if !r.Closed() {
			t.Error("not closed")
		}
		_, get := r.Get(nightly)
		for what, err := range map[string]error{
			"Create": r.Create(job("0 * * * *", named("new"))), "Put": r.Put(job("0 * * * *")), "Update": r.Update(job("0 * * * *")),
			"Declare": r.Declare(job("0 * * * *")), "Restore": r.Restore(job("0 * * * *", named("new"))), "Delete": r.Delete(nightly),
			"Pause": r.Pause(nightly), "Resume": r.Resume(nightly), "RunNow": r.RunNow(nightly), "Get": get,
		} {
			if !errors.Is(err, transport.ErrClosed) {
				t.Errorf("%s: %v, want ErrClosed", what, err)
			}
		}
		if n := len(r.All()); n != 1 { // for who saves them
			t.Errorf("%d jobs, want one", n)
		}
		r.Prune()
	})
}

func TestDrain_ChannelClosesWithTheLastRun(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.taking(time.Minute)
		r.put("0 * * * *")
		r.must(r.RunNow(nightly))
		r.pass(time.Second)
		drained := r.Drain()
		select {
		case <-drained:
			t.Error("drained while a run was going on")
		default:
		}
		r.must(r.RunNow(nightly)) // begins no more
		r.pass(time.Minute)
		<-drained
		<-r.Drain()
		r.wantTimes(0)
	})
}

// Nothing of a Jobs that was forgotten keeps a bubble from ending, or goleak from being content.
func TestForgotten_LeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs.Config{})
		r.put("* * * * *")
		r.pass(time.Hour)
	})
	r := newRig(t, jobs.Config{})
	r.must(r.Put(job("0 * * * *")))
}
