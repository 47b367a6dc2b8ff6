package tasktest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// RunOption chooses how a delivery comes to the task.
type RunOption interface{ run(*runOptions) }

// Attempt makes the delivery the n-th attempt, from 1. Cloud Scheduler does not tell it: a periodic task's is always
// the first. Pub/Sub tells it where the subscription has a dead-letter topic.
func Attempt(n int) RunOption { return attemptOption(n) }

// LastAttempt makes the delivery the last that the task has: after it no retry follows. It is for tasks: see [Attempt].
func LastAttempt() RunOption { return lastOption{} }

// With runs the function in the recorder's App, where its definition must be registered, so that it may enqueue and
// publish what else is registered there. A [Request] is made for that App. Default: an App of its own.
func With(r *Recorder) RunOption { return withOption{r} }

// Mount is the path under which the App that a [Request] is for is mounted, such as "/_tasks". Default: the root,
// or where the App of [With] is.
func Mount(path string) RunOption { return mountOption(path) }

// ID sets the id that the delivery says its task has. Default: one like those of Cloud Tasks. It is for tasks: a
// pubsub.Message has a field for it.
func ID(id string) RunOption { return idOption(id) }

// Queue sets the queue that the delivery says its task comes from. Default: the one that it would be enqueued to. It
// is for tasks.
func Queue(name string) RunOption { return queueOption(name) }

// Request builds the push of the task as its platform would send it to an App mounted at the root, or as [Mount]
// says: as Cloud Scheduler for a periodic task, as Cloud Tasks for any other. The payload is not validated.
func Request[T any](t testing.TB, task tasks.Typed[T], args T, opts ...RunOption) *http.Request {
	t.Helper()
	o := options(t, opts)
	if o.rec != nil {
		o.rec.require(t, task)
	}
	return o.request(t, task, &args)
}

type runOptions struct {
	attempt   int
	counted   bool // attempt was given
	last      bool
	header    http.Header
	rec       *Recorder
	mount     string
	id, queue string
	tasksOnly []string // options given that make no sense for messages, and why
}

type (
	attemptOption int
	lastOption    struct{}
	withOption    struct{ r *Recorder }
	mountOption   string
	idOption      string
	queueOption   string
)

func (n attemptOption) run(o *runOptions) { o.attempt, o.counted = int(n), true }
func (w withOption) run(o *runOptions)    { o.rec = w.r }
func (m mountOption) run(o *runOptions)   { o.mount = "/" + strings.Trim(string(m), "/") }

func (lastOption) run(o *runOptions) {
	o.last = true
	o.tasksOnly = append(o.tasksOnly, "LastAttempt is for tasks: Pub/Sub does not say which attempt is the last")
}

func (id idOption) run(o *runOptions) {
	o.id = string(id)
	o.tasksOnly = append(o.tasksOnly, "ID is for tasks: set the ID of the pubsub.Message")
}

func (q queueOption) run(o *runOptions) {
	o.queue = string(q)
	o.tasksOnly = append(o.tasksOnly, "Queue is for tasks: a message comes from a subscription")
}

// defaultID is what ids of Cloud Tasks look like.
const defaultID = "57462374832847"

func options(t testing.TB, opts []RunOption) *runOptions {
	t.Helper()
	o := &runOptions{attempt: 1, header: http.Header{}, id: defaultID}
	for i, opt := range opts {
		if opt == nil {
			t.Fatalf("tasktest: option %d is nil: leave it out", i+1)
		}
		opt.run(o)
	}
	if o.attempt < 1 {
		t.Fatalf("tasktest: Attempt(%d): attempts count from 1", o.attempt)
	}
	if err := transport.CheckID(o.id); err != nil {
		t.Fatalf("tasktest: ID: %v", err)
	}
	if o.queue != "" {
		if err := transport.CheckQueue(o.queue); err != nil {
			t.Fatalf("tasktest: Queue: %v", err)
		}
	}
	return o
}

// app is the configuration of the App that a push is for, and its time.
func (o *runOptions) app() (tasks.Config, time.Time) {
	if o.rec != nil {
		return o.rec.cfg, o.rec.Now()
	}
	return tasks.Config{
		Endpoint: "http://localhost", TasksPath: "tasks", SubscriptionsPath: "subscriptions", Queue: "tasks", Delimiter: "--",
		Codec: tasks.JSONCodec{}, PropagatedHeaders: []string{"Traceparent"}, PropagatedHeadersKey: "_http_headers",
	}, time.Now()
}

// request builds the push of a payload, which ptr points to.
func (o *runOptions) request(t testing.TB, d tasks.Definition, ptr any) *http.Request {
	t.Helper()
	s := d.Spec()
	if s.Err != nil {
		t.Fatalf("tasktest: the definition of %s %s is not valid: %v", s.Kind, s.Name, s.Err)
	}
	cfg, now := o.app()
	body, err := cfg.Codec.Marshal(boxed(ptr))
	if err != nil {
		t.Fatalf("tasktest: %s: the payload does not encode: %v", s.Name, err)
	}
	req := o.post(t, cfg, cfg.TasksPath+"/"+s.Path, body)
	req.Header.Set("Content-Type", payload.ContentType(cfg.Codec))
	maps.Copy(req.Header, s.Header)
	if s.Kind == tasks.KindPeriodic {
		o.fromScheduler(t, req.Header, d, cfg, now)
	} else {
		o.fromTasks(req.Header, s, cfg, now)
	}
	if o.last {
		req.Header.Set(headers.Retry, "attempts="+strconv.Itoa(o.attempt))
	}
	maps.Copy(req.Header, o.header)
	return req
}

// post is a request to a path below where the App is mounted.
func (o *runOptions) post(t testing.TB, cfg tasks.Config, path string, body []byte) *http.Request {
	t.Helper()
	mount := strings.TrimRight(or(o.mount, cfg.MountPath), "/")
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, mount+"/"+path, bytes.NewReader(body))
}

func (o *runOptions) fromTasks(h http.Header, s tasks.Spec, cfg tasks.Config, now time.Time) {
	h.Set("User-Agent", "Google-Cloud-Tasks")
	h.Set("X-CloudTasks-QueueName", or(o.queue, or(s.Queue, cfg.Queue)))
	h.Set("X-CloudTasks-TaskName", o.id)
	h.Set("X-CloudTasks-TaskRetryCount", strconv.Itoa(o.attempt-1))
	h.Set("X-CloudTasks-TaskExecutionCount", "0") // those answered with 5xx do not count
	h.Set("X-CloudTasks-TaskETA", fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000))
	if o.attempt > 1 {
		h.Set("X-CloudTasks-TaskPreviousResponse", "500")
		h.Set("X-CloudTasks-TaskRetryReason", "")
	}
}

// fromScheduler sets what a job of d brings along that is planned for now.
func (o *runOptions) fromScheduler(t testing.TB, h http.Header, d tasks.Definition, cfg tasks.Config, now time.Time) {
	t.Helper()
	name := d.Spec().Name
	if o.attempt > 1 {
		t.Fatalf("tasktest: %s: Attempt(%d): Cloud Scheduler does not tell attempts", name, o.attempt)
	}
	job, err := schedule.Describe(cfg, d)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	header, err := jobs.HeaderAt(job, now)
	if err != nil {
		t.Fatalf("tasktest: %s: %v", name, err)
	}
	header.Del("Content-Type") // is the payload's
	maps.Copy(h, header)
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
