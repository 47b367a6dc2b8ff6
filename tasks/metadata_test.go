package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dlvSeen delivers a push with headers and returns the metadata that the function saw, its Header taken out.
func dlvSeen(t *testing.T, headers ...string) tasks.Metadata {
	t.Helper()
	var m tasks.Metadata
	app := dlvApp(t, tasks.Config{}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
		m, _ = tasks.MetadataFrom(ctx)
		return nil
	}))
	r := dlvPost("/tasks/order", dlvBody, headers...)
	dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
	if !reflect.DeepEqual(m.Header, r.Header) {
		t.Errorf("Header is %v, want the request's %v", m.Header, r.Header)
	}
	m.Header = nil
	return m
}

func TestMetadataFrom_Headers(t *testing.T) {
	t.Parallel()
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
	for _, c := range []struct {
		name    string
		headers []string
		want    tasks.Metadata
	}{
		{"none", nil, tasks.Metadata{Attempt: 1}},
		{"all of Cloud Tasks", []string{
			"X-CloudTasks-QueueName", "mail", "X-CloudTasks-TaskName", "abc-1_Z", "X-CloudTasks-TaskRetryCount", "4",
			"X-CloudTasks-TaskExecutionCount", "2", "X-CloudTasks-TaskETA", "1721236265.266817", "X-CloudTasks-TaskPreviousResponse", "504",
			"X-CloudTasks-TaskRetryReason", "why", "X-CloudTasks-Projectname", "potato",
		}, tasks.Metadata{
			ID: "abc-1_Z", Queue: "mail", Project: "potato", Attempt: 5, ExecutionCount: 2, PreviousResponse: 504, RetryReason: "why",
			ETA: at(1721236265, 266817000),
		}},
		{"odd spellings", []string{
			"x-cloudtasks-taskname", "a", "X-CLOUDTASKS-QUEUENAME", "q", "x-CloudTasks-taskRetryCOUNT", "1", "x-cloudtasks-PROJECTNAME", "p",
		}, tasks.Metadata{ID: "a", Queue: "q", Project: "p", Attempt: 2}},
		{"first count", []string{"X-CloudTasks-TaskRetryCount", "0"}, tasks.Metadata{Attempt: 1}},
		{"largest counts", []string{"X-CloudTasks-TaskRetryCount", "999999999", "X-CloudTasks-TaskExecutionCount", "999999999"},
			tasks.Metadata{Attempt: 1000000000, ExecutionCount: 999999999}},
		{"absurd counts are absent", []string{
			"X-CloudTasks-TaskRetryCount", "99999999999999999999", "X-CloudTasks-TaskExecutionCount", "-1", "X-CloudTasks-TaskPreviousResponse", "5e2",
		}, tasks.Metadata{Attempt: 1}},
		{"counts that are none", []string{
			"X-CloudTasks-TaskRetryCount", "two", "X-CloudTasks-TaskExecutionCount", " 1", "X-CloudTasks-TaskPreviousResponse", "",
		}, tasks.Metadata{Attempt: 1}},
		{"names that are none", []string{"X-CloudTasks-QueueName", "no_queue", "X-CloudTasks-TaskName", "no/task"}, tasks.Metadata{Attempt: 1}},
		{"whole ETA", []string{"X-CloudTasks-TaskETA", "1732415400"}, tasks.Metadata{Attempt: 1, ETA: at(1732415400, 0)}},
		{"ETA without digits after the point", []string{"X-CloudTasks-TaskETA", "1732415400."}, tasks.Metadata{Attempt: 1, ETA: at(1732415400, 0)}},
		{"ETA with leading zeros in its fraction", []string{"X-CloudTasks-TaskETA", "1732415400.000001"}, tasks.Metadata{Attempt: 1, ETA: at(1732415400, 1000)}},
		{"ETA finer than a nanosecond", []string{"X-CloudTasks-TaskETA", "1732415400.9999999999"}, tasks.Metadata{Attempt: 1, ETA: at(1732415400, 999999999)}},
		{"ETA that is no number", []string{"X-CloudTasks-TaskETA", "tomorrow"}, tasks.Metadata{Attempt: 1}},
		{"ETA negative", []string{"X-CloudTasks-TaskETA", "-1"}, tasks.Metadata{Attempt: 1}},
		{"ETA with garbage in its fraction", []string{"X-CloudTasks-TaskETA", "1.5x"}, tasks.Metadata{Attempt: 1}},
		{"ETA with garbage far in its fraction", []string{"X-CloudTasks-TaskETA", "1.1234567890x"}, tasks.Metadata{Attempt: 1}},
		{"ETA beyond time", []string{"X-CloudTasks-TaskETA", "99999999999999999999"}, tasks.Metadata{Attempt: 1}},
		{"ETA as NaN", []string{"X-CloudTasks-TaskETA", "NaN"}, tasks.Metadata{Attempt: 1}},
		{"Scheduler, short job name", []string{"X-CloudScheduler", "true", "X-CloudScheduler-JobName", "shop--Nightly", "X-CloudScheduler-ScheduleTime", "2026-11-24T03:00:00-03:00"},
			tasks.Metadata{Attempt: 1, SchedulerJob: "shop--Nightly", ScheduleTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)}},
		{"Scheduler, full job name", []string{"X-CloudScheduler-JobName", "projects/p/locations/l/jobs/shop--Nightly", "X-CloudScheduler-ScheduleTime", "2026-11-24T06:00:00Z"},
			tasks.Metadata{Attempt: 1, SchedulerJob: "shop--Nightly", ScheduleTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)}},
		{"Scheduler, English schedule: no time", []string{"X-CloudScheduler-JobName", "a"}, tasks.Metadata{Attempt: 1, SchedulerJob: "a"}},
		{"Scheduler, time that is none", []string{"X-CloudScheduler-JobName", "a", "X-CloudScheduler-ScheduleTime", "noon"}, tasks.Metadata{Attempt: 1, SchedulerJob: "a"}},
		{"after a snooze", []string{"X-CloudTasks-TaskName", "a-s2", "X-CloudTasks-TaskRetryCount", "3", "Typedtasks-Id", "a", "Typedtasks-Attempts", "5"},
			tasks.Metadata{ID: "a", Attempt: 9}},
		{"a snoozed id that is none", []string{"X-CloudTasks-TaskName", "b", "Typedtasks-Id", "no id", "Typedtasks-Attempts", "5"}, tasks.Metadata{ID: "b", Attempt: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := dlvSeen(t, c.headers...)
			if !reflect.DeepEqual(dlvPublic(got), dlvPublic(c.want)) {
				t.Errorf("metadata\n %+v, want\n %+v", dlvPublic(got), dlvPublic(c.want))
			}
			if got.FirstAttempt() != (c.want.Attempt == 1) {
				t.Errorf("FirstAttempt is %t on attempt %d", got.FirstAttempt(), got.Attempt)
			}
		})
	}
}

// dlvPublic leaves the exported fields.
func dlvPublic(m tasks.Metadata) tasks.Metadata {
	return tasks.Metadata{ID: m.ID, Queue: m.Queue, Project: m.Project, Attempt: m.Attempt, ExecutionCount: m.ExecutionCount,
		PreviousResponse: m.PreviousResponse, RetryReason: m.RetryReason, ETA: m.ETA, SchedulerJob: m.SchedulerJob, ScheduleTime: m.ScheduleTime, Eager: m.Eager}
}

func TestMetadataFrom_OutsideOfARun_IsFalse(t *testing.T) {
	t.Parallel()
	if m, ok := tasks.MetadataFrom(t.Context()); ok {
		t.Errorf("there is metadata: %+v", m)
	}
}

func TestMetadataFrom_DerivedContext_StillHasIt(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if m, ok := tasks.MetadataFrom(ctx); !ok || m.ID != "a" {
			return errors.New("no metadata")
		}
		return nil
	}))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a")), http.StatusOK, "executed")
}

func TestServeHTTP_ContextEndsAtTheDispatchDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		opts    []tasks.Option
		call    []tasks.EnqueueOption // how the delivered task was enqueued
		header  string
		request time.Duration // when the request's own context ends
		want    time.Duration
	}{
		{name: "default", want: 10 * time.Minute},
		{name: "WithTimeout", opts: []tasks.Option{tasks.WithTimeout(time.Minute)}, want: time.Minute},
		{name: "WithTimeout at the call", opts: []tasks.Option{tasks.WithTimeout(time.Minute)}, call: []tasks.EnqueueOption{tasks.WithTimeout(20 * time.Second)}, want: 20 * time.Second},
		{name: "WithTimeout at the call only", call: []tasks.EnqueueOption{tasks.WithTimeout(30 * time.Minute)}, want: 30 * time.Minute},
		{name: "header too short", header: "14s", want: 10 * time.Minute},
		{name: "header too long", header: "31m", want: 10 * time.Minute},
		{name: "header that is no duration", header: "long", want: 10 * time.Minute},
		{name: "the request ends earlier", request: time.Second, want: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				remote := &dlvRemote{}
				var ended, told time.Duration
				task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
					began := time.Now()
					if d, ok := ctx.Deadline(); ok {
						told = d.Sub(began)
					}
					<-ctx.Done()
					ended = time.Since(began)
					return ctx.Err()
				}, c.opts...)
				app := dlvApp(t, tasks.Config{Transport: remote}, task)
				if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}, c.call...); err != nil {
					t.Fatal(err)
				}
				r := dlvPost("/tasks/order", dlvBody)
				r.Header = remote.one(t).Header
				if c.header != "" {
					r.Header.Set("Typedtasks-Timeout", c.header)
				}
				if c.request > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), c.request)
					defer cancel()
					r = r.WithContext(ctx)
				}
				dlvWant(t, dlvServe(t, app, r), http.StatusInternalServerError, "failed")
				if told != c.want || ended != c.want {
					t.Errorf("deadline in %s, ended after %s, want %s", told, ended, c.want)
				}
			})
		})
	}
}

// dlvAdmin is a remote transport that knows its queues.
type dlvAdmin struct {
	dlvRemote
	transport.QueueAdmin
	queues map[string]transport.QueueConfig
	asked  []string
}

func (a *dlvAdmin) Queue(_ context.Context, queue string) (transport.QueueConfig, error) {
	a.asked = append(a.asked, queue)
	if c, ok := a.queues[queue]; ok {
		return c, nil
	}
	return transport.QueueConfig{}, &transport.Error{Op: transport.OpQueue, Queue: queue, Kind: transport.KindQueueMissing}
}

func TestLastAttempt_OverHTTP(t *testing.T) {
	t.Parallel()
	retry := func(attempts int, d time.Duration) *transport.RetryConfig {
		return &transport.RetryConfig{MaxAttempts: attempts, MaxRetryDuration: d}
	}
	for _, c := range []struct {
		name      string
		own       *transport.RetryConfig // WithRetryConfig
		queue     *transport.RetryConfig // of the queue "tasks"; nil: it does not exist
		plain     bool                   // a transport without QueueAdmin
		declared  bool                   // ... with the queue in Config.Queues
		count     string                 // retry count
		scheduled bool
		last      bool
		err       error
	}{
		{name: "own limit, first", own: retry(3, 0), count: "0"},
		{name: "own limit, last", own: retry(3, 0), count: "2", last: true},
		{name: "own limit, beyond", own: retry(3, 0), count: "9", last: true},
		{name: "one attempt only", own: retry(1, 0), count: "0", last: true},
		{name: "own limit needs no transport", own: retry(3, 0), plain: true, count: "2", last: true},
		{name: "own defaults", own: retry(0, 0), count: "99", last: true},
		{name: "own without limit", own: retry(transport.UnlimitedAttempts, 0), count: "100000"},
		{name: "own wins over the queue's", own: retry(3, 0), queue: retry(1, 0), count: "0"},
		{name: "queue's limit, not yet", queue: retry(5, 0), count: "3"},
		{name: "queue's limit, last", queue: retry(5, 0), count: "4", last: true},
		{name: "queue's defaults", queue: retry(0, 0), count: "99", last: true},
		{name: "both limits, attempts left", own: retry(3, time.Hour), count: "1"},
		{name: "both limits, attempts used up", own: retry(3, time.Hour), count: "2", err: tasks.ErrUnknown},
		{name: "duration only", own: retry(transport.UnlimitedAttempts, time.Hour), count: "0", err: tasks.ErrUnknown},
		{name: "no such queue", count: "0", err: transport.ErrQueueMissing},
		{name: "transport knows no queues", plain: true, count: "0", err: transport.ErrUnsupported},
		{name: "transport knows no queues, Config does", plain: true, declared: true, queue: retry(2, 0), count: "1", last: true},
		{name: "Scheduler's limits are nowhere", queue: retry(1, 0), scheduled: true, err: tasks.ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			admin := &dlvAdmin{queues: map[string]transport.QueueConfig{}}
			cfg := tasks.Config{Transport: admin}
			if c.queue != nil {
				admin.queues["tasks"] = transport.QueueConfig{Retry: *c.queue}
			}
			if c.plain {
				cfg.Transport = &admin.dlvRemote
			}
			if c.declared {
				cfg.Queues = admin.queues
			}
			var opts []tasks.Option
			if c.own != nil {
				opts = append(opts, tasks.WithRetryConfig(*c.own))
			}
			var last bool
			var err error
			task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
				m, _ := tasks.MetadataFrom(ctx)
				last, err = m.LastAttempt(ctx)
				return nil
			}, opts...)
			app := dlvApp(t, cfg, task)
			if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
				t.Fatal(err)
			}
			r := dlvPost("/tasks/order", dlvBody)
			r.Header = admin.one(t).Header
			if c.scheduled {
				r.Header.Set("X-CloudScheduler-JobName", "nightly")
			} else {
				r.Header.Set("X-CloudTasks-QueueName", "tasks")
				r.Header.Set("X-CloudTasks-TaskRetryCount", c.count)
			}
			dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
			if last != c.last || !errors.Is(err, c.err) {
				t.Errorf("LastAttempt is %t, %v, want %t, %v", last, err, c.last, c.err)
			}
		})
	}
}

func TestLastAttempt_QueueIsAskedOnce(t *testing.T) {
	t.Parallel()
	admin := &dlvAdmin{queues: map[string]transport.QueueConfig{"a": {Retry: transport.RetryConfig{MaxAttempts: 2}}, "b": {}}}
	app := dlvApp(t, tasks.Config{Transport: admin}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
		m, _ := tasks.MetadataFrom(ctx)
		_, err := m.LastAttempt(ctx)
		return err
	}))
	for _, queue := range []string{"a", "b", "a", "c", "b", "c"} { // c does not exist, yet
		dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-QueueName", queue))
	}
	if got := strings.Join(admin.asked, " "); got != "a b c c" {
		t.Errorf("asked for %s, want a b c c: answers are kept, errors are not", got)
	}
}

func TestLastAttempt_HeaderOfRetrySettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		own    bool // whether it is taken for settings; else the queue's hold, with one attempt
	}{
		{"attempts=3 doublings=0 duration=0s min=1s max=1m0s", true},
		{"attempts=3", true},
		{"attempts=3 jitter=5", true}, // of a newer version
		{"", false},
		{"nonsense", false},
		{"jitter=5", false},
		{"attempts=many", false},
		{"attempts=-7", false},
		{"attempts=3 min=-1s", false},
		{"attempts=3 duration=forever", false},
		{"attempts=99999999999999999999", false},
	} {
		t.Run(c.header, func(t *testing.T) {
			t.Parallel()
			admin := &dlvAdmin{queues: map[string]transport.QueueConfig{"q": {Retry: transport.RetryConfig{MaxAttempts: 1}}}}
			var last bool
			app := dlvApp(t, tasks.Config{Transport: admin}, dlvTask(func(ctx context.Context, _ dlvOrder) (err error) {
				m, _ := tasks.MetadataFrom(ctx)
				last, err = m.LastAttempt(ctx)
				return err
			}))
			dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-QueueName", "q", "Typedtasks-Retry", c.header)), http.StatusOK, "executed")
			if last == c.own {
				t.Errorf("LastAttempt is %t", last)
			}
		})
	}
}

func TestLastAttempt_OutsideOfARun_ReturnsErrUnknown(t *testing.T) {
	t.Parallel()
	if _, err := (tasks.Metadata{}).LastAttempt(t.Context()); !errors.Is(err, tasks.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
}
