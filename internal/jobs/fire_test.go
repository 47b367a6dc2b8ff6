package jobs_test

import (
	"context"
	"net/http"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestFire_AtTheTimesOfTheSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pass(90 * time.Second)
		r.put("*/5 * * * *")
		r.wantNext(5 * time.Minute)
		r.pass(15 * time.Minute)
		r.wantTimes(5*time.Minute, 10*time.Minute, 15*time.Minute)
		r.wantNext(20 * time.Minute)
		for _, c := range r.seen() {
			if want := (jobs.Run{Planned: r.start.UTC().Add(c.at), Attempt: 1, Cron: true}); c.Run != want {
				t.Errorf("run %+v, want %+v", c.Run, want)
			}
		}
	})
}

func TestFire_PlannedIsInTheZoneOfTheJob(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("30 9 * * *", in("Asia/Kolkata")) // 04:00 UTC
		r.pass(24 * time.Hour)
		r.wantTimes(4 * time.Hour)
		if got := r.seen()[0].Planned.Format(time.RFC3339); got != "2000-01-01T09:30:00+05:30" {
			t.Errorf("planned for %s", got)
		}
	})
}

func TestFire_Intervals_DoNotDrift(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pass(700 * time.Millisecond)
		r.taking(300 * time.Millisecond)
		r.put("every 2 seconds")
		r.pass(7 * time.Second)
		r.wantTimes(2700*time.Millisecond, 4700*time.Millisecond, 6700*time.Millisecond)
		if c := r.seen()[0]; c.Cron {
			t.Error("an interval passes for five fields")
		}
	})
}

func TestFire_IntervalShorterThanARun_KeepsItsBeat(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.taking(25 * time.Second)
		r.put("every 10 seconds")
		r.pass(100 * time.Second)
		r.wantTimes(10*time.Second, 40*time.Second, 70*time.Second, 100*time.Second)
	})
}

func TestFire_HandsOverACopyEachTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		given := job("* * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}), func(j *transport.Job) {
			j.Header, j.Body, j.Description = http.Header{"X-Value": {"a", "b"}}, []byte("body"), "of tests"
			j.Audience, j.Deadline, j.Method, j.ServiceAccount = "aud", time.Minute, http.MethodPut, "sa"
			j.State, j.LastRun, j.LastErr, j.Next = transport.JobPaused, time.Now(), errSick, time.Now() // ignored
		})
		want := job("* * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}), func(j *transport.Job) {
			j.Header, j.Body, j.Description = http.Header{"X-Value": {"a", "b"}}, []byte("body"), "of tests"
			j.Audience, j.Deadline, j.Method, j.ServiceAccount = "aud", time.Minute, http.MethodPut, "sa"
		})
		r.must(r.Put(given))
		given.Header.Set("X-Value", "changed")
		given.Body[0], given.Retry.MaxAttempts = 'X', 1
		r.respond(func(_ context.Context, j *transport.Job, _ jobs.Run) error {
			if !reflect.DeepEqual(j, want) {
				t.Errorf("fired %+v, want %+v", j, want)
			}
			j.Header.Set("X-Value", "changed")
			j.Body[0], j.Retry.MaxAttempts = 'X', 1
			return nil
		})
		r.pass(2 * time.Minute)
		r.wantTimes(time.Minute, 2*time.Minute)
		got := r.get(nightly)
		got.Header.Set("X-Value", "changed")
		want.State, want.Next, want.LastRun = transport.JobEnabled, r.start.UTC().Add(3*time.Minute), r.start.Round(0).Add(2*time.Minute)
		if got = r.get(nightly); !reflect.DeepEqual(got, want) {
			t.Errorf("Get = %+v, want %+v", got, want)
		}
	})
}

func TestFire_TimeThatComesDuringARun_IsSkipped(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.taking(150 * time.Second)
		r.put("* * * * *")
		r.pass(90 * time.Second)
		r.wantNext(2 * time.Minute) // if the run ends before
		r.pass(90 * time.Second)
		r.wantNext(4 * time.Minute)
		r.pass(7 * time.Minute)
		r.wantTimes(1*time.Minute, 4*time.Minute, 7*time.Minute, 10*time.Minute)
	})
}

func TestFire_Deadline_EndsTheContextAndFailsTheAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, c := range []struct{ set, want time.Duration }{{0, 3 * time.Minute}, {20 * time.Second, 20 * time.Second}} {
			r.put("0 * * * *", func(j *transport.Job) { j.Deadline = c.set })
			r.respond(func(ctx context.Context, _ *transport.Job, _ jobs.Run) error {
				began := time.Now()
				<-ctx.Done()
				if took := time.Since(began); took != c.want {
					t.Errorf("the context ended after %s, want %s", took, c.want)
				}
				return nil // too late to be of use
			})
			r.pass(time.Hour + c.want)
			if err := r.get(nightly).LastErr; err == nil || err.Error() != "the attempt deadline passed without an answer" {
				t.Errorf("LastErr = %v", err)
			}
		}
		if n := len(r.seen()); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
}

func TestFire_HandlerThatIgnoresItsDeadline_KeepsItsJobOnly(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("*/10 * * * *", retrying(transport.RetryConfig{MaxAttempts: 5}))
		r.put("*/10 * * * *", named("other"))
		r.respond(func(_ context.Context, j *transport.Job, _ jobs.Run) error {
			if j.Name == nightly {
				time.Sleep(15 * time.Minute)
			}
			return nil
		})
		r.pass(31 * time.Minute)
		var own, other int
		for _, c := range r.seen() {
			if c.job.Name == nightly {
				own++
			} else {
				other++
			}
		}
		if own != 2 || other != 3 { // at 10 and 30 minutes; no retry, since a time of the schedule came
			t.Errorf("%d and %d runs, want 2 and 3", own, other)
		}
		r.pass(time.Hour)
	})
}

func TestFire_PanicAndGoexit_AreFailures(t *testing.T) {
	for _, c := range []struct {
		name, want string
		f          func()
	}{
		{"panic", "the handler panicked: boom", func() { panic("boom") }},
		{"panic with an error", "the handler panicked: sick", func() { panic(errSick) }},
		{"goexit", "ended its goroutine", runtime.Goexit},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Second}))
				r.respond(func(_ context.Context, _ *transport.Job, run jobs.Run) error {
					if run.Attempt == 1 {
						c.f()
					}
					return nil
				})
				r.pass(time.Hour)
				if err := r.get(nightly).LastErr; err == nil || !contains(err, c.want) {
					t.Errorf("LastErr = %v, want %q", err, c.want)
				}
				r.pass(time.Second)
				r.wantTimes(time.Hour, time.Hour+time.Second)
				if err := r.get(nightly).LastErr; err != nil {
					t.Errorf("LastErr = %v after a success", err)
				}
			})
		})
	}
}
