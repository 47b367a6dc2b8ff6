package tasktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Recorder is a tasks.App over in-memory queues that run nothing by themselves, and the record of all that was
// enqueued through it. It is made by [New] and belongs to one test.
type Recorder struct {
	t         testing.TB
	app       *tasks.App
	clock     *engine.ManualClock
	engine    *engine.Engine
	transport *recording
	shuffle   *rand.Rand // nil: in order
}

// New makes a recorder with the definitions registered. It ends with the test.
func New(t testing.TB, defs ...tasks.Definition) *Recorder {
	t.Helper()
	return NewWith(t, tasks.Config{}, defs...)
}

// NewWith is New for an App with a configuration of its own; the transport is the recorder's. Logs go to the
// test's output unless cfg has a logger. Middleware is added with rec.App().Use.
func NewWith(t testing.TB, cfg tasks.Config, defs ...tasks.Definition) *Recorder {
	t.Helper()
	if cfg.Transport != nil || cfg.Eager {
		t.Fatalf("tasktest: a recorder brings its own transport: leave Config.Transport and Config.Eager unset")
	}
	clock := engine.NewManualClock(time.Now())
	e := engine.New(engine.Config{
		Clock: clock, Manual: true,
		Queue: transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit},
	})
	r := &Recorder{t: t, clock: clock, engine: e}
	r.transport = &recording{Engine: e, name: r.nameOf}
	cfg.Transport = r.transport
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	r.app = app
	app.Use(capturing)
	if err := app.Register(defs...); err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.transport.discard(ctx) // what waits is no news at the end of a test
		if err := app.Shutdown(ctx); err != nil {
			t.Errorf("tasktest: %v", err)
		}
	})
	return r
}

// App is the recorder's App, for Use, UseEnqueue, ServeHTTP and the like.
func (r *Recorder) App() *tasks.App { return r.app }

// Context is the test's context with the recorder's App in it: work that is enqueued under it is recorded here,
// whatever other Apps the tasks are registered with.
func (r *Recorder) Context() context.Context { return r.app.Context(r.t.Context()) }

// Now is the recorder's time. It begins at the real time and is moved by Drain and Advance only.
func (r *Recorder) Now() time.Time { return r.clock.Now() }

// mostRuns is how many runs Drain takes for a circle.
const mostRuns = 10_000

// Drain runs what is due, in the test's own goroutine, and moves the clock to what is due next, retries and ETAs
// included, until nothing is left but periodic work. After 10,000 runs it fails the test and tells what
// still turns.
func (r *Recorder) Drain() {
	r.t.Helper()
	r.run(time.Time{})
}

// Advance moves the clock by d and runs what becomes due on the way, each at its own time.
func (r *Recorder) Advance(d time.Duration) {
	r.t.Helper()
	if d < 0 {
		r.t.Fatalf("tasktest: Advance(%s): the clock does not go back", d)
	}
	end := r.clock.Now().Add(d)
	r.run(end)
	r.clock.Set(end)
}

// run runs what is due until the time given; zero: until nothing is left.
func (r *Recorder) run(until time.Time) {
	r.t.Helper()
	var pick func(int) int
	if r.shuffle != nil {
		pick = r.shuffle.IntN
	}
	ran := map[[2]string]int{} // by queue and id
	for runs := 0; ; {
		due, ok := r.engine.Next()
		if !ok || !until.IsZero() && due.After(until) {
			return
		}
		r.clock.Set(due)
		for {
			done, ok := r.engine.RunNext(r.t.Context(), pick)
			if !ok {
				break
			}
			ran[[2]string{done.Queue, done.ID}]++
			if runs++; runs >= mostRuns {
				r.t.Fatalf("tasktest: %d runs, and there is still work; what turns: %s", runs, r.busiest(ran))
			}
		}
	}
}

// busiest names the tasks that ran most.
func (r *Recorder) busiest(byID map[[2]string]int) string {
	ran := map[string]int{}
	for _, rec := range r.transport.all() {
		if n := byID[[2]string{rec.Queue, rec.ID}]; n > 0 {
			ran[rec.Task] += n
		}
	}
	names := make([]string, 0, len(ran))
	for n := range ran {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		return ran[names[i]] > ran[names[j]] || ran[names[i]] == ran[names[j]] && names[i] < names[j]
	})
	var parts []string
	for _, n := range names[:min(len(names), 5)] {
		parts = append(parts, fmt.Sprintf("%s (%d runs)", n, ran[n]))
	}
	return strings.Join(parts, ", ")
}

// FailNext lets the next n enqueues fail with err, before anything is enqueued.
func (r *Recorder) FailNext(n int, err error) { r.transport.fail(n, err, false) }

// FailAfterCommit lets the next n enqueues succeed and answer err all the same, as when an answer is lost on its
// way: the task is there.
func (r *Recorder) FailAfterCommit(n int, err error) { r.transport.fail(n, err, true) }

// DeliverTwice delivers, from now on, every task twice for each time that it is due. The first answer decides.
func (r *Recorder) DeliverTwice() { r.transport.twice.Store(true) }

// Shuffle runs, from now on, what is due at the same time in an order drawn from seed.
func (r *Recorder) Shuffle(seed uint64) { r.shuffle = rand.New(rand.NewPCG(seed, seed)) }

// nameOf finds the definition that a URL belongs to.
func (r *Recorder) nameOf(url string) string {
	for d := range r.app.Definitions() {
		s := d.Spec()
		for _, path := range append([]string{s.Path}, s.Aliases...) {
			if r.url(path) == url {
				return s.Name
			}
		}
	}
	return url
}

// capturing is the outermost middleware: it tells Run what the function returned.
func capturing(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		seen, ok := ctx.Value(captureKey{}).(*capture)
		if !ok {
			return next(ctx, d)
		}
		defer func() {
			if p := recover(); p != nil {
				seen.stack = debug.Stack()
				seen.err = errors.Join(seen.err, fmt.Errorf("panic: %v", p))
				panic(p)
			}
		}()
		v, err := next(ctx, d)
		seen.value, seen.err = v, err
		return v, err
	}
}
