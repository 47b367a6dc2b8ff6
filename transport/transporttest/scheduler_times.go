package transporttest

import (
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func scheduleLaws() []schedulerLaw {
	return []schedulerLaw{
		{"schedule/times", "A job fires at each time of its schedule, once, and says for which.", scheduleTimes},
		{"schedule/day", "Over a day a job of every minute misses none.", scheduleDay},
		{"schedule/zone", "A schedule goes by the wall clock of its time zone.", scheduleZone},
		{"schedule/clock-changes", "A wall time that the clock skips does not fire; one that comes twice fires twice.", scheduleClockChanges},
		{"schedule/interval", "Runs of \"every N minutes\" and \"every N hours\" are N apart.", scheduleInterval},
		{"schedule/next", "A job tells when it is due next, and when it ran last.", scheduleNext},
		{"schedule/paused", "A paused job does not fire; what it missed is not made up for once it is resumed.", schedulePaused},
		{"schedule/put", "PutJob with the same schedule neither costs a run nor adds one.", schedulePut},
		{"schedule/rescheduled", "PutJob with another schedule fires at its times, and at those of the old one no more.", scheduleRescheduled},
		{"schedule/deleted", "A deleted job does not fire.", scheduleDeleted},
		{"schedule/by-hand", "RunJob fires beside the schedule, which goes on.", scheduleByHand},
	}
}

// A bubble begins at midnight UTC, 2000-01-01, a Saturday.

func scheduleTimes(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("*/20 1-2 * * *"))
	m := time.Minute
	for i, f := range box.wantUntil(24*time.Hour, 60*m, 80*m, 100*m, 120*m, 140*m, 160*m) {
		if at, err := f.planned(); err != nil || !at.Equal(f.at) {
			t.errorf("run %d says that it is for %q, want %s", i+1, f.header.Get("X-CloudScheduler-ScheduleTime"), f.at)
		}
	}
}

func scheduleDay(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("* * * * *"))
	var want []time.Duration
	for i := range 24 * 60 {
		want = append(want, time.Duration(i+1)*time.Minute)
	}
	box.wantUntil(24*time.Hour+30*time.Second, want...)
}

func scheduleZone(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	j := t.scheduled("30 9 * * MON-TUE")
	j.TimeZone = "Asia/Kolkata" // 04:00 UTC
	t.put(j)
	day := 24 * time.Hour
	for i, f := range box.wantUntil(7*day, 2*day+4*time.Hour, 3*day+4*time.Hour) {
		want := f.at.In(time.FixedZone("", 19800)).Format(time.RFC3339)
		if got := f.header.Get("X-CloudScheduler-ScheduleTime"); got != want {
			t.errorf("run %d says that it is for %q, want %q", i+1, got, want)
		}
	}
}

func scheduleClockChanges(t *schedulerTrial) {
	t.needsTime()
	skipped, twice := t.serve("skipped", done), t.serve("twice", done)
	for name, schedule := range map[string]string{"skipped": "30 2 26 3 *", "twice": "30 2 29 10 *"} {
		j := t.job(name)
		j.Schedule, j.TimeZone = schedule, "Europe/Berlin"
		t.put(j)
	}
	first := time.Date(2000, 10, 29, 0, 30, 0, 0, time.UTC).Sub(t.began)
	for i, f := range twice.wantUntil(366*24*time.Hour, first, first+time.Hour) {
		want := []string{"2000-10-29T02:30:00+02:00", "2000-10-29T02:30:00+01:00"}
		if got := f.header.Get("X-CloudScheduler-ScheduleTime"); i < 2 && got != want[i] {
			t.errorf("run %d says that it is for %q, want %q", i+1, got, want[i])
		}
	}
	skipped.wantUntil(366 * 24 * time.Hour)
}

func scheduleInterval(t *schedulerTrial) {
	t.needsTime()
	minutes, hours := t.serve("minutes", done), t.serve("hours", done)
	<-time.After(10 * time.Minute)
	for name, schedule := range map[string]string{"minutes": "every 90 minutes", "hours": "every 36 hours"} {
		j := t.job(name)
		j.Schedule = schedule
		t.put(j)
	}
	for what, c := range map[string]struct {
		box  *firings
		want time.Duration
		n    int
	}{"every 90 minutes": {minutes, 90 * time.Minute, 80}, "every 36 hours": {hours, 36 * time.Hour, 3}} {
		<-time.After(time.Until(t.began.Add(5*24*time.Hour + time.Minute)))
		all := c.box.all()
		if n := len(all); n < c.n-1 || n > c.n {
			t.errorf("%s fired %d times in five days, want %d", what, n, c.n)
		}
		for i := range len(all) - 1 {
			if got := all[i+1].at.Sub(all[i].at); got != c.want {
				t.errorf("%s: runs %d and %d are %s apart", what, i+1, i+2, got)
			}
		}
	}
}

func scheduleNext(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("30 * * * *"))
	want := func(next, last time.Duration) {
		j := t.see(jobName)
		if !j.Next.IsZero() && !j.Next.Equal(t.began.Add(next)) {
			t.errorf("after %s it is due %s, want %s", time.Since(t.began), j.Next, t.began.Add(next))
		}
		if last > 0 && j.LastRun.Sub(t.began.Add(last)).Abs() > time.Second {
			t.errorf("after %s it ran last at %s, want %s", time.Since(t.began), j.LastRun, t.began.Add(last))
		}
	}
	want(30*time.Minute, 0)
	box.wantUntil(31*time.Minute, 30*time.Minute)
	want(90*time.Minute, 30*time.Minute)
	box.wantUntil(5*time.Hour, 90*time.Minute, 150*time.Minute, 210*time.Minute, 270*time.Minute)
	want(330*time.Minute, 270*time.Minute)
}

func schedulePaused(t *schedulerTrial) {
	t.needsAdmin()
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("0 * * * *"))
	box.wantUntil(90*time.Minute, time.Hour)
	t.pause(jobName)
	box.wantUntil(210 * time.Minute)
	t.put(t.scheduled("0 * * * *"))
	box.wantUntil(270 * time.Minute)
	t.resume(jobName)
	box.wantUntil(310*time.Minute, 5*time.Hour)
}

func schedulePut(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("0 * * * *"))
	for i := range 5 {
		<-time.After(10 * time.Minute)
		j := t.scheduled("0 * * * *")
		j.Body = []byte{'0' + byte(i)}
		t.put(j)
	}
	for _, f := range box.wantUntil(90*time.Minute, time.Hour) {
		if string(f.body) != "4" {
			t.errorf("fired with %q, want what was put last", f.body)
		}
	}
}

func scheduleRescheduled(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("0 * * * *"))
	box.wantUntil(70*time.Minute, time.Hour)
	t.put(t.scheduled("30 * * * *"))
	box.wantUntil(160*time.Minute, 90*time.Minute, 150*time.Minute)
	j := t.scheduled("30 * * * *")
	j.TimeZone = "Asia/Kolkata"
	t.put(j)
	box.wantUntil(250*time.Minute, 180*time.Minute, 240*time.Minute)
}

func scheduleDeleted(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("0 * * * *"))
	box.wantUntil(70*time.Minute, time.Hour)
	t.deleteJob(jobName)
	box.wantUntil(24 * time.Hour)
}

func scheduleByHand(t *schedulerTrial) {
	t.needsAdmin()
	t.needsTime()
	box := t.serve(jobName, done)
	t.put(t.scheduled("0 * * * *"))
	box.wantUntil(20 * time.Minute)
	t.fire(jobName)
	box.wantUntil(130*time.Minute, 20*time.Minute, 60*time.Minute, 120*time.Minute)
	if s := t.see(jobName).State; s != transport.JobEnabled {
		t.errorf("the job is %s", s)
	}
}
