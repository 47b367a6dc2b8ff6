package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// schLog is what runs have told.
type schLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *schLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns what was told since, in one line.
func (l *schLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Join(l.lines, ", ")
	l.lines = nil
	return all
}

func TestMemory_Fires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight of 1 January 2000, in Sao Paulo 22:00
		var log schLog
		tell := func(ctx context.Context, r schReport) error {
			m, ok := tasks.MetadataFrom(ctx)
			at, _ := ctx.Deadline()
			last, err := m.LastAttempt(ctx)
			log.add("%d of %s (%s, attempt %d, last %t %v, %s to go, eager %t, queue %q, content %s) %t", r.Days, m.SchedulerJob,
				m.ScheduleTime.Format("02 15:04 MST"), m.Attempt, last, err, time.Until(at), m.Eager, m.Queue, m.Header.Get("Content-Type"), ok)
			return nil
		}
		app := schApp(t, tasks.Config{Endpoint: "-", Transport: memory.New()})
		nightly := schedule.New(tell, schedule.Cron("0 3 * * *"), schedule.TimeZone("America/Sao_Paulo"), schedule.Task(tasks.WithName("nightly"))).WithPayload(schReport{Days: 7})
		often := schedule.New(tell, schedule.Interval(4*time.Hour+59*time.Minute+30*time.Second), schedule.Task(tasks.WithName("often"), tasks.WithTimeout(time.Minute)))
		schRegister(t, app, nightly, often)

		time.Sleep(4*time.Hour + 59*time.Minute)
		synctest.Wait()
		if got := log.take(); got != "" {
			t.Errorf("before the time: %s", got)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		want := "0 of shop--often (01 00:00 UTC, attempt 1, last true <nil>, 1m0s to go, eager false, queue \"\", content application/json) true, " +
			"7 of shop--nightly (01 05:00 UTC, attempt 1, last true <nil>, 3m0s to go, eager false, queue \"\", content application/json) true"
		if got := log.take(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := strings.Count(log.take(), "nightly"); n != 1 {
			t.Errorf("the next day it ran %d times", n)
		}
		// It is a task as well.
		if _, err := nightly.Enqueue(t.Context(), schReport{Days: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := log.take(); !strings.HasPrefix(got, "1 of  (") || !strings.Contains(got, `queue "shop"`) || !strings.Contains(got, "10m0s to go") {
			t.Error(got)
		}
		if err := nightly.Run(t.Context(), schReport{Days: 2}); err != nil {
			t.Fatal(err)
		}
		if got := log.take(); !strings.HasPrefix(got, "2 of  (") || !strings.Contains(got, "eager true") {
			t.Error(got)
		}
		if n, err := nightly.DeleteAll(t.Context()); n != 0 || err != nil {
			t.Errorf("%d left, %v", n, err)
		}
	})
}

func TestMemory_NextRuns_AreWhenItFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log schLog
		tell := func(context.Context, schReport) error {
			log.add("%s", time.Now().UTC().Format("01-02 15:04"))
			return nil
		}
		time.Sleep(86 * 24 * time.Hour) // 27 March 2000
		for _, p := range []*schedule.Periodic[schReport]{
			schedule.New(tell, schedule.Cron("0,30 2 * * *"), schedule.TimeZone("America/New_York")), // the clock skips it on 2 April
			schedule.New(tell, schedule.Every("every 7 hours"), schedule.TimeZone("America/New_York")),
			schedule.New(tell, schedule.Every("1st,third monday of month 04:05")),
		} {
			app := schApp(t, tasks.Config{Endpoint: "-", Transport: memory.New()})
			schRegister(t, app, p)
			runs, err := p.NextRuns(100)
			if err != nil {
				t.Fatal(err)
			}
			end := time.Now().Add(15*24*time.Hour + time.Second)
			var want []string
			for _, at := range runs {
				if at.Before(end) {
					want = append(want, at.UTC().Format("01-02 15:04"))
				}
			}
			time.Sleep(time.Until(end))
			synctest.Wait()
			if got, want := log.take(), strings.Join(want, ", "); got != want || want == "" {
				t.Errorf("it ran at %s\nand was to run at %s", got, want)
			}
			if err := app.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestMemory_Retries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var log schLog
		var taken []tasks.Quarantined
		fail := func(ctx context.Context, _ schReport) error {
			m, _ := tasks.MetadataFrom(ctx)
			_, err := m.LastAttempt(ctx)
			log.add("%s %s unknown %t", m.Name, time.Since(start), errors.Is(err, tasks.ErrUnknown))
			return errors.New("not now")
		}
		app := schApp(t, tasks.Config{Endpoint: "-", Transport: memory.New(), Quarantine: func(_ context.Context, q tasks.Quarantined) error {
			taken = append(taken, q)
			return nil
		}})
		schRegister(t, app,
			schedule.New(fail, schedule.Cron("@hourly"), schedule.Task(tasks.WithName("retried")), schedule.Retry(transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Second})),
			schedule.New(fail, schedule.Cron("30 * * * *"), schedule.Task(tasks.WithName("once"))))
		time.Sleep(1*time.Hour + 59*time.Minute)
		synctest.Wait()
		want := "once 30m0s unknown false, retried 1h0m0s unknown true, retried 1h0m10s unknown true, retried 1h0m30s unknown true, once 1h30m0s unknown false"
		if got := log.take(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if len(taken) != 2 || taken[0].Name != "once" || taken[1].Name != "once" {
			t.Errorf("quarantined %+v", taken)
		}
	})
}

// A run that is snoozed, or turned into a task, goes on as one.
func TestMemory_Snooze_MakesATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var log schLog
		p := schedule.New(func(ctx context.Context, r schReport) error {
			m, _ := tasks.MetadataFrom(ctx)
			log.add("%s days %d queue %q job %q", time.Since(start), r.Days, m.Queue, m.SchedulerJob)
			if m.Queue == "" {
				return tasks.Snooze(time.Minute)
			}
			return nil
		}, schedule.Cron("@hourly"), schedule.Task(tasks.OnQueue("slow"))).WithPayload(schReport{Days: 3})
		schRegister(t, schApp(t, tasks.Config{Endpoint: "-", Transport: memory.New()}), p)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		want := `1h0m0s days 3 queue "" job "shop--schReport", 1h1m0s days 3 queue "slow" job ""`
		if got := log.take(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

// Two Apps of one name, as two instances of a program are, have one job; those of two names have two.
func TestMemory_TwoApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log schLog
		mem := memory.New()
		p := schedule.New(func(ctx context.Context, _ schReport) error {
			app, _ := tasks.AppFrom(ctx)
			log.add("%s %s", app.Config().Name, app.Config().Endpoint)
			return nil
		}, schedule.Cron("@hourly"))
		one := schApp(t, tasks.Config{Endpoint: "http://one", Transport: mem})
		two := schApp(t, tasks.Config{Endpoint: "http://two", Transport: mem})
		other := schApp(t, tasks.Config{Name: "other", Endpoint: "http://three", Transport: mem})
		for _, app := range []*tasks.App{one, two, other} {
			schRegister(t, app, p)
		}
		hour := func(want ...string) {
			t.Helper()
			time.Sleep(time.Hour)
			synctest.Wait()
			got := log.take()
			if strings.Count(got, ",") != len(want)-1 || got == "" && len(want) > 0 {
				t.Fatalf("%s, want %q", got, want)
			}
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s, want %s", got, w)
				}
			}
		}
		hour("shop http://one", "other http://three")
		if err := one.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		hour("shop http://two", "other http://three")
		if err := two.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		hour("other http://three")
	})
}

func TestMemory_Shutdown_WaitsForARunAndBeginsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, runs := make(chan bool, 9), 0
		app := schApp(t, tasks.Config{Endpoint: "-", Transport: memory.New()})
		schRegister(t, app, schedule.New(func(ctx context.Context, _ schReport) error {
			begun <- true
			time.Sleep(90 * time.Second)
			runs++
			return nil
		}, schedule.Interval(time.Minute)))
		<-begun
		if err := app.Shutdown(t.Context()); err != nil || runs != 1 {
			t.Errorf("%v, %d runs ended", err, runs)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if runs != 1 {
			t.Errorf("%d runs after Shutdown", runs)
		}
	})
}

// The scheduler may be another than the transport, and runs in this process all the same.
func TestMemory_SchedulerBesideTheTransport_IsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := make(chan string, 9)
		mem := memory.New()
		app := schApp(t, tasks.Config{Scheduler: schWrapped{mem}})
		schRegister(t, app, schedule.New(func(context.Context, schReport) error {
			ran <- "it"
			return nil
		}, schedule.Interval(time.Second)))
		<-ran
		<-ran
		if err := app.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := mem.PutJob(t.Context(), schJob("j", "https://x.example")); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("nobody else used it, and it is still open: %v", err)
		}
	})
}

func TestMemory_Sync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memory.New()
		app := schApp(t, tasks.Config{Transport: mem})
		schRegister(t, app, schNamed("n"), schedule.New(schNothing[schReport], schedule.Interval(5*time.Second)))
		schPlan(t, schSync(t, app), "[=] schedule shop--n", "[=] schedule shop--schReport", "2 unchanged")
		if err := mem.PutJob(t.Context(), schJob("shop--old", schTasks+"old")); err != nil {
			t.Fatal(err)
		}
		if err := mem.PauseJob(t.Context(), "shop--n"); err != nil {
			t.Fatal(err)
		}
		schPlan(t, schSync(t, app), "[=] schedule shop--n: it is paused, and stays so", "[=] schedule shop--schReport",
			"[-] schedule shop--old: deleted: no periodic task declares it any more", "1 deleted, 2 unchanged")
	})
}

// Two instances of a program over one memory share their jobs, wherever these are posted to, and sync in turn.
func TestMemory_Sync_OfTwoApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log schLog
		mem := memory.New()
		p := schedule.New(func(ctx context.Context, _ schReport) error {
			app, _ := tasks.AppFrom(ctx)
			log.add("%s", app.Config().Endpoint)
			return nil
		}, schedule.Cron("@hourly"), schedule.Task(tasks.WithName("n")))
		one := schApp(t, tasks.Config{Endpoint: "http://one/a", Transport: mem})
		two := schApp(t, tasks.Config{Endpoint: "http://two", Transport: mem})
		schRegister(t, one, p)
		schRegister(t, two, p)
		for range 2 {
			schPlan(t, schSync(t, one), "[=] schedule shop--n", "1 unchanged")
			schPlan(t, schSync(t, two), "[=] schedule shop--n", "1 unchanged")
		}
		// What is drift stays drift, and what is put for one of them is none for the other.
		drifted := schDescribe(t, two, p)
		drifted.Description, drifted.URL = "by hand", "http://two/elsewhere"
		if err := mem.PutJob(t.Context(), drifted); err != nil {
			t.Fatal(err)
		}
		schPlan(t, schSync(t, one), "[~] schedule shop--n: updated: description: by hand -> none; url: http://two/elsewhere -> http://one/a/tasks/n; "+
			"audience: http://two -> http://one", "1 updated")
		schPlan(t, schSync(t, two), "[=] schedule shop--n", "1 unchanged")

		hour := func(want string) {
			t.Helper()
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := log.take(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		hour("http://one/a")
		if err := one.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		hour("http://two")
	})
}
