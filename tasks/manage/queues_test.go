package manage_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestQueues_OfMessagesThatBecomeTasks_AreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		read := func(context.Context, pubsub.Message[Order]) error { return nil }
		register(t, s.app,
			pubsub.NewSubscriber(read, pubsub.Topic("orders"), pubsub.WithName("ship"), pubsub.ViaTasks(tasks.OnQueue("viaq"))),
			pubsub.NewSubscriber(read, pubsub.Topic("orders"), pubsub.WithName("bill"), pubsub.ViaTasks()))
		run(t, s.app, "list", "--kind", "queues").want(t, 0, "viaq  not declared: made with its first task", "ship\n", "Sum, Nightly, Sweep, bill\n")
		run(t, s.app, "list", "viaq", "--output", "json").want(t, 0, `"name": "viaq"`, `"ship"`)
		if err := s.mem.PutQueue(t.Context(), "viaq", s.app.Config().Queues["mail"]); err != nil {
			t.Fatal(err)
		}
		run(t, s.app, "queues", "pause", "viaq").want(t, 0, "queue viaq: paused")
		run(t, s.app, "queues", "pause", "viap").want(t, 2, "did you mean viaq?")
		run(t, nil, "list").want(t, 1)
		run(t, s.app, "sync", "queues", "--delete", "viaq", "--yes").want(t, 1, `blocked: subscriber "ship" uses it`)
	})
}

// clocked is a cloud with a time of its own.
type clocked struct {
	*cloud
	now time.Time
}

func (c clocked) Now() time.Time { return c.now }

// A periodic task that belongs to several Apps has several clocks.
func TestList_NextRun_IsByTheClockOfTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nightly := schedule.New(func(context.Context, Sweep) error { return nil }, schedule.Cron("0 3 * * *"))
		for _, at := range []time.Time{time.Date(2030, 5, 1, 2, 0, 0, 1, time.UTC), time.Date(2040, 6, 1, 4, 0, 20, 0, time.UTC)} {
			c := newCloud()
			t.Cleanup(func() { c.close(t) })
			app := newApp(t, c, func(cfg *tasks.Config) { cfg.Transport = clocked{c, at} })
			register(t, app, nightly)
			want := map[int]string{2030: "Wed 2030-05-01 03:00 UTC (in 1h)", 2040: "Sat 2040-06-02 03:00 UTC (in 23h)"}[at.Year()]
			run(t, app, "list", "--kind", "schedules").want(t, 0, want)
		}
	})
}

func TestEnqueue_DueByNow_SaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		for _, c := range []struct {
			slow time.Duration
			says string
		}{{0, " (in 1m)\n"}, {time.Minute, " (now)\n"}, {90 * time.Minute, " (1h29m ago)\n"}, {27*time.Hour + time.Minute, " (1 day 3h ago)\n"}} {
			s.slow = c.slow
			run(t, s.app, "enqueue", "Sweep", "--in", "1m", "--queue", "mail").want(t, 0, c.says)
		}
	})
}

// vague is a payload without fields that is not always valid.
type vague struct{}

func (vague) Validate() error { return errors.New("not today") }

func TestRun_PayloadWithoutFields_ThatIsNotValid_IsAUsageError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		t.Cleanup(func() { c.close(t) })
		app := newApp(t, c)
		ran := false
		register(t, app, tasks.New(func(context.Context, vague) error { ran = true; return nil }, tasks.WithName("vague")))
		for _, args := range [][]string{{"run", "vague"}, {"run", "vague", "--dry-run"}, {"run", "vague", "--data", "{}"}, {"enqueue", "vague"}} {
			run(t, app, args...).want(t, 2, "Error: vague: ", "not today")
		}
		if ran {
			t.Error("it ran")
		}
	})
}

func TestSchedulesRun_InThisProcess_NotesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const note = "note: it is kept in this process, and lost where that ends before it has run\n"
		mem := memory.New()
		app := newApp(t, nil, func(cfg *tasks.Config) { cfg.Transport, cfg.Broker, cfg.Scheduler, cfg.Endpoint = mem, mem, mem, "" })
		ran := 0
		register(t, app, schedule.New(func(context.Context, Sweep) error { ran++; return nil }, schedule.Cron("0 3 * * *")))
		run(t, app, "schedules", "run", "Sweep").want(t, 0, "schedule shop--Sweep: started\n", note)
		const ends = "note: the scheduler is in this process: what is changed ends with it\n"
		for args, want := range map[string]string{"run Sweep --dry-run": "", "pause Sweep --dry-run": "", "pause Sweep": ends, "resume Sweep --output json": ends} {
			if e := run(t, app, append([]string{"schedules"}, strings.Fields(args)...)...); e.code != 0 || e.err != want {
				t.Errorf("%q ended with %d: %s", args, e.code, e.err)
			}
		}
		if synctest.Wait(); ran != 1 {
			t.Errorf("ran %d times", ran)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		far := newShop(t)
		far.deployed(t)
		if e := run(t, far.app, "schedules", "run", "Nightly"); e.code != 0 || e.err != "" {
			t.Errorf("ended with %d: %s", e.code, e.err)
		}
	})
}
