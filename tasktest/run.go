package tasktest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Result tells what became of a delivery.
type Result struct {
	Outcome    tasks.Outcome // as the answer's "status" says it
	HTTPStatus int
	Err        error  // what the function returned, or why the delivery never reached it
	Stack      []byte // of a panic
	Value      any    // what a task with a result returned

	// Enqueued and Published list what the function enqueued and published, and the task that a snooze, or
	// pubsub.ViaTasks, made; assertions on Recorder do so by type.
	Enqueued  []Record
	Published []MessageRecord
	Recorder  *Recorder
}

// Run delivers args to the task, once, through the real pipeline, as Cloud Tasks would over HTTP, or Cloud Scheduler
// where it is a periodic one. Args that do
// not validate are delivered all the same: that is what a bad sender does.
func Run[T any](t testing.TB, task tasks.Typed[T], args T, opts ...RunOption) Result {
	t.Helper()
	o := options(t, opts)
	alone := o.in(t, task)
	req := o.request(t, task, &args)
	o.rec.exist(req.Header.Get("X-CloudTasks-QueueName"))
	return o.rec.deliver(t, task.Spec().Name, req, alone)
}

// in makes sure that d has a recorder, and reports whether it is one of its own.
func (o *runOptions) in(t testing.TB, d tasks.Definition) (alone bool) {
	t.Helper()
	if alone = o.rec == nil; alone {
		o.rec = New(t, d)
	}
	o.rec.require(t, d)
	return alone
}

// deliver has the App answer a push to the definition of that name.
func (r *Recorder) deliver(t testing.TB, name string, req *http.Request, alone bool) Result {
	t.Helper()
	before := len(r.transport.all())
	seen := &seen{}
	w := httptest.NewRecorder()
	r.app.ServeHTTP(w, req.WithContext(context.WithValue(t.Context(), seenKey{}, seen)))

	var answer struct{ Status tasks.Outcome }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("tasktest: %s: the answer %q is no JSON: %v", name, w.Body, err)
	}
	made := r.transport.all()[before:]
	res := Result{
		Outcome: answer.Status, HTTPStatus: w.Code, Err: seen.err, Stack: seen.stack, Value: seen.value,
		Enqueued: records(made), Published: messageRecords(made), Recorder: r,
	}
	if alone && errors.Is(res.Err, tasks.ErrNotRegistered) {
		t.Logf("tasktest: %s enqueues or publishes what its App does not know: make a recorder with both and pass With(rec)", name)
	}
	return res
}

// exist makes the queue that a delivery says it comes from: its limits may be asked for.
func (r *Recorder) exist(queue string) {
	if transport.CheckQueue(queue) == nil {
		_ = r.transport.DeclareQueues(map[string]transport.QueueConfig{queue: {}}) // refuses bad names only
	}
}

// seen is what the App lets be seen of one delivery.
type seen struct {
	value any
	err   error
	stack []byte
}

type seenKey struct{}

// keepValue is middleware that keeps what the function returned before it is encoded.
func keepValue(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		v, err := next(ctx, d)
		if s, ok := ctx.Value(seenKey{}).(*seen); ok {
			s.value = v
		}
		return v, err
	}
}

// witness is the App's log handler. What the App decides about a delivery, and why, it tells its log alone.
type witness struct{ slog.Handler }

// Enabled lets everything through that is said of a delivery under watch.
func (h witness) Enabled(ctx context.Context, l slog.Level) bool {
	return ctx.Value(seenKey{}) != nil || h.Handler.Enabled(ctx, l)
}

// Handle keeps the error and the stack of what is said last.
func (h witness) Handle(ctx context.Context, r slog.Record) error {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		r.Attrs(func(a slog.Attr) bool {
			switch a.Key {
			case "error":
				s.err, _ = a.Value.Any().(error)
			case "stack":
				s.stack = []byte(a.Value.String())
			}
			return true
		})
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the witness.
func (h witness) WithAttrs(attrs []slog.Attr) slog.Handler {
	return witness{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the witness.
func (h witness) WithGroup(name string) slog.Handler { return witness{h.Handler.WithGroup(name)} }
