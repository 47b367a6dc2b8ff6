package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestPut_CreateUpdateDelete_Errors(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		wantError(t, r.Update(job("* * * * *")), transport.KindNotFound, `update job "nightly": it does not exist`)
		r.must(r.Create(job("* * * * *")))
		wantError(t, r.Create(job("0 * * * *")), transport.KindExists, `create job "nightly": it exists already`)
		r.wantNext(time.Minute)
		r.must(r.Update(job("0 * * * *")))
		r.wantNext(time.Hour)
		r.must(r.Delete(nightly))
		for what, err := range map[string]error{
			"delete": r.Delete(nightly), "pause": r.Pause(nightly), "resume": r.Resume(nightly), "run": r.RunNow(nightly),
		} {
			wantError(t, err, transport.KindNotFound, what+` job "nightly": it does not exist`)
		}
		_, err := r.Get(nightly)
		wantError(t, err, transport.KindNotFound, `get job "nightly"`)
	})
}

func TestPut_BadScheduleOrZone_IsInvalidAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		for op, f := range map[string]func(*transport.Job) error{
			"create": r.Create, "put": r.Put, "update": r.Update, "restore": r.Restore, "put job": r.Declare,
		} {
			wantError(t, f(job("* * 0 0 *")), transport.KindInvalid, op)
			wantError(t, f(job("* * * * *", in("Mars/Olympus"))), transport.KindInvalid, "Mars/Olympus")
		}
		r.wantNext(time.Hour)
	})
}

func TestPut_SameSchedule_KeepsTheNextTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("every 10 minutes")
		r.pass(4 * time.Minute)
		r.put("every  10 minutes", to("https://shop.example.com/other"))
		r.wantNext(10 * time.Minute)
		r.put("every 10 minutes", in("Europe/Berlin"))
		r.wantNext(14 * time.Minute)
		r.put("every 20 minutes")
		r.wantNext(24 * time.Minute)
	})
}

func TestPut_WhileItRuns_NewScheduleHolds(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.taking(time.Minute)
		r.put("0 * * * *")
		r.pass(time.Hour + time.Second)
		r.put("30 * * * *")
		r.wantNext(90 * time.Minute)
		r.pass(time.Hour)
		r.wantTimes(time.Hour, 90*time.Minute)
	})
}

func TestPause_StopsTheScheduleAndRetries(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Minute}))
		r.failing()
		r.pass(time.Hour)
		for range 2 {
			r.must(r.Pause(nightly))
		}
		if s := r.get(nightly).State; s != transport.JobPaused {
			t.Errorf("state %s", s)
		}
		r.wantNext(-1)
		r.pass(3*time.Hour + 30*time.Minute)
		r.put("30 * * * *")
		if s := r.get(nightly).State; s != transport.JobPaused {
			t.Errorf("state %s after a put", s)
		}
		r.wantNext(-1)
		for range 2 {
			r.must(r.Resume(nightly))
		}
		if s := r.get(nightly).State; s != transport.JobEnabled {
			t.Errorf("state %s after it was resumed", s)
		}
		r.wantNext(5*time.Hour + 30*time.Minute) // what was missed is not made up for
		r.pass(time.Hour)
		r.wantTimes(time.Hour, 5*time.Hour+30*time.Minute)
	})
}

func TestPause_WhileItRuns_IsTheLastAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Job, jobs.Run) error {
			time.Sleep(time.Minute)
			return errSick
		})
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.pass(time.Hour + time.Second)
		r.must(r.Pause(nightly))
		r.pass(5 * time.Hour)
		r.wantTimes(time.Hour)
	})
}

func TestRunNow_FiresBesideTheSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", in("Asia/Kolkata"))
		r.pass(10 * time.Minute)
		r.must(r.RunNow(nightly))
		r.wantTimes(10 * time.Minute)
		if c := r.seen()[0]; !c.ByHand || c.Attempt != 1 || c.Planned.Format(time.RFC3339) != "2000-01-01T05:40:00+05:30" {
			t.Errorf("run %+v", c.Run)
		}
		r.wantNext(30 * time.Minute) // 06:00 there
		r.pass(20 * time.Minute)
		r.wantTimes(10*time.Minute, 30*time.Minute)
	})
}

func TestRunNow_Fails_IsRetriedUntilTheSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Minute}))
		r.failing()
		r.pass(45 * time.Minute)
		r.must(r.RunNow(nightly))
		r.pass(16 * time.Minute) // the second retry would come after the hour
		r.wantTimes(45*time.Minute, 55*time.Minute, 60*time.Minute)
		if c := r.seen()[1]; c.Attempt != 2 || !c.ByHand {
			t.Errorf("retry %+v", c.Run)
		}
	})
}

func TestRunNow_PausedJob_IsFiredOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.must(r.Pause(nightly))
		r.failing()
		r.must(r.RunNow(nightly))
		r.pass(3 * time.Hour)
		r.wantTimes(0)
		r.wantNext(-1)
	})
}

func TestRunNow_WhileItRuns_FollowsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.respond(func(context.Context, *transport.Job, jobs.Run) error {
			time.Sleep(time.Minute)
			if len(r.calls) == 1 {
				return errSick // its retry gives way
			}
			return nil
		})
		r.pass(time.Hour + time.Second)
		for range 3 {
			r.must(r.RunNow(nightly))
		}
		r.pass(30 * time.Minute)
		r.wantTimes(time.Hour, time.Hour+time.Minute)
		if c := r.seen()[1]; !c.ByHand || c.Attempt != 1 {
			t.Errorf("run %+v, want one by hand", c.Run)
		}
	})
}

func TestRunNow_WhileARetryWaits_TakesItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: 30 * time.Minute}))
		r.respond(func(_ context.Context, _ *transport.Job, run jobs.Run) error {
			if run.ByHand {
				return nil
			}
			return errSick
		})
		r.pass(70 * time.Minute)
		r.must(r.RunNow(nightly))
		r.pass(49 * time.Minute)
		r.wantTimes(time.Hour, 70*time.Minute)
	})
}

// A run by hand must not cost the night's report.
func TestRunNow_AcrossATimeOfTheSchedule_ThatComesLate(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		r.taking(time.Minute)
		r.pass(59*time.Minute + 30*time.Second)
		r.must(r.RunNow(nightly))
		r.pass(45 * time.Second)
		r.wantNext(time.Hour)
		r.pass(30 * time.Minute)
		r.wantTimes(59*time.Minute+30*time.Second, 60*time.Minute+30*time.Second)
		if c := r.seen()[1]; c.ByHand || !c.Planned.Equal(r.start.Add(time.Hour)) {
			t.Errorf("run %+v, want the one of the hour", c.Run)
		}
	})
}

func TestDelete_RunInFlight_GoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ended := false
		r.respond(func(ctx context.Context, _ *transport.Job, _ jobs.Run) error {
			time.Sleep(time.Minute)
			ended = ctx.Err() == nil
			return errSick
		})
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 3}))
		r.pass(time.Hour + time.Second)
		r.must(r.Delete(nightly))
		r.pass(5 * time.Hour)
		if !ended {
			t.Error("the run was broken off")
		}
		r.wantTimes(time.Hour)
	})
}

func TestAll_ByName(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, name := range []string{"b", "projects/p/locations/l/jobs/a", "a"} {
			r.put("0 * * * *", named(name))
		}
		var names []string
		for _, j := range r.All() {
			names = append(names, j.Name)
		}
		equal(t, "names", names, []string{"a", "b", "projects/p/locations/l/jobs/a"})
	})
}
