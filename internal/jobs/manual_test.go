package jobs_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// manual is a rig that runs nothing by itself, and its clock.
func manual(t *testing.T) (*rig, *engine.ManualClock) {
	clock := engine.NewManualClock(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	r := newRig(t, jobs.Config{Clock: clock, Manual: true})
	r.start = clock.Now()
	return r, clock
}

// runAll runs what is due at each time until end.
func (r *rig) runAll(clock *engine.ManualClock, end time.Duration) {
	for {
		at, ok := r.Next()
		if !ok || at.Sub(r.start) > end {
			clock.Set(r.start.Add(end))
			return
		}
		clock.Set(at)
		if _, ok := r.RunNext(r.t.Context(), nil); !ok {
			r.t.Fatalf("nothing is due at %s", at)
		}
	}
}

// runs reports whether something was due, which it runs.
func (r *rig) runs() bool {
	_, ok := r.RunNext(r.t.Context(), nil)
	return ok
}

func (r *rig) wantManual(want ...string) {
	r.t.Helper()
	var got []string
	for _, c := range r.calls {
		got = append(got, c.job.Name+" "+c.at.String())
	}
	equal(r.t, "attempts", got, want)
}

func TestManual_RunsWhatIsDueInOrder(t *testing.T) {
	r, clock := manual(t)
	if _, ok := r.Next(); ok || r.runs() {
		t.Error("something is due of nothing")
	}
	r.must(r.Put(job("30 * * * *", named("b"))))
	r.must(r.Put(job("0 * * * *", named("c"))))
	r.must(r.Put(job("0 * * * *", named("a"))))
	if at, ok := r.Next(); !ok || !at.Equal(r.start.Add(30*time.Minute)) {
		t.Errorf("Next = %s, %t", at, ok)
	}
	if r.runs() {
		t.Error("ran what is not due")
	}
	r.runAll(clock, 90*time.Minute)
	r.wantManual("b 30m0s", "a 1h0m0s", "c 1h0m0s", "b 1h30m0s")
	clock.Advance(30 * time.Minute)
	if ran, ok := r.RunNext(t.Context(), func(n int) int { return n - 1 }); !ok || ran.Job != "c" || ran.Err != nil || ran.GaveUp {
		t.Errorf("ran %+v, %t", ran, ok)
	}
	r.wantManual("b 30m0s", "a 1h0m0s", "c 1h0m0s", "b 1h30m0s", "c 2h0m0s")
}

func TestManual_Retries(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))))
	r.failing()
	if _, ok := r.NextBegun(); ok {
		t.Error("a schedule passes for a run that has begun")
	}
	clock.Advance(time.Hour)
	ran, _ := r.RunNext(t.Context(), nil)
	if ran.Err != errSick || ran.GaveUp || ran.Attempt != 1 || !ran.Planned.Equal(clock.Now()) {
		t.Errorf("ran %+v", ran)
	}
	if at, ok := r.NextBegun(); !ok || at.Sub(r.start) != time.Hour+5*time.Second {
		t.Errorf("NextBegun = %s, %t", at, ok)
	}
	r.runAll(clock, 2*time.Hour)
	r.wantManual("nightly 1h0m0s", "nightly 1h0m5s", "nightly 1h0m15s", "nightly 2h0m0s")
}

func TestManual_GaveUp_WhereNoAttemptFollows(t *testing.T) {
	r, clock := manual(t)
	r.failing()
	for name, retry := range map[string]transport.RetryConfig{"without": {}, "before the schedule": {MaxAttempts: 2}, "after it": {MaxAttempts: 2, MinBackoff: time.Minute}} {
		r.must(r.Put(job("* * * * *", named(name), retrying(retry))))
	}
	clock.Advance(time.Minute)
	for _, want := range []struct {
		job    string
		gaveUp bool
	}{{"after it", true}, {"before the schedule", false}, {"without", true}} {
		if ran, ok := r.RunNext(t.Context(), nil); !ok || ran.Job != want.job || ran.GaveUp != want.gaveUp {
			t.Errorf("ran %+v, %t, want %+v", ran, ok, want)
		}
	}
	clock.Advance(5 * time.Second)
	if ran, ok := r.RunNext(t.Context(), nil); !ok || ran.Attempt != 2 || !ran.GaveUp {
		t.Errorf("ran %+v, %t, want the retry", ran, ok)
	}
	r.respond(func(_ context.Context, j *transport.Job, _ jobs.Run) error {
		r.must(r.Delete(j.Name))
		return errSick
	})
	clock.Advance(time.Minute)
	if ran, ok := r.RunNext(t.Context(), nil); !ok || !ran.GaveUp {
		t.Errorf("ran %+v, %t, and the job is gone", ran, ok)
	}
}

func TestManual_SkipDue_FiresNothingForWhatHasPassed(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *")))
	clock.Advance(5*time.Hour + 10*time.Minute)
	r.SkipDue()
	if r.runs() {
		t.Error("ran what was skipped")
	}
	if at, ok := r.Next(); !ok || at.Sub(r.start) != 6*time.Hour {
		t.Errorf("Next = %s, %t", at, ok)
	}
}

func TestManual_RunNow_IsDueAtOnce(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *")))
	clock.Advance(time.Minute)
	r.must(r.RunNow(nightly))
	if at, ok := r.NextBegun(); !ok || at.Sub(r.start) != time.Minute {
		t.Errorf("NextBegun = %s, %t", at, ok)
	}
	r.runAll(clock, 30*time.Minute)
	r.wantManual("nightly 1m0s")
}

func TestManual_FromAHandler_TheRunningJobIsNotDue(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("* * * * *")))
	r.respond(func(ctx context.Context, _ *transport.Job, _ jobs.Run) error {
		clock.Advance(5 * time.Minute)
		if _, ok := r.Next(); ok || r.runs() {
			t.Error("a job that runs is due")
		}
		r.SkipDue()
		return nil
	})
	clock.Advance(time.Minute)
	r.RunNext(t.Context(), nil)
	if at, ok := r.Next(); !ok || at.Sub(r.start) != 7*time.Minute {
		t.Errorf("Next = %s, %t", at, ok)
	}
}

func TestManual_Goexit_IsAFailure(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}))))
	r.respond(func(context.Context, *transport.Job, jobs.Run) error {
		runtime.Goexit()
		return nil
	})
	clock.Advance(time.Hour)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.RunNext(t.Context(), nil)
	}()
	<-done
	if at, ok := r.Next(); !ok || at.Sub(r.start) != time.Hour+5*time.Second {
		t.Errorf("Next = %s, %t, want the retry", at, ok)
	}
}

func TestManual_ContextOfTheCaller_ReachesTheHandler(t *testing.T) {
	type key struct{}
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *")))
	r.respond(func(ctx context.Context, _ *transport.Job, _ jobs.Run) error {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > 3*time.Minute || left < 2*time.Minute || ctx.Value(key{}) != "value" {
			t.Errorf("deadline in %s, value %v", left, ctx.Value(key{}))
		}
		return nil
	})
	clock.Advance(time.Hour)
	r.RunNext(context.WithValue(t.Context(), key{}, "value"), nil)
	if len(r.calls) != 1 {
		t.Error("nothing ran")
	}
}

func TestManual_AfterDrain_NothingIsDue(t *testing.T) {
	r, clock := manual(t)
	r.must(r.Put(job("0 * * * *")))
	clock.Advance(time.Hour)
	<-r.Drain()
	if _, ok := r.Next(); ok || r.runs() {
		t.Error("something is due")
	}
}
