package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

var errDlv = errors.New("out of paper")

// dlvOutcome is what becomes of a returned value, whatever way the delivery came.
type dlvOutcome struct {
	name    string
	fn      func(context.Context, dlvOrder) error
	code    int
	after   time.Duration
	level   slog.Level // of the one record; executed work is not logged
	message string
	stack   string // part of the stack in the log
	snoozes bool
	done    bool   // the caller gets no error
	text    string // part of the error's text
	is      error  // what the caller's error matches
}

func dlvOutcomes() []dlvOutcome {
	panics := func(v any) func(context.Context, dlvOrder) error {
		return func(context.Context, dlvOrder) error { dlvPanics(v); return nil }
	}
	return []dlvOutcome{
		{name: "nil", fn: dlvReturns(nil), code: 200, done: true},
		{name: "Discard(nil)", fn: dlvReturns(tasks.Discard(nil)), code: 202, level: slog.LevelInfo, message: "task discarded", done: true, text: "discarded"},
		{name: "Discard(err)", fn: dlvReturns(tasks.Discard(errDlv)), code: 202, level: slog.LevelInfo, message: "task discarded", done: true, text: "discarded: out of paper"},
		{name: "Snooze", fn: dlvReturns(tasks.Snooze(time.Hour)), code: 200, level: slog.LevelInfo, message: "task snoozed", snoozes: true, text: "snoozed for 1h0m0s"},
		{name: "RetryAfter", fn: dlvReturns(tasks.RetryAfter(time.Minute, errDlv)), code: 503, after: time.Minute, level: slog.LevelWarn, message: "task retry_later", text: "retry after 1m0s: out of paper", is: errDlv},
		{name: "error", fn: dlvReturns(errDlv), code: 500, level: slog.LevelWarn, message: "task failed", text: "out of paper", is: errDlv},
		{name: "wrapped Discard", fn: dlvReturns(fmt.Errorf("printing: %w", tasks.Discard(errDlv))), code: 202, level: slog.LevelInfo, message: "task discarded", done: true, text: "printing: discarded: out of paper"},
		{name: "wrapped Snooze", fn: dlvReturns(fmt.Errorf("printing: %w", tasks.Snooze(time.Hour))), code: 200, level: slog.LevelInfo, message: "task snoozed", snoozes: true, text: "printing: snoozed"},
		{name: "wrapped RetryAfter", fn: dlvReturns(fmt.Errorf("printing: %w", tasks.RetryAfter(time.Minute, errDlv))), code: 503, after: time.Minute, level: slog.LevelWarn, message: "task retry_later", text: "printing: retry after", is: errDlv},
		{name: "joined Discard", fn: dlvReturns(errors.Join(errDlv, tasks.Discard(nil))), code: 202, level: slog.LevelInfo, message: "task discarded", done: true, text: "out of paper\ndiscarded"},
		{name: "joined Snooze", fn: dlvReturns(errors.Join(errDlv, tasks.Snooze(time.Hour))), code: 200, level: slog.LevelInfo, message: "task snoozed", snoozes: true, text: "snoozed"},
		{name: "Reject", fn: dlvReturns(tasks.Reject(errDlv)), code: 400, level: slog.LevelWarn, message: "task rejected", text: "out of paper", is: errDlv},
		{name: "Reject(nil)", fn: dlvReturns(tasks.Reject(nil)), code: 400, level: slog.LevelWarn, message: "task rejected", text: "rejected"},
		{name: "the context's error", fn: dlvReturns(context.DeadlineExceeded), code: 500, level: slog.LevelWarn, message: "task failed", text: "deadline", is: context.DeadlineExceeded},
		{name: "panic", fn: panics("out of ink"), code: 500, level: slog.LevelError, message: "task failed", stack: "dlvPanics", text: "panic: out of ink"},
		{name: "panic with an error", fn: panics(errDlv), code: 500, level: slog.LevelError, message: "task failed", stack: "dlvPanics", text: "panic: out of paper", is: errDlv},
		{name: "panic with a directive: no outcome", fn: panics(tasks.Snooze(time.Hour)), code: 500, level: slog.LevelError, message: "task failed", stack: "dlvPanics", text: "panic: snoozed"},
		{name: "panic(nil)", fn: panics(nil), code: 500, level: slog.LevelError, message: "task failed", stack: "dlvPanics", text: "panic"},
		{name: "panic(http.ErrAbortHandler)", fn: panics(http.ErrAbortHandler), code: 500, level: slog.LevelError, message: "task failed", stack: "dlvPanics", text: "panic", is: http.ErrAbortHandler},
		{name: "nil dereference", fn: func(context.Context, dlvOrder) error { var p *dlvOrder; return errors.New(p.Email) }, code: 500, level: slog.LevelError, message: "task failed", stack: "dlvOutcomes", text: "nil pointer"},
	}
}

func dlvPanics(v any) { panic(v) }

// dlvLogged checks the records of one delivery of the task with the given id.
func (c dlvOutcome) dlvLogged(t *testing.T, log *dlvLog, id string) {
	t.Helper()
	records := log.taken()
	if c.message == "" {
		if len(records) != 0 {
			t.Errorf("logged %+v, want nothing", records)
		}
		return
	}
	if len(records) != 1 {
		t.Fatalf("logged %+v, want one record", records)
	}
	r := records[0]
	if r.level != c.level || r.message != c.message {
		t.Errorf("logged %s %q, want %s %q", r.level, r.message, c.level, c.message)
	}
	if r.attrs["task"] != "order" || r.attrs["id"] != id || r.attrs["queue"] != "q" || r.attrs["attempt"] != "3" || !strings.Contains(r.attrs["error"], c.text) {
		t.Errorf("logged %v", r.attrs)
	}
	if stack, ok := r.attrs["stack"]; ok != (c.stack != "") || !strings.Contains(stack, c.stack) {
		t.Errorf("logged the stack %q, want one with %q", stack, c.stack)
	}
}

func TestOutcome_OverHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range dlvOutcomes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			remote, log := &dlvRemote{}, &dlvLog{}
			app := dlvApp(t, tasks.Config{Transport: remote, Logger: slog.New(log)}, dlvTask(c.fn))
			got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody,
				"X-CloudTasks-TaskName", "a", "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskRetryCount", "2"))
			if got.code != c.code {
				t.Errorf("answered %d, want %d", got.code, c.code)
			}
			if n := len(remote.sent()); n == 1 != c.snoozes || n > 1 {
				t.Errorf("enqueued %d tasks, snoozes: %t", n, c.snoozes)
			}
			c.dlvLogged(t, log, "a")
		})
	}
}

func TestOutcome_InThisProcess(t *testing.T) {
	t.Parallel()
	for _, c := range dlvOutcomes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			local, log := &dlvLocal{}, &dlvLog{}
			app := dlvApp(t, tasks.Config{Transport: local, Logger: slog.New(log)}, dlvTask(c.fn))
			code, after, err := local.handler(t.Context(), &transport.Delivery{Attempt: 3, Task: transport.Task{
				ID: "a", Queue: "q", URL: app.Config().Endpoint + "/tasks/order", Body: []byte(dlvBody),
			}})
			if code != c.code || after != c.after {
				t.Errorf("answered %d, retry after %s, want %d, %s", code, after, c.code, c.after)
			}
			if c.code >= 300 && (err == nil || c.is != nil && !errors.Is(err, c.is)) {
				t.Errorf("error %v, want one that matches %v", err, c.is)
			}
			if n := len(local.sent()); n == 1 != c.snoozes || n > 1 {
				t.Errorf("enqueued %d tasks, snoozes: %t", n, c.snoozes)
			}
			c.dlvLogged(t, log, "a")
		})
	}
}

func TestOutcome_InTheCaller(t *testing.T) {
	t.Parallel()
	for _, c := range dlvOutcomes() {
		for _, way := range []string{"Run", "Enqueue with Config.Eager"} {
			t.Run(way+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				remote, log, task := &dlvRemote{}, &dlvLog{}, dlvTask(c.fn)
				cfg := tasks.Config{Transport: remote, Logger: slog.New(log), Eager: way != "Run"}
				dlvApp(t, cfg, task)
				var err error
				if cfg.Eager {
					_, err = task.Enqueue(t.Context(), dlvOrder{ID: 7})
				} else {
					err = task.Run(t.Context(), dlvOrder{ID: 7})
				}
				switch {
				case c.done && err != nil:
					t.Errorf("error %v, want none", err)
				case !c.done && (err == nil || !strings.Contains(err.Error(), c.text) || c.is != nil && !errors.Is(err, c.is)):
					t.Errorf("error %v, want one with %q that matches %v", err, c.text, c.is)
				}
				if n := len(remote.sent()); n != 0 {
					t.Errorf("enqueued %d tasks", n)
				}
				if records := log.taken(); len(records) > 0 != (c.stack != "") {
					t.Errorf("logged %+v: the caller has the error, but not the stack of a panic", records)
				}
			})
		}
	}
}

// A function that passes on the error of a task which it ran itself has failed, and not what its child asked for.
func TestOutcome_OfAChild_IsNotTheParents(t *testing.T) {
	t.Parallel()
	directives := []struct {
		name string
		err  error
		code int
	}{
		{"Snooze", tasks.Snooze(time.Hour), 500},
		{"RetryAfter", tasks.RetryAfter(time.Hour, errDlv), 500},
		{"RetryAfter that holds a Discard", tasks.RetryAfter(time.Hour, tasks.Discard(errDlv)), 500},
		{"Reject", tasks.Reject(errDlv), 500},
		{"Reject that holds a Snooze", tasks.Reject(fmt.Errorf("x: %w", tasks.Snooze(time.Hour))), 500},
		{"Discard: the child's own affair", tasks.Discard(errDlv), 200},
	}
	for _, panics := range []bool{false, true} {
		for _, c := range directives {
			t.Run(fmt.Sprintf("%s/panics %t", c.name, panics), func(t *testing.T) {
				t.Parallel()
				remote, log := &dlvRemote{}, &dlvLog{}
				child := tasks.New(func(context.Context, struct{}) error {
					if panics {
						panic(c.err)
					}
					return c.err
				}, tasks.WithName("child"))
				parent := dlvTask(func(ctx context.Context, _ dlvOrder) error {
					if err := child.Run(ctx, struct{}{}); err != nil {
						return fmt.Errorf("child: %w", err)
					}
					return nil
				})
				app := dlvApp(t, tasks.Config{Transport: remote, Logger: slog.New(log)}, parent, child)
				want := c.code
				if panics {
					want = http.StatusInternalServerError
				}
				if got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody)); got.code != want {
					t.Errorf("answered %d, want %d", got.code, want)
				}
				if n := len(remote.sent()); n != 0 {
					t.Errorf("enqueued %d tasks", n)
				}
			})
		}
	}
}

func TestOutcome_ErrorOfAChild_KeepsItsCause(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errDlv, tasks.RetryAfter(time.Hour, errDlv), tasks.Reject(errDlv), tasks.RetryAfter(0, tasks.Reject(errDlv))} {
		task := dlvTask(dlvReturns(err))
		dlvApp(t, tasks.Config{}, task)
		if got := task.Run(t.Context(), dlvOrder{ID: 7}); !errors.Is(got, errDlv) {
			t.Errorf("%v came back as %v", err, got)
		}
	}
}

func TestDirectives_ReachTheirReason(t *testing.T) {
	t.Parallel()
	for _, err := range []error{tasks.Discard(errDlv), tasks.RetryAfter(time.Second, errDlv), tasks.Reject(errDlv)} {
		if !errors.Is(err, errDlv) {
			t.Errorf("%v does not match its reason", err)
		}
	}
	if text := tasks.Reject(errDlv).Error(); text != "rejected: out of paper" {
		t.Errorf("Reject reads %q", text)
	}
}

func TestOutcome_OfASchedulerJob_IsLoggedWithIt(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, dlvTask(dlvReturns(errDlv)))
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudScheduler-JobName", "projects/p/locations/l/jobs/nightly"))
	if records := log.taken(); len(records) != 1 || records[0].attrs["job"] != "nightly" {
		t.Errorf("logged %+v, want the job", records)
	}
}

func TestOutcome_LevelOff_LogsNothing(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	app := dlvApp(t, tasks.Config{Logger: slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError}))}, dlvTask(dlvReturns(tasks.Discard(errDlv))))
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody))
	if strings.Contains(b.String(), "discarded") {
		t.Errorf("logged %s", b.String())
	}
}

func TestOutcome_Goexit_IsAFailedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, runs := &dlvLog{}, 0
		task := dlvTask(func(context.Context, dlvOrder) error {
			if runs++; runs == 1 {
				runtime.Goexit()
			}
			return nil
		})
		app := dlvApp(t, tasks.Config{Transport: memory.New(), Logger: slog.New(log)}, task)
		if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
			t.Fatal(err)
		}
		dlvPass(time.Minute)
		records := log.taken()
		if runs != 2 || len(records) != 1 || records[0].message != "task failed" || records[0].level != slog.LevelError || records[0].attrs["stack"] == "" {
			t.Errorf("ran %d times, logged %+v, want one error and a second run", runs, records)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
