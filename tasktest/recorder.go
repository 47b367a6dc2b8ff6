package tasktest

import (
	"context"
	"log/slog"
	"slices"
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
	cfg       tasks.Config // the App's, defaults filled in
	clock     *engine.ManualClock
	transport *recording
	pick      func(n int) int // nil: in order
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
	t.Context().Done() // made here, not in a synctest bubble that the recorder may be used in: it is closed outside
	clock := engine.NewManualClock(time.Now().UTC().Round(0))
	r := &Recorder{t: t, clock: clock}
	r.transport = &recording{name: r.nameOf, Engine: engine.New(engine.Config{
		Clock: clock, Manual: true,
		Queue: transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit},
	})}
	cfg.Transport = r.transport
	cfg.Logger = slog.New(witness{logTo(t, cfg.Logger)})
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	r.app, r.cfg = app, app.Config()
	app.Use(keepValue)
	if err := app.Register(defs...); err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	t.Cleanup(r.shutdown)
	return r
}

// logTo is where the App's log goes. The time is left out: it is not the recorder's, and differs at each run.
func logTo(t testing.TB, own *slog.Logger) slog.Handler {
	if own != nil {
		return own.Handler()
	}
	return slog.NewTextHandler(t.Output(), &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// shutdownTimeout is how long the end of a test waits for deliveries that still run.
const shutdownTimeout = 10 * time.Second

func (r *Recorder) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := r.transport.discard(ctx) // what waits is no news at the end of a test
	if err == nil {
		err = r.app.Shutdown(ctx)
	}
	if err != nil {
		r.t.Errorf("tasktest: %v", err)
	}
}

// App is the recorder's App, for Use, UseEnqueue, ServeHTTP and the like.
func (r *Recorder) App() *tasks.App { return r.app }

// Context is the test's context with the recorder's App in it: work that is enqueued under it is recorded here,
// whatever other Apps the tasks are registered with.
func (r *Recorder) Context() context.Context { return r.app.Context(r.t.Context()) }

// Now is the recorder's time. It begins at the real time, in UTC, and is moved by Drain and Advance only.
func (r *Recorder) Now() time.Time { return r.clock.Now() }

// Recorded lists all that was ever enqueued, run or not, in order. What a snooze enqueues anew is among it; what
// was a duplicate is not.
func (r *Recorder) Recorded() []Record {
	var out []Record
	for _, e := range r.transport.all() {
		out = append(out, e.copy())
	}
	return out
}

// require fails the test where d is not registered with the recorder.
func (r *Recorder) require(t testing.TB, d tasks.Definition) {
	t.Helper()
	for known := range r.app.Definitions() {
		if known == d {
			return
		}
	}
	t.Fatalf("tasktest: %s %s is not registered with this recorder: pass it to tasktest.New", d.Spec().Kind, d.Spec().Name)
}

// of lists what was enqueued of a definition.
func (r *Recorder) of(d tasks.Definition) []*entry {
	urls := r.urls(d.Spec())
	var out []*entry
	for _, e := range r.transport.all() {
		if slices.Contains(urls, e.url) {
			out = append(out, e)
		}
	}
	return out
}

// nameOf names the definition that a URL belongs to.
func (r *Recorder) nameOf(url string) string {
	for d := range r.app.Definitions() {
		if s := d.Spec(); slices.Contains(r.urls(s), url) {
			return s.Name
		}
	}
	return url
}

// urls lists where the work of a definition is delivered, aliases included.
func (r *Recorder) urls(s tasks.Spec) []string {
	section := r.cfg.TasksPath
	if s.Kind == tasks.KindSubscriber {
		section = r.cfg.SubscriptionsPath
	}
	var urls []string
	for _, path := range append([]string{s.Path}, s.Aliases...) {
		urls = append(urls, r.cfg.Endpoint+"/"+section+"/"+path)
	}
	return urls
}
