package jobs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSchedule_ClockChanges_SkippedTimeDoesNotRunRepeatedOneRunsTwice(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("30 2 * * *", in("Europe/Berlin"))
		r.pass(366 * 24 * time.Hour) // of 2000
		var spring, autumn []string
		n := 0
		for _, c := range r.seen() {
			n++
			switch at := c.Planned.Format(time.RFC3339); at[:7] {
			case "2000-03":
				spring = append(spring, at[5:])
			case "2000-10":
				autumn = append(autumn, at[5:])
			}
			if fired := r.start.Add(c.at); !fired.Equal(c.Planned) {
				t.Errorf("fired at %s, planned for %s", fired, c.Planned)
			}
		}
		equal(t, "around the change in spring", spring[24:27], []string{"03-25T02:30:00+01:00", "03-27T02:30:00+02:00", "03-28T02:30:00+02:00"})
		equal(t, "around the change in autumn", autumn[27:31],
			[]string{"10-28T02:30:00+02:00", "10-29T02:30:00+02:00", "10-29T02:30:00+01:00", "10-30T02:30:00+01:00"})
		if n != 366 { // one less, one more
			t.Errorf("%d runs in the year, want 366", n)
		}
	})
}

func TestSchedule_IntervalAcrossClockChange_KeepsItsDistance(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("every 6 hours", in("Europe/Berlin"))
		r.pass(366 * 24 * time.Hour)
		calls := r.seen()
		if len(calls) != 366*4 {
			t.Errorf("%d runs, want %d", len(calls), 366*4)
		}
		for i, c := range calls {
			if want := time.Duration(i+1) * 6 * time.Hour; c.at != want {
				t.Fatalf("run %d after %s, want %s", i, c.at, want)
			}
		}
	})
}

func TestSchedule_HoursInVirtualTime_EveryTimeOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put("* * * * *")
		r.put("*/7 * * * *", named("sevens"))
		r.taking(20 * time.Second)
		r.pass(48 * time.Hour)
		at := map[string][]time.Duration{}
		for _, c := range r.seen() {
			at[c.job.Name] = append(at[c.job.Name], c.at)
		}
		if n := len(at[nightly]); n != 48*60 {
			t.Errorf("%d runs, want one a minute", n)
		}
		if n := len(at["sevens"]); n != 48*9 {
			t.Errorf("%d runs, want nine an hour", n)
		}
	})
}

func TestRestore_GoesOnWithoutMakingUp(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		hour := func(n int) time.Time { return r.start.Add(time.Duration(n) * time.Hour) }
		for _, c := range []struct {
			name, schedule string
			state          transport.JobState
			next           time.Time
			want           time.Time
		}{
			{"cron", "0 * * * *", transport.JobEnabled, hour(5), hour(1)},
			{"cron that was due", "0 * * * *", transport.JobEnabled, hour(-3), hour(1)},
			{"interval", "every 4 hours", transport.JobEnabled, hour(3), hour(3)},
			{"interval that was due", "every 4 hours", transport.JobEnabled, hour(-1), hour(4)},
			{"interval that was longer", "every 4 hours", transport.JobEnabled, hour(9), hour(4)},
			{"paused", "every 4 hours", transport.JobPaused, time.Time{}, time.Time{}},
		} {
			j := job(c.schedule, named(c.name))
			j.State, j.Next, j.LastRun, j.LastErr = c.state, c.next, hour(-7), errSick
			r.must(r.Restore(j))
			got := r.get(c.name)
			if !got.Next.Equal(c.want) || got.State != c.state || !got.LastRun.Equal(hour(-7)) || got.LastErr != errSick {
				t.Errorf("%s: %+v, want it to be due %s", c.name, got, c.want)
			}
			wantError(t, r.Restore(j), transport.KindExists, "restore job")
		}
		r.pass(59 * time.Minute)
		r.wantTimes()
	})
}

func TestChanged_TellsOfEachJobThatIsOtherThanBefore(t *testing.T) {
	var mu sync.Mutex
	var told []string
	var r *rig
	bubbleWith(t, jobs.Config{Changed: func(name string) {
		_, _ = r.Get(name) // nothing is locked
		mu.Lock()
		defer mu.Unlock()
		told = append(told, name)
	}}, func(t *testing.T, given *rig) {
		r = given
		want := func(what string, names ...string) {
			t.Helper()
			r.seen()
			mu.Lock()
			defer mu.Unlock()
			equal(t, "told of "+what, told, names)
			told = nil
		}
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}))
		want("a put", nightly)
		r.must(r.Update(job("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2}))))
		want("an update", nightly)
		r.failing()
		r.pass(time.Hour)
		want("an attempt's begin and end", nightly, nightly)
		r.pass(5 * time.Second)
		want("a retry's begin and end", nightly, nightly)
		r.must(r.Pause(nightly))
		want("a pause", nightly)
		r.must(r.Pause(nightly))
		want("nothing")
		r.must(r.RunNow(nightly))
		want("a run by hand, asked for, begun and ended", nightly, nightly, nightly)
		r.must(r.Resume(nightly))
		want("a resume", nightly)
		r.must(r.Resume(nightly))
		want("nothing")
		r.must(r.Delete(nightly))
		want("its end", nightly)
	})
}

func TestChanged_ComesBeforeTheHandlerAndAfterIt(t *testing.T) {
	states := make(chan time.Time, 10)
	var r *rig
	bubbleWith(t, jobs.Config{Changed: func(name string) {
		j, err := r.Get(name)
		r.check(err)
		states <- j.LastRun
	}}, func(t *testing.T, given *rig) {
		r = given
		r.put("0 * * * *")
		<-states
		r.respond(func(context.Context, *transport.Job, jobs.Run) error {
			time.Sleep(time.Minute)
			return nil
		})
		r.pass(time.Hour)
		if last := <-states; !last.Equal(r.start.Add(time.Hour)) {
			t.Errorf("told of a last run %s", last)
		}
		r.pass(time.Minute)
		<-states
	})
}
