package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestSyncQueues_CreatesAndUpdatesWhatIsDeclared(t *testing.T) {
	t.Parallel()
	declared := map[string]transport.QueueConfig{
		"mail": {MaxDispatchesPerSecond: 2.5, MaxConcurrentDispatches: 10, Retry: transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Minute}},
		"news": {},
		"slow": {MaxConcurrentDispatches: 1},
		"sure": {MaxDispatchesPerSecond: transport.NoRateLimit, MaxBurst: 9},
	}
	f := newSqFake(map[string]transport.QueueConfig{
		"news": {MaxDispatchesPerSecond: 7}, "slow": declared["slow"], "other": {MaxDispatchesPerSecond: 3},
	})
	app := sqApp(t, f, declared)
	want := []string{
		"[+] queue mail: created: rate 2.5/s, concurrent 10, attempts 3, backoff 1s to 1m, doublings 0",
		"[~] queue news: updated: rate: 7/s -> 500/s",
		"[=] queue slow",
		"[+] queue sure: created",
	}
	planned := sqMust(t, app, tasks.QueuesDryRun())
	if sqPlan(t, planned, want...); !planned.DryRun {
		t.Error("the plan of a dry run is none")
	}
	f.wantWrites(t)
	done := sqMust(t, app)
	sqPlan(t, done, want...)
	f.wantWrites(t, "put mail", "put news", "put sure")
	if !reflect.DeepEqual(done.Changes, planned.Changes) || done.DryRun {
		t.Errorf("planned\n%+v\ndone\n%+v", planned, done)
	}
	if fields := []plan.Field{{Name: "rate", From: "7/s", To: "500/s"}}; !reflect.DeepEqual(done.Changes[1].Fields, fields) {
		t.Errorf("fields %+v", done.Changes[1].Fields)
	}
	if got := f.queues["other"]; got.MaxDispatchesPerSecond != 3 {
		t.Errorf("another's queue is %+v", got)
	}
	sqPlan(t, sqMust(t, app), "[=] queue mail", "[=] queue news", "[=] queue slow", "[=] queue sure")
	f.wantWrites(t)
}

func TestSyncQueues_EachSetting_IsTold(t *testing.T) {
	t.Parallel()
	type cfg = transport.QueueConfig
	retry := func(r transport.RetryConfig) cfg { return cfg{Retry: r} }
	for _, c := range []struct {
		name       string
		have, want cfg
		text       string
	}{
		{"rate", cfg{MaxDispatchesPerSecond: 0.001}, cfg{MaxDispatchesPerSecond: 12.25}, "rate: 0.001/s -> 12.25/s"},
		{"no rate limit", cfg{MaxDispatchesPerSecond: 5}, cfg{MaxDispatchesPerSecond: transport.NoRateLimit}, "rate: 5/s -> 500/s"},
		{"no rate limit, twice", cfg{}, cfg{MaxDispatchesPerSecond: transport.NoRateLimit}, ""},
		{"burst", cfg{}, cfg{MaxBurst: 7}, ""},
		{"concurrent", cfg{}, cfg{MaxConcurrentDispatches: 5000}, "concurrent: 1000 -> 5000"},
		{"attempts", cfg{}, retry(transport.RetryConfig{MaxAttempts: 1}), "attempts: 100 -> 1"},
		{"attempts without end", retry(transport.RetryConfig{MaxAttempts: 7}), retry(transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts}), "attempts: 7 -> no limit"},
		{"attempts, unset", retry(transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts}), cfg{}, "attempts: no limit -> 100"},
		{"retry duration", cfg{}, retry(transport.RetryConfig{MaxRetryDuration: 90 * time.Minute}), "retry duration: no limit -> 1h30m"},
		{"retry duration, unset", retry(transport.RetryConfig{MaxRetryDuration: 26 * time.Hour}), cfg{}, "retry duration: 26h -> no limit"},
		{
			"backoff", retry(transport.RetryConfig{MaxDoublings: 16, MinBackoff: 2500 * time.Millisecond}), retry(transport.RetryConfig{MaxDoublings: 16, MinBackoff: 10 * time.Second, MaxBackoff: 65 * time.Second}),
			"backoff: 2.5s to 1h -> 10s to 1m5s",
		},
		{"doublings", cfg{}, retry(transport.RetryConfig{MaxDoublings: 3}), "doublings: 16 -> 3"},
		{"a backoff alone", cfg{}, retry(transport.RetryConfig{MinBackoff: time.Second}), "backoff: 100ms to 1h -> 1s to 1h; doublings: 16 -> 0"},
		{
			"several", cfg{MaxDispatchesPerSecond: 1, MaxConcurrentDispatches: 2}, retry(transport.RetryConfig{MaxAttempts: 9}),
			"rate: 1/s -> 500/s; concurrent: 2 -> 1000; attempts: 100 -> 9",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newSqFake(map[string]transport.QueueConfig{"mail": c.have})
			app := sqApp(t, f, map[string]transport.QueueConfig{"mail": c.want})
			p := sqMust(t, app)
			if c.text == "" {
				sqPlan(t, p, "[=] queue mail")
				f.wantWrites(t)
				return
			}
			sqPlan(t, p, "[~] queue mail: updated: "+c.text)
			f.wantWrites(t, "put mail")
			var words []string
			for _, field := range p.Changes[0].Fields {
				words = append(words, field.Name+": "+field.From+" -> "+field.To)
			}
			if got := strings.Join(words, "; "); got != c.text {
				t.Errorf("the fields say %q", got)
			}
			sqSame(t, app)
		})
	}
}

func TestSyncQueues_Memory_HasItsOwnDefaults(t *testing.T) {
	t.Parallel()
	declared := map[string]transport.QueueConfig{"mail": {MaxDispatchesPerSecond: 10, MaxBurst: 3}, "news": {}, "stats": {MaxDispatchesPerSecond: 20}, "visits": {MaxDispatchesPerSecond: 20}}
	for name, opts := range map[string][]memory.Option{"memory's": nil, "Cloud Tasks'": {memory.WithCloudTasksDefaults()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := memory.New(opts...)
			app := sqApp(t, tr, declared)
			sqSame(t, app) // the App has declared them
			for queue, cfg := range map[string]transport.QueueConfig{
				"mail": {MaxDispatchesPerSecond: 10, MaxBurst: 9}, "news": {MaxDispatchesPerSecond: 1}, "stats": {MaxDispatchesPerSecond: 20, MaxConcurrentDispatches: 7},
				"visits": {MaxDispatchesPerSecond: 20, MaxBurst: 1},
			} {
				if err := tr.PutQueue(t.Context(), queue, cfg); err != nil {
					t.Fatal(err)
				}
			}
			rate := "no limit"
			if opts != nil {
				rate = "500/s"
			}
			want := []string{"[~] queue mail: updated: burst: 9 -> 3", "[~] queue news: updated: rate: 1/s -> " + rate, "[~] queue stats: updated: concurrent: 7 -> 1000", "[~] queue visits: updated: burst: 1 -> 4"}
			sqPlan(t, sqMust(t, app, tasks.QueuesDryRun()), want...)
			sqPlan(t, sqMust(t, app), want...)
			sqSame(t, app)
		})
	}
}

func TestSyncQueues_Paused_StaysPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		ran := 0
		task := dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }, tasks.OnQueue("mail"))
		app := sqApp(t, tr, map[string]transport.QueueConfig{"mail": {}}, task)
		if err := errors.Join(tr.Pause(t.Context(), "mail"), tr.PutQueue(t.Context(), "mail", transport.QueueConfig{MaxDispatchesPerSecond: 3})); err != nil {
			t.Fatal(err)
		}
		enqMust(task.Enqueue(t.Context(), dlvOrder{ID: 7}))(t)
		sqPlan(t, sqMust(t, app), "[~] queue mail: updated: rate: 3/s -> no limit")
		if synctest.Wait(); ran != 0 {
			t.Error("the queue was resumed")
		}
		if err := tr.Resume(t.Context(), "mail"); err != nil {
			t.Fatal(err)
		}
		if synctest.Wait(); ran != 1 {
			t.Errorf("ran %d times after it was resumed", ran)
		}
	})
}

// What the App has learned of a queue's limits is asked for again.
func TestSyncQueues_NewLimits_AreKnownToTheApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New(memory.WithQueues(map[string]transport.QueueConfig{"mail": {Retry: transport.RetryConfig{MaxAttempts: 7}}}))
		var last []bool
		task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
			m, _ := tasks.MetadataFrom(ctx)
			is, err := m.LastAttempt(ctx)
			last = append(last, is)
			return err
		}, tasks.OnQueue("mail"))
		app := sqApp(t, tr, map[string]transport.QueueConfig{"mail": {Retry: transport.RetryConfig{MaxAttempts: 1}}}, task)
		run := func() {
			enqMust(task.Enqueue(t.Context(), dlvOrder{ID: 7}))(t)
			synctest.Wait()
		}
		run()
		sqPlan(t, sqMust(t, app), "[~] queue mail: updated: attempts: 7 -> 1")
		run()
		if !slices.Equal(last, []bool{false, true}) {
			t.Errorf("LastAttempt said %v", last)
		}
	})
}

// sqForeign is a driver that runs tasks here and says nothing of its defaults.
type sqForeign struct{ *sqFake }

func (sqForeign) Serve(string, transport.Handler) error { return nil }
func (sqForeign) Shutdown(context.Context) error        { return nil }
func (f sqForeign) PutQueue(_ context.Context, queue string, cfg transport.QueueConfig) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	unlimited := transport.CloudTasksQueue()
	unlimited.MaxDispatchesPerSecond = transport.NoRateLimit
	f.queues[queue] = cfg.Or(unlimited)
	return f.call("put", queue)
}

func TestSyncQueues_ForeignLocalDriver_HasNoRateLimit(t *testing.T) {
	t.Parallel()
	f := sqForeign{newSqFake(nil)}
	app := sqApp(t, f, map[string]transport.QueueConfig{"mail": {}, "news": {MaxDispatchesPerSecond: 5, MaxBurst: 2}})
	sqPlan(t, sqMust(t, app), "[+] queue mail: created", "[+] queue news: created: rate 5/s, burst 2")
	sqSame(t, app)
	f.queues["mail"] = transport.CloudTasksQueue()
	sqPlan(t, sqMust(t, app), "[~] queue mail: updated: rate: 500/s -> no limit", "[=] queue news")
}

func TestSyncQueues_TellsProgress(t *testing.T) {
	t.Parallel()
	declared, gone := map[string]transport.QueueConfig{}, []string{}
	for i := range 20 {
		declared[fmt.Sprintf("queue-%02d", i)] = transport.QueueConfig{}
		gone = append(gone, fmt.Sprintf("gone-%d", i%3))
	}
	f := sqDeleting{newSqFake(nil)}
	heard := map[string]int{}
	ctx := plan.WithProgress(t.Context(), func(done, total int, kind string) { heard[fmt.Sprintf("%d %s", total, kind)] += done })
	p, err := tasks.SyncQueues(ctx, sqApp(t, f, declared), tasks.DeleteQueues(gone...))
	if err != nil || p.Count(plan.Created) != 20 || p.Count(plan.Unchanged) != 3 {
		t.Errorf("%v\n%s", err, p)
	}
	if want := map[string]int{"20 queue": 210, "3 queue": 6}; !reflect.DeepEqual(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if !slices.IsSortedFunc(p.Changes[:20], func(a, b plan.Change) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("not in order:\n%s", p)
	}
}

func TestQueueSyncOption_PrintsItself(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]tasks.QueueSyncOption{
		"QueuesDryRun()": tasks.QueuesDryRun(), `DeleteQueues("a" "b")`: tasks.DeleteQueues("a", "b"), "DeleteQueues()": tasks.DeleteQueues(),
	} {
		if got := fmt.Sprint(opt); got != want {
			t.Errorf("prints as %s, want %s", got, want)
		}
	}
}
