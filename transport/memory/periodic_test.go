package memory_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// report is the payload of a periodic task.
type report struct{ Kind string }

// runs notes what a periodic task sees.
type runs struct {
	mu  sync.Mutex
	all []run
}

type run struct {
	app     string
	payload report
	meta    tasks.Metadata
}

func (r *runs) note(ctx context.Context, p report) error {
	app, _ := tasks.AppFrom(ctx)
	meta, _ := tasks.MetadataFrom(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, run{app.Config().Endpoint, p, meta})
	return nil
}

func (r *runs) seen() []run {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// shop is an App with one definition over a memory that it may share.
func shop(t *testing.T, tr *memory.Transport, name, endpoint string, d tasks.Definition) *tasks.App {
	t.Helper()
	app, err := tasks.NewApp(tasks.Config{
		Name: name, Endpoint: endpoint, Transport: tr, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	must(t, err)
	must(t, app.Register(d))
	return app
}

func TestPeriodic_TwoAppsOfOneName_FireOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r runs
		tr := memory.New()
		hourly := func() *schedule.Periodic[report] { return schedule.New(r.note, schedule.Cron("@hourly")) }
		one := shop(t, tr, "shop", "https://one.example.com", hourly())
		two := shop(t, tr, "shop", "https://two.example.com", hourly())
		other := shop(t, tr, "other", "https://three.example.com", hourly())
		time.Sleep(3*time.Hour + time.Minute)
		count := map[string]int{}
		for _, run := range r.seen() {
			count[run.app]++
		}
		if len(count) != 2 || count["https://one.example.com"] != 3 || count["https://three.example.com"] != 3 {
			t.Errorf("fired %v, want 3 for each of the two names", count)
		}
		must(t, one.Shutdown(t.Context())) // its twin takes over
		time.Sleep(time.Hour)
		if last := r.seen()[6:]; len(last) != 2 || !slices.ContainsFunc(last, func(r run) bool { return r.app == "https://two.example.com" }) {
			t.Errorf("fired %+v after one was shut down", last)
		}
		must(t, two.Shutdown(t.Context()))
		time.Sleep(time.Hour)
		if n := len(r.seen()); n != 9 {
			t.Errorf("%d runs after both were shut down, want 9: those of the other App go on", n)
		}
		must(t, other.Shutdown(t.Context())) // and the memory with it
		time.Sleep(24 * time.Hour)
		if n := len(r.seen()); n != 9 {
			t.Errorf("%d runs after all were shut down, want 9", n)
		}
	})
}

func TestPeriodic_ClockChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r runs
		app := shop(t, memory.New(), "shop", "", schedule.New(r.note, schedule.Cron("30 2 * * *"), schedule.TimeZone("Europe/Berlin")).WithPayload(report{"nightly"}))
		time.Sleep(366 * 24 * time.Hour)
		var spring, autumn []string
		for _, run := range r.seen() {
			if run.payload.Kind != "nightly" || run.meta.SchedulerJob != "shop--report" || run.meta.Attempt != 1 {
				t.Fatalf("run %+v", run)
			}
			switch at := run.meta.ScheduleTime.Format(time.RFC3339); {
			case at > "2000-03-25" && at < "2000-03-28":
				spring = append(spring, at)
			case at > "2000-10-28" && at < "2000-10-31":
				autumn = append(autumn, at)
			}
		}
		if want := []string{"2000-03-25T01:30:00Z", "2000-03-27T00:30:00Z"}; !slices.Equal(spring, want) {
			t.Errorf("in spring %q, want %q", spring, want)
		}
		if want := []string{"2000-10-28T00:30:00Z", "2000-10-29T00:30:00Z", "2000-10-29T01:30:00Z", "2000-10-30T01:30:00Z"}; !slices.Equal(autumn, want) {
			t.Errorf("in autumn %q, want %q", autumn, want)
		}
		must(t, app.Shutdown(t.Context()))
	})
}

func TestPeriodic_HandlerSlowerThanTheInterval_NeitherOverlapsNorPilesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, n := 0, 0
		p := schedule.New(func(context.Context, report) error {
			mu.Lock()
			running++
			n++
			if running > 1 {
				t.Error("two runs at once")
			}
			mu.Unlock()
			time.Sleep(25 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			running--
			return nil
		}, schedule.Interval(10*time.Second))
		app := shop(t, memory.New(), "shop", "", p)
		time.Sleep(10 * time.Minute)
		must(t, app.Shutdown(t.Context()))
		mu.Lock()
		defer mu.Unlock()
		if n != 20 { // at 10, 40, 70, ... seconds
			t.Errorf("%d runs in ten minutes, want 20", n)
		}
	})
}

func TestPeriodic_OutcomesOfARun(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(tasks.Metadata) error
		want int // runs within the hour
	}{
		{"done", func(tasks.Metadata) error { return nil }, 1},
		{"discarded", func(tasks.Metadata) error { return tasks.Discard(errors.New("no")) }, 1},
		{"failed, retried", func(tasks.Metadata) error { return errors.New("boom") }, 3},
		{"retry after", func(tasks.Metadata) error { return tasks.RetryAfter(time.Second, nil) }, 3},
		{"panicked", func(tasks.Metadata) error { panic("boom") }, 3},
		{"snoozed: the rest is a task's", func(m tasks.Metadata) error {
			if m.Queue == "" {
				return tasks.Snooze(time.Minute)
			}
			return nil
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				p := schedule.New(func(ctx context.Context, _ report) error {
					n++
					m, _ := tasks.MetadataFrom(ctx)
					return c.f(m)
				}, schedule.Cron("0 * * * *"), schedule.Retry(transport.RetryConfig{MaxAttempts: 3}))
				app := shop(t, memory.New(), "shop", "", p)
				time.Sleep(time.Hour + 59*time.Minute)
				must(t, app.Shutdown(t.Context()))
				if n != c.want {
					t.Errorf("%d runs, want %d", n, c.want)
				}
			})
		})
	}
}

func TestPeriodic_AppThatIsForgotten_LeavesNoGoroutine(t *testing.T) {
	var r runs
	shop(t, memory.New(), "shop", "", schedule.New(r.note, schedule.Cron("0 0 1 1 *")))
}
