package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

// every is a task named Report that runs each d, from d on.
func every(d time.Duration, fn func(context.Context, Order) error, opts ...schedule.Option) *schedule.Periodic[Order] {
	return schedule.New(fn, schedule.Interval(d), append([]schedule.Option{schedule.Task(tasks.WithName("Report"))}, opts...)...)
}

// tick notes when a periodic task runs.
func (d *diary) tick(ctx context.Context, _ Order) error {
	m, _ := tasks.MetadataFrom(ctx)
	d.lines = append(d.lines, fmt.Sprintf("%s %s", d.rec.Now().Sub(d.start), or(m.SchedulerJob, "task")))
	return nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func TestAdvance_FiresPeriodicTasksAtTheirTimes(t *testing.T) {
	t.Parallel()
	type fired struct{ at, planned time.Time }
	var got []fired
	var rec *tasktest.Recorder
	nightly := schedule.New(func(ctx context.Context, o Order) error {
		m, _ := tasks.MetadataFrom(ctx)
		if m.SchedulerJob != "shop--Order" || m.Attempt != 1 || o.ID != 7 {
			t.Errorf("order %d, metadata %+v", o.ID, m)
		}
		got = append(got, fired{rec.Now(), m.ScheduleTime})
		return nil
	}, schedule.Cron("30 2 * * *"), schedule.TimeZone("Europe/Berlin")).WithPayload(Order{7})
	rec = tasktest.NewWith(t, tasks.Config{Name: "shop"}, nightly)
	want, err := nightly.NextRuns(400)
	if err != nil {
		t.Fatal(err)
	}
	rec.Advance(want[399].Sub(rec.Now()))
	if len(got) != 400 {
		t.Fatalf("fired %d times, want 400", len(got))
	}
	for i, f := range got {
		if !f.at.Equal(want[i]) || !f.planned.Equal(want[i]) {
			t.Fatalf("run %d fired at %s for %s, want %s", i, f.at, f.planned, want[i])
		}
	}
	tasktest.RequireNothingElse(t, rec) // nothing was enqueued
	tasktest.RequireNotEnqueued(t, rec, nightly)
}

func TestDrain_LeavesPeriodicWork(t *testing.T) {
	t.Parallel()
	var d diary
	report := every(10*time.Minute, d.tick)
	later := tasks.New(func(ctx context.Context, o Order) error { return d.tick(ctx, o) }, tasks.WithName("Later"))
	rec := tasktest.New(t, report, later)
	d.keep(rec)
	rec.Drain()
	enqueue(t, rec.Context(), later, Order{1}, tasks.In(25*time.Minute))
	rec.Drain()
	rec.Advance(10 * time.Minute) // what Drain passed over is not made up for
	d.want(t, "25m0s task", "30m0s Report")
	if now := rec.Now().Sub(d.start); now != 35*time.Minute {
		t.Errorf("it is %s, want 35m", now)
	}
}

func TestAdvance_Retries(t *testing.T) {
	t.Parallel()
	var d diary
	report := every(10*time.Minute, func(ctx context.Context, o Order) error { _ = d.tick(ctx, o); return errBoom },
		schedule.Retry(transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Minute}))
	rec := tasktest.New(t, report)
	d.keep(rec)
	rec.Advance(11 * time.Minute)
	d.want(t, "10m0s Report", "11m0s Report")
	tasktest.RequireNoneGivenUp(t, rec)
	rec.Drain() // ends what has begun
	d.want(t, "10m0s Report", "11m0s Report", "13m0s Report")
	rec.Drain()
	rec.Advance(8 * time.Minute)
	d.want(t, "10m0s Report", "11m0s Report", "13m0s Report", "20m0s Report", "21m0s Report")

	want := `tasktest: 1 runs of jobs were given up` + "\n" + `    Report, a run of job "Report", after 3 attempts: the handler answered 500: boom`
	if got := mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	all := rec.GivenUp()
	if len(all) != 1 || all[0].Task != "Report" || all[0].Job != "Report" || all[0].ID != "" || all[0].Queue != "" || !errors.Is(all[0].Err, errBoom) {
		t.Errorf("given up: %+v", all)
	}
}

func TestRequireNoneGivenUp_NamesEachKind(t *testing.T) {
	t.Parallel()
	failing := func(context.Context, Order) error { return errBoom }
	task := tasks.New(failing, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 1}))
	rec := tasktest.New(t, every(time.Minute, failing), task)
	enqueue(t, rec.Context(), task, Order{1})
	rec.Advance(2 * time.Minute)
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }), "tasktest: 1 tasks and 2 runs of jobs were given up\n")
}

var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func TestFailure_ShowsWhatSchedulesFired(t *testing.T) {
	t.Parallel()
	n := 0
	receipt := tasks.New(nothing[Welcome])
	report := every(time.Minute, func(ctx context.Context, _ Order) error {
		if n++; n == 1 {
			return errBoom
		}
		_, err := receipt.Enqueue(ctx, ana(), tasks.WithID("w1"))
		return err
	}, schedule.Retry(transport.RetryConfig{MaxAttempts: 2}))
	rec := tasktest.New(t, report, receipt)
	rec.Advance(30 * time.Second)
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, report) }), "rec.Context())") // and that is all
	rec.Advance(time.Minute)
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, report) })
	equalText(t, anyTime.ReplaceAllString(got, "DAY"), `
		tasktest: no Report was enqueued
		recorded
		    #1 Welcome {"user_id":7,"email":"ana@example.com"} on "tasks", id w1
		fired by schedules (which counts as no enqueue)
		    Report for DAY: the handler answered 500: boom
		    Report for DAY, attempt 2
	`)
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), "fired by schedules", "attempt 2")

	runJob(t, rec, "Report")
	rec.Advance(40 * time.Minute)
	got = mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, report) })
	contains(t, got, "    23 more, then\n")
}

// runJob has a job run by hand.
func runJob(t testing.TB, rec *tasktest.Recorder, name string) {
	t.Helper()
	admin, err := transport.SchedulerAs[transport.JobAdmin](rec.App().Config().Scheduler)
	if err == nil {
		err = admin.RunJob(rec.Context(), name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDrain_RunsByHand(t *testing.T) {
	t.Parallel()
	var d diary
	report := every(time.Hour, d.tick)
	rec := tasktest.New(t, report)
	d.keep(rec)
	runJob(t, rec, "Report")
	rec.Drain()
	d.want(t, "0s Report")
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, report) }), "Z, by hand")
}

func TestDrain_RunsThatTurn_AreNamed(t *testing.T) {
	t.Parallel()
	var rec *tasktest.Recorder
	report := every(time.Minute, func(context.Context, Order) error { runJob(t, rec, "Report"); return nil })
	for name, turn := range map[string]func(){
		"Drain":   func() { runJob(t, rec, "Report"); rec.Drain() },
		"Advance": func() { rec.Advance(time.Minute) },
	} {
		got := mustFail(t, func(t testing.TB) {
			rec = tasktest.New(t, report)
			turn()
		})
		contains(t, got, "tasktest: "+name, "periodic Report (10000 runs)")
	}
}

func TestPeriodic_FaultsFallOnEnqueuesAlone(t *testing.T) {
	t.Parallel()
	var errs []error
	order := tasks.New(nothing[Welcome])
	report := every(time.Minute, func(ctx context.Context, _ Order) error {
		_, err := order.Enqueue(ctx, ana())
		errs = append(errs, err)
		return nil
	})
	rec := tasktest.New(t, report, order)
	rec.FailNext(2, errBoom)
	rec.Advance(3 * time.Minute)
	if len(errs) != 3 || !errors.Is(errs[0], errBoom) || !errors.Is(errs[1], errBoom) || errs[2] != nil {
		t.Errorf("enqueues in three runs: %v, want two faults", errs)
	}
	tasktest.RequireEnqueued(t, rec, order)
}

func TestPeriodic_DeliverTwiceAndShuffle(t *testing.T) {
	t.Parallel()
	orders := map[string]bool{}
	for seed := range uint64(60) {
		var ran []string
		note := func(name string) func(context.Context, Order) error {
			return func(context.Context, Order) error { ran = append(ran, name); return nil }
		}
		named := func(name string) schedule.Option { return schedule.Task(tasks.WithName(name)) }
		a, b := every(time.Minute, note("a"), named("A")), every(time.Minute, note("b"), named("B"))
		task := tasks.New(note("task"))
		rec := tasktest.New(t, a, b, task)
		enqueue(t, rec.Context(), task, Order{1}, tasks.In(time.Minute))
		rec.Shuffle(seed)
		rec.DeliverTwice()
		rec.Advance(time.Minute)
		if len(ran) != 6 || ran[0] != ran[1] {
			t.Fatalf("ran %q, want each twice", ran)
		}
		orders[fmt.Sprint(ran)] = true
	}
	if len(orders) != 6 {
		t.Errorf("of six orders came %d", len(orders))
	}
}

func TestPeriodic_OfWhatIsDueTogether_TasksComeFirst(t *testing.T) {
	t.Parallel()
	var d diary
	report := every(time.Minute, d.tick)
	task := tasks.New(func(ctx context.Context, o Order) error { return d.tick(ctx, o) }, tasks.WithName("Task"))
	rec := tasktest.New(t, report, task)
	d.keep(rec)
	for _, in := range []time.Duration{30 * time.Second, time.Minute, 90 * time.Second} {
		enqueue(t, rec.Context(), task, Order{1}, tasks.In(in))
	}
	rec.Advance(2 * time.Minute)
	d.want(t, "30s task", "1m0s task", "1m0s Report", "1m30s task", "2m0s Report")
}

func TestPeriodic_IsATaskToo(t *testing.T) {
	t.Parallel()
	var d diary
	report := every(time.Hour, d.tick)
	rec := tasktest.New(t, report)
	d.keep(rec)
	enqueue(t, rec.Context(), report.Task, Order{3}, tasks.In(time.Minute))
	got := tasktest.RequireEnqueued(t, rec, report, tasktest.Args(Order{3}), tasktest.DueIn(time.Minute, 0))
	if got.Args.ID != 3 {
		t.Errorf("args %+v", got.Args)
	}
	rec.Drain()
	d.want(t, "1m0s task")
	tasktest.RequireNothingElse(t, rec)
}

func TestPeriodic_SyncFindsNothingToDo(t *testing.T) {
	t.Parallel()
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, nightly(schedule.Description("of tests")))
	plan, err := schedule.Sync(rec.Context(), rec.App())
	if err != nil {
		t.Fatal(err)
	}
	contains(t, plan.String(), "[=]", "shop--Nightly")
}

func TestPeriodic_AppThatWasShutDown_FiresNoMore(t *testing.T) {
	t.Parallel()
	var d diary
	rec := tasktest.New(t, every(time.Minute, d.tick))
	d.keep(rec)
	rec.Advance(time.Minute)
	if err := rec.App().Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec.Advance(time.Hour)
	d.want(t, "1m0s Report")
}

func TestPeriodic_InABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		rec := tasktest.New(t, every(time.Second, d.tick))
		d.keep(rec)
		time.Sleep(time.Hour) // is not the recorder's time
		rec.Advance(2 * time.Second)
		d.want(t, "1s Report", "2s Report")
	})
}

func TestPeriodic_RemembersTheLatestFirings(t *testing.T) {
	t.Parallel()
	report := every(time.Second, func(context.Context, Order) error { return errBoom })
	rec := tasktest.New(t, report)
	rec.Advance(1200 * time.Second)
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, report) })
	contains(t, got, "1180 more, then")
	if all := rec.GivenUp(); len(all) != 1000 || slices.ContainsFunc(all, func(g tasktest.GivenUp) bool { return g.Attempts != 1 }) {
		t.Errorf("%d given up, want the last 1000, each after one attempt", len(all))
	}
}

func TestAdvanceTo_RunsWhatIsDueOnTheWay_AndNeverGoesBack(t *testing.T) {
	t.Parallel()
	var ran []time.Time
	weekly := schedule.New(func(ctx context.Context, _ struct{}) error {
		meta, _ := tasks.MetadataFrom(ctx)
		ran = append(ran, meta.ScheduleTime)
		return nil
	}, schedule.Cron("0 9 * * MON"), schedule.Task(tasks.WithName("weekly")))
	rec := tasktest.New(t, weekly)
	monday := rec.Now().AddDate(0, 0, 1)
	for monday.Weekday() != time.Monday {
		monday = monday.AddDate(0, 0, 1)
	}
	monday = time.Date(monday.Year(), monday.Month(), monday.Day(), 9, 0, 0, 0, time.UTC)
	rec.AdvanceTo(monday.Add(-time.Second))
	before := len(ran)
	rec.AdvanceTo(monday)
	if len(ran) != before+1 || !ran[before].Equal(monday) || !rec.Now().Equal(monday) {
		t.Errorf("at %s it ran at %v, want a run at %s", rec.Now(), ran, monday)
	}
	if got := mustFail(t, func(t testing.TB) { tasktest.New(t).AdvanceTo(time.Unix(0, 0)) }); !strings.Contains(got, "does not go back") {
		t.Errorf("AdvanceTo a time that is past says %q", got)
	}
}
