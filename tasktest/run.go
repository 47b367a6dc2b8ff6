package tasktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// RunOption chooses how a delivery comes to the task.
type RunOption interface{ run(*runOptions) }

// Attempt makes the delivery the task's n-th attempt, from 1.
func Attempt(n int) RunOption { return attemptOption(n) }

// LastAttempt makes the delivery the last that the task has: after it no retry follows.
func LastAttempt() RunOption { return lastOption{} }

// With runs the task in the recorder's App, where it must be registered, so that it may enqueue what else is
// registered there. Default: an App of its own.
func With(r *Recorder) RunOption { return withOption{r} }

// Mount is the path under which the App that a [Request] is for is mounted, such as "/_tasks".
func Mount(path string) RunOption { return mountOption(path) }

// ID and Queue set what the delivery says of its task. Defaults: a fixed id, the definition's queue.
func ID(id string) RunOption { return idOption(id) }

// Queue is described with ID.
func Queue(name string) RunOption { return queueOption(name) }

type runOptions struct {
	attempt   int
	last      bool
	header    http.Header
	rec       *Recorder
	mount     string
	id, queue string
}

type (
	attemptOption int
	lastOption    struct{}
	withOption    struct{ r *Recorder }
	mountOption   string
	idOption      string
	queueOption   string
)

func (o attemptOption) run(r *runOptions) { r.attempt = int(o) }
func (o lastOption) run(r *runOptions)    { r.last = true }
func (o withOption) run(r *runOptions)    { r.rec = o.r }
func (o mountOption) run(r *runOptions)   { r.mount = strings.TrimRight(string(o), "/") }
func (o idOption) run(r *runOptions)      { r.id = string(o) }
func (o queueOption) run(r *runOptions)   { r.queue = string(o) }

func options(t testing.TB, opts []RunOption) *runOptions {
	t.Helper()
	o := &runOptions{attempt: 1, header: http.Header{}, id: "57462374832847"}
	for _, opt := range opts {
		if opt == nil {
			t.Fatalf("tasktest: an option is nil")
		}
		opt.run(o)
	}
	if o.attempt < 1 {
		t.Fatalf("tasktest: Attempt(%d): attempts count from 1", o.attempt)
	}
	return o
}

// Result tells what became of a delivery.
type Result struct {
	Outcome    tasks.Outcome
	HTTPStatus int
	Err        error  // what the function returned, or why the delivery never reached it
	Stack      []byte // of a panic
	Value      any    // what a task with a result returned

	// Enqueued lists what the function enqueued; Recorder asserts on it by type.
	Enqueued []Record
	Recorder *Recorder
}

// Run delivers args to the task, once, through the real pipeline, as Cloud Tasks would over HTTP. Args that do
// not validate are delivered all the same: that is what a bad sender does.
func Run[T any](t testing.TB, task tasks.Typed[T], args T, opts ...RunOption) Result {
	t.Helper()
	o := options(t, opts)
	if o.rec == nil {
		o.rec = New(t, task)
		opts = append(opts[:len(opts):len(opts)], With(o.rec))
	}
	before := len(o.rec.transport.all())
	seen := &capture{}
	req := Request(t, task, args, opts...)
	req = req.WithContext(context.WithValue(t.Context(), captureKey{}, seen))
	w := httptest.NewRecorder()
	o.rec.app.ServeHTTP(w, req)

	res := Result{HTTPStatus: w.Code, Err: seen.err, Stack: seen.stack, Value: seen.value, Recorder: o.rec}
	var answer struct {
		Status tasks.Outcome
		Error  string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("tasktest: the answer %q is no JSON: %v", w.Body, err)
	}
	res.Outcome = answer.Status
	if res.Err == nil && answer.Error != "" {
		res.Err = fmt.Errorf("%s", answer.Error)
	}
	for _, rec := range o.rec.transport.all()[before:] {
		res.Enqueued = append(res.Enqueued, *rec)
	}
	return res
}

// Request builds the push of the task as its platform would send it to an App mounted at the root, or as [Mount]
// says: as Cloud Scheduler for a periodic task, as Cloud Tasks for any other.
func Request[T any](t testing.TB, task tasks.Typed[T], args T, opts ...RunOption) *http.Request {
	t.Helper()
	o := options(t, opts)
	s := task.Spec()
	cfg := tasks.Config{TasksPath: "tasks", Codec: tasks.JSONCodec{}}
	if o.rec != nil {
		cfg = o.rec.app.Config()
		o.mount = cfg.MountPath
	}
	body, err := cfg.Codec.Marshal(boxed(&args))
	if err != nil {
		t.Fatalf("tasktest: %s: the payload does not encode: %v", s.Name, err)
	}
	req := httptest.NewRequest(http.MethodPost, o.mount+"/"+cfg.TasksPath+"/"+s.Path, bytes.NewReader(body))
	h := req.Header
	h.Set("Content-Type", "application/json")
	if s.Kind == tasks.KindPeriodic {
		h.Set("User-Agent", "Google-Cloud-Scheduler")
		h.Set("X-CloudScheduler", "true")
		h.Set("X-CloudScheduler-JobName", s.Name)
	} else {
		queue := o.queue
		if queue == "" {
			queue = s.Queue
		}
		if queue == "" {
			queue = cfg.Queue
		}
		if queue == "" {
			queue = "tasks"
		}
		h.Set("User-Agent", "Google-Cloud-Tasks")
		h.Set("X-CloudTasks-QueueName", queue)
		h.Set("X-CloudTasks-TaskName", o.id)
		h.Set("X-CloudTasks-TaskRetryCount", strconv.Itoa(o.attempt-1))
		h.Set("X-CloudTasks-TaskExecutionCount", "0")
		h.Set("X-CloudTasks-TaskETA", "1732415400.123456")
		if o.attempt > 1 {
			h.Set("X-CloudTasks-TaskPreviousResponse", "500")
			h.Set("X-CloudTasks-TaskRetryReason", "")
		}
	}
	if o.last {
		h.Set("Typedtasks-Retry", "attempts="+strconv.Itoa(o.attempt))
	}
	for k, vs := range o.header {
		h[k] = vs
	}
	return req
}

// capture is what middleware of the recorder sees of one delivery.
type capture struct {
	err   error
	stack []byte
	value any
}

type captureKey struct{}
