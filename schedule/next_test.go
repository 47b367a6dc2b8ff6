package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
)

// schClock is a transport that keeps its own time.
type schClock struct {
	schNowhere
	now time.Time
}

func (c schClock) Now() time.Time { return c.now }

// schRuns are the next runs as text, in the zone of the schedule.
func schRuns(t testing.TB, p *schedule.Periodic[schReport], n int) string {
	t.Helper()
	runs, err := p.NextRuns(n)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(runs))
	for i, at := range runs {
		texts[i] = at.Format("02 Jan 15:04:05 -0700")
	}
	return strings.Join(texts, ", ")
}

func TestNextRuns(t *testing.T) {
	t.Parallel()
	utc := func(text string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		name string
		when schedule.When
		zone string
		now  time.Time
		n    int
		want string
	}{
		{"working days", schedule.Cron("0 3 * * 1-5"), "America/Sao_Paulo", utc("2026-11-27 05:59:59"), 3,
			"27 Nov 03:00:00 -0300, 30 Nov 03:00:00 -0300, 01 Dec 03:00:00 -0300"},
		{"the time itself does not count", schedule.Cron("0 6 * * *"), "UTC", utc("2026-11-27 06:00:00"), 1, "28 Nov 06:00:00 +0000"},
		{"a day that is skipped in spring", schedule.Cron("30 2 * * *"), "Europe/Berlin", utc("2026-03-27 12:00:00"), 3,
			"28 Mar 02:30:00 +0100, 30 Mar 02:30:00 +0200, 31 Mar 02:30:00 +0200"},
		{"a time that comes twice in autumn", schedule.Cron("30 2 * * *"), "Europe/Berlin", utc("2026-10-24 12:00:00"), 3,
			"25 Oct 02:30:00 +0200, 25 Oct 02:30:00 +0100, 26 Oct 02:30:00 +0100"},
		{"hours through the autumn", schedule.Cron("@hourly"), "Europe/Berlin", utc("2026-10-25 00:30:00"), 2, "25 Oct 02:00:00 +0100, 25 Oct 03:00:00 +0100"},
		{"every hour through the spring", schedule.Every("every 1 hours"), "Europe/Berlin", utc("2026-03-29 00:30:00"), 2, "29 Mar 03:30:00 +0200, 29 Mar 04:30:00 +0200"},
		{"English", schedule.Every("1st friday of month 09:00"), "UTC", utc("2026-11-27 00:00:00"), 2, "04 Dec 09:00:00 +0000, 01 Jan 09:00:00 +0000"},
		{"apart", schedule.Interval(90 * time.Second), "UTC", utc("2026-11-27 00:00:10"), 2, "27 Nov 00:01:40 +0000, 27 Nov 00:03:10 +0000"},
		{"leap days", schedule.Cron("0 0 29 2 *"), "UTC", utc("2026-11-27 00:00:00"), 2, "29 Feb 00:00:00 +0000, 29 Feb 00:00:00 +0000"},
		{"none", schedule.Cron("0 3 * * *"), "UTC", utc("2026-11-27 00:00:00"), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := schedule.New(schNothing[schReport], c.when, schedule.TimeZone(c.zone))
			schRegister(t, schApp(t, tasks.Config{Transport: schClock{now: c.now}, Scheduler: &schScheduler{}}), p)
			if got := schRuns(t, p, c.n); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNextRuns_BeginsWithTheTimeOfTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is midnight of 1 January 2000
		p := schNamed("n")
		const here, there = "01 Jan 03:00:00 +0000", "02 Feb 03:00:00 +0000"
		for _, step := range []struct {
			name string
			then func()
			want string
		}{
			{"before Register", func() {}, here},
			{"with an App that has a clock", func() {
				schRegister(t, schApp(t, tasks.Config{Transport: schClock{now: time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)}}), p)
			}, there},
			{"with two Apps", func() { schRegister(t, schApp(t, tasks.Config{}), p) }, here},
		} {
			step.then()
			if got := schRuns(t, p, 1); got != step.want {
				t.Errorf("%s: %s, want %s", step.name, got, step.want)
			}
		}
		q := schNamed("q")
		schRegister(t, schApp(t, tasks.Config{}), q)
		if got := schRuns(t, q, 1); got != here {
			t.Errorf("with an App without a clock: %s", got)
		}
	})
}

func TestNextRuns_Refuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    *schedule.Periodic[schReport]
		n    int
		says []string
	}{
		{schNamed("n"), -1, []string{"schedule: n: next runs", "-1"}},
		{schedule.New(schNothing[schReport], nil), 1, []string{"schReport", "the schedule is nil"}},
		{schedule.New(schNothing[schReport], schedule.Cron("* * 0 0"), schedule.TimeZone("Mars")), 0, []string{"Cron", "day of month", "TimeZone", "Mars"}},
	} {
		runs, err := c.p.NextRuns(c.n)
		schSays(t, err, c.says...)
		if runs != nil {
			t.Errorf("%v all the same", runs)
		}
	}
	if _, err := schNamed("n").NextRuns(-1); !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("%v does not match ErrInvalid", err)
	}
	// What else is wrong is Register's to say.
	if _, err := schedule.New[schReport](nil, schedule.Cron("@daily")).NextRuns(1); err != nil {
		t.Error(err)
	}
}

func TestNextRunsAfter_BeginsWithThatTime(t *testing.T) {
	t.Parallel()
	p := schedule.New(schNothing[schReport], schedule.Cron("0 3 * * *"), schedule.TimeZone("America/Sao_Paulo"))
	schRegister(t, schApp(t, tasks.Config{Transport: schClock{now: time.Date(2001, 2, 2, 0, 0, 0, 0, time.UTC)}}), p)
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC) // a time of the schedule: it does not count
	runs, err := p.NextRunsAfter(at, 2)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v, %v", runs, err)
	}
	for i, want := range []string{"2026-11-25T03:00:00-03:00", "2026-11-26T03:00:00-03:00"} {
		if got := runs[i].Format(time.RFC3339); got != want {
			t.Errorf("run %d at %s, want %s", i+1, got, want)
		}
	}
	often := schedule.New(schNothing[schReport], schedule.Interval(90*time.Second))
	if runs, err := often.NextRunsAfter(at, 1); err != nil || len(runs) != 1 || runs[0].Sub(at) != 90*time.Second {
		t.Errorf("%v, %v", runs, err)
	}
	if _, err := p.NextRunsAfter(at, -1); !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("%v does not match ErrInvalid", err)
	}
}
