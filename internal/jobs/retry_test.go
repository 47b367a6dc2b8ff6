package jobs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func seconds(list ...int) (ds []time.Duration) {
	for _, n := range list {
		ds = append(ds, time.Duration(n)*time.Second)
	}
	return ds
}

func TestRetry_PausesAndEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		retry transport.RetryConfig
		want  []time.Duration // after the hour
	}{
		{"none by default", transport.RetryConfig{}, seconds(0)},
		{"one attempt is none, whatever the duration", transport.RetryConfig{MaxAttempts: 1, MaxRetryDuration: time.Hour}, seconds(0)},
		{"defaults of the pauses", transport.RetryConfig{MaxAttempts: 6}, seconds(0, 5, 15, 35, 75, 155)},
		{"doubling, linear, largest", transport.RetryConfig{MaxAttempts: 6, MinBackoff: 10 * time.Second, MaxBackoff: 50 * time.Second, MaxDoublings: 1}, seconds(0, 10, 30, 70, 120, 170)},
		{"count used up before the duration", transport.RetryConfig{MaxAttempts: 2, MaxRetryDuration: 35 * time.Second, MinBackoff: 10 * time.Second}, seconds(0, 10, 30, 60)},
		{"duration used up before the count", transport.RetryConfig{MaxAttempts: 4, MaxRetryDuration: 15 * time.Second, MinBackoff: 10 * time.Second}, seconds(0, 10, 30, 60)},
		{"ends at the next time of the schedule", transport.RetryConfig{MaxAttempts: 6, MinBackoff: 20 * time.Minute}, seconds(0, 1200)},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.put("0 * * * *", retrying(c.retry))
				r.failing()
				r.pass(2*time.Hour - time.Second)
				var want []time.Duration
				for _, d := range c.want {
					want = append(want, time.Hour+d)
				}
				r.wantTimes(want...)
				for i, call := range r.seen() {
					if call.Attempt != i+1 || !call.Planned.Equal(r.start.Add(time.Hour)) {
						t.Errorf("attempt %d for %s came as number %d", call.Attempt, call.Planned, i+1)
					}
				}
				r.wantNext(2 * time.Hour)
			})
		})
	}
}

func TestRetry_IsWhatIsDueNext(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}))
		r.failing()
		r.pass(time.Hour)
		r.wantNext(time.Hour + 5*time.Second)
		j := r.get(nightly)
		if j.LastErr != errSick || !j.LastRun.Equal(r.start.Add(time.Hour)) {
			t.Errorf("last run %s ended with %v", j.LastRun, j.LastErr)
		}
		r.taking(time.Minute)
		r.pass(6 * time.Second)
		r.wantNext(2 * time.Hour)
		if err := r.get(nightly).LastErr; err != nil {
			t.Errorf("the attempt in flight has ended with %v", err)
		}
	})
}

// A retry that the machine slept through is over once a time of the schedule has come.
func TestRetry_OvertakenByTheSchedule_IsOver(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: 50 * time.Minute}))
		r.respond(func(_ context.Context, _ *transport.Job, run jobs.Run) error {
			if run.Planned.Equal(r.start.Add(time.Hour)) {
				return errSick
			}
			return nil
		})
		r.pass(time.Hour)
		r.wantNext(110 * time.Minute)
		clock.skip(55 * time.Minute)
		r.pass(time.Hour)
		calls := r.seen()
		if len(calls) < 2 || calls[1].Attempt != 1 || !calls[1].Planned.Equal(r.start.Add(2*time.Hour)) {
			t.Errorf("attempts %+v, want the second to be the first of the run of two hours", calls)
		}
	})
}

func TestRetry_NotTaken_ComesAgainAndIsNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		r.respond(func(_ context.Context, _ *transport.Job, run jobs.Run) error {
			if len(r.calls) < 4 {
				return fmt.Errorf("shutting down: %w", jobs.ErrNotTaken)
			}
			return errSick
		})
		r.pass(61 * time.Minute)
		ms := time.Millisecond
		r.wantTimes(time.Hour, time.Hour+100*ms, time.Hour+200*ms, time.Hour+300*ms)
		for _, c := range r.seen() {
			if c.Attempt != 1 {
				t.Errorf("attempt %d, want 1: nobody has looked at any", c.Attempt)
			}
		}
	})
}

func TestRetry_NewSettings_HoldFromTheNextFailureOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.failing()
		r.pass(time.Hour)
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Minute}), to("https://shop.example.com/other"))
		r.pass(time.Hour - 1)
		r.wantTimes(time.Hour, time.Hour+5*time.Second, time.Hour+125*time.Second)
		if url := r.seen()[1].job.URL; url != "https://shop.example.com/other" {
			t.Errorf("the retry went to %s", url)
		}
	})
}

func TestRetry_NewScheduleBeforeIt_EndsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: 10 * time.Minute}))
		r.failing()
		r.pass(time.Hour)
		r.put("5 * * * *", retrying(transport.RetryConfig{MaxAttempts: 1}))
		r.pass(15 * time.Minute)
		r.wantTimes(time.Hour, 65*time.Minute)
	})
}
