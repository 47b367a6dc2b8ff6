package tasktest

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Recorder is a tasks.App over in-memory queues, topics and schedules that run nothing by themselves, and the record of
// all that was enqueued and published through it. It is made by [New] and belongs to one test.
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

// NewWith is New for an App with a configuration of its own; transport, broker and scheduler are the recorder's. Logs go to the
// test's output unless cfg has a logger. Middleware is added with rec.App().Use, UseEnqueue and UsePublish.
func NewWith(t testing.TB, cfg tasks.Config, defs ...tasks.Definition) *Recorder {
	t.Helper()
	if cfg.Transport != nil || cfg.Broker != nil || cfg.Scheduler != nil || cfg.Eager {
		t.Fatalf("tasktest: a recorder brings its own transport, broker and scheduler: leave Config.Transport, Config.Broker, Config.Scheduler and Config.Eager unset")
	}
	t.Context().Done() // made here, not in a synctest bubble that the recorder may be used in: it is closed outside
	clock := engine.NewManualClock(time.Now().UTC().Round(0))
	r := &Recorder{t: t, clock: clock}
	r.transport = newRecording(clock)
	r.transport.name, r.transport.endpoint, r.transport.carried = r.nameOf, r.endpointOf, r.carried
	cfg.Transport = r.transport
	cfg.Logger = slog.New(witness{logTo(t, cfg.Logger)})
	if cfg.Authenticator == nil { // nobody but the test delivers
		cfg.Authenticator = tasks.TrustNetwork()
	}
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

// logTo is where the App's log goes. Times are left out: they are not the recorder's, and differ at each run.
func logTo(t testing.TB, own *slog.Logger) slog.Handler {
	if own != nil {
		return own.Handler()
	}
	return slog.NewTextHandler(t.Output(), &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == "duration") {
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

// Context is the test's context with the recorder's App in it: what is enqueued or published under it is recorded
// here, whatever other Apps the definitions are registered with.
func (r *Recorder) Context() context.Context { return r.app.Context(r.t.Context()) }

// Now is the recorder's time. It begins at the real time, in UTC, and is moved by Drain and Advance only.
func (r *Recorder) Now() time.Time { return r.clock.Now() }

// Recorded lists all that was ever enqueued, run or not, in order. What a snooze enqueues anew is among it, and so
// are the tasks that publish a message later and those that messages are turned into; what was a duplicate is not, and
// neither is what a schedule has fired.
func (r *Recorder) Recorded() []Record { return records(r.transport.all()) }

// RecordedMessages lists all that was ever published, in order. What went to a dead-letter topic is not among it.
func (r *Recorder) RecordedMessages() []MessageRecord { return messageRecords(r.transport.all()) }

func records(entries []*entry) (out []Record) {
	for _, e := range entries {
		if e.task != nil {
			out = append(out, e.task.copy())
		}
	}
	return out
}

func messageRecords(entries []*entry) (out []MessageRecord) {
	for _, e := range entries {
		if e.message != nil {
			out = append(out, e.message.copy())
		}
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

// nameOf names the definition that a URL belongs to.
func (r *Recorder) nameOf(url string) string {
	if d := r.at(url); d != nil {
		return d.Spec().Name
	}
	return url
}

// at is the definition that a URL belongs to, nil if there is none.
func (r *Recorder) at(url string) tasks.Definition {
	for d := range r.app.Definitions() {
		if slices.Contains(r.urls(d.Spec()), url) {
			return d
		}
	}
	return nil
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

// endpointOf is where the subscriber of a subscription is served, empty if there is none.
func (r *Recorder) endpointOf(subscription string) string {
	for d := range r.app.Definitions() {
		s := d.Spec()
		if s.Kind != tasks.KindSubscriber {
			continue
		}
		if is, err := pubsub.Describe(r.cfg, d); err == nil && is.Subscription.Name == subscription {
			return r.urls(s)[0]
		}
	}
	return ""
}

// carried returns the propagated headers that a message carries, as a subscriber finds them; nil without any.
func (r *Recorder) carried(m *transport.Message) http.Header {
	var h http.Header
	inData, _ := pushwire.ExtractHeaders(m.Data, r.cfg.PropagatedHeadersKey)
	for _, name := range r.cfg.PropagatedHeaders {
		value, ok := inData[name]
		if !ok {
			value, ok = m.Attributes[pushwire.HeaderAttribute(name)]
		}
		if !ok {
			continue
		}
		if h == nil {
			h = http.Header{}
		}
		h.Set(name, value)
	}
	return h
}
