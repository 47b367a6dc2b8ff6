package jobs_test

import (
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// crooked is a wall clock that can be set, while timers count on as they did: so do those of package time where the
// machine sleeps, or somebody sets its clock.
type crooked struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *crooked) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *crooked) AfterFunc(d time.Duration, f func()) engine.Timer { return time.AfterFunc(d, f) }

func (c *crooked) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

func TestClock_MachineThatSlept_OneLateRunThenTheSchedule(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		r.pass(30 * time.Minute)
		clock.skip(5 * time.Hour) // it is 5:30, and five times were slept through
		r.pass(10 * time.Minute)
		r.wantTimes(5*time.Hour + 40*time.Minute)
		if c := r.seen()[0]; !c.Planned.Equal(r.start.Add(time.Hour)) {
			t.Errorf("the late run is planned for %s", c.Planned)
		}
		r.pass(time.Hour)
		r.wantTimes(5*time.Hour+40*time.Minute, 6*time.Hour)
	})
}

func TestClock_MachineThatSlept_IntervalGoesOnCountingFromWhereItWas(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("every 10 minutes")
		r.pass(5 * time.Minute)
		clock.skip(time.Hour)
		r.pass(5 * time.Minute)
		r.wantTimes(70 * time.Minute)
		r.wantNext(80 * time.Minute)
	})
}

func TestClock_SetForwardLittle_IsNoticedWithinMinutes(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 12 * * *")
		clock.skip(11 * time.Hour)
		r.pass(2 * time.Hour)
		r.wantTimes(12 * time.Hour)
	})
}

func TestClock_SetBack_TheScheduleGoesOnFromThere(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: 30 * time.Minute}))
		r.put("0 * * * *", named("paused"))
		r.must(r.Pause("paused"))
		r.failing()
		r.pass(time.Hour) // a retry waits
		clock.skip(-24 * time.Hour)
		r.pass(10 * time.Minute) // noticed: the retry waits no longer
		r.respond(nil)
		r.pass(50 * time.Minute)
		day := -24 * time.Hour
		r.wantTimes(time.Hour, day+70*time.Minute, day+2*time.Hour)
		if j := r.get("paused"); !j.Next.IsZero() {
			t.Errorf("the paused job is due %s", j.Next)
		}
	})
}

func TestClock_SetBackLittle_FiresNoTimeAgain(t *testing.T) {
	for _, back := range []time.Duration{2 * time.Second, 12 * time.Minute} {
		clock := &crooked{}
		bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
			r.put("0 * * * *")
			r.pass(time.Hour)
			clock.skip(-back)
			r.pass(time.Hour + back)
			r.wantTimes(time.Hour, 2*time.Hour)
		})
	}
}

func TestClock_LateRunThatFails_IsRetried(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 * * * *", retrying(transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Minute}))
		r.failing()
		r.pass(55 * time.Minute)
		clock.skip(5 * time.Hour)
		r.pass(10 * time.Minute)
		r.wantTimes(6*time.Hour, 6*time.Hour+time.Minute)
	})
}

func TestClock_DeletedWhileItIsLate_DoesNotFire(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 * * * *")
		clock.skip(5 * time.Hour)
		r.must(r.Delete(nightly))
		r.pass(time.Hour)
		r.wantTimes()
	})
}

func TestClock_SetBackDuringARun_WhatWasAskedForFollows(t *testing.T) {
	clock := &crooked{}
	bubbleWith(t, jobs.Config{Clock: clock}, func(t *testing.T, r *rig) {
		r.put("0 0 1 1 *")
		r.taking(15 * time.Second)
		r.must(r.RunNow(nightly))
		r.pass(time.Second)
		r.must(r.RunNow(nightly))
		clock.skip(-48 * time.Hour)
		r.pass(20 * time.Minute)
		if n := len(r.seen()); n != 2 {
			t.Errorf("%d runs, want 2", n)
		}
	})
}
