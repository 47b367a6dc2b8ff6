package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// msgOutcomes are what a subscriber's function may return.
var msgOutcomes = []struct {
	name   string
	err    error
	code   int
	status string
	retry  string // the header
	log    string // its message, empty if none
	level  slog.Level
}{
	{name: "nil", code: 200, status: "executed"},
	{name: "an error", err: errDlv, code: 500, status: "failed", log: "message failed", level: slog.LevelWarn},
	{name: "RetryAfter", err: tasks.RetryAfter(90*time.Second, errDlv), code: 503, status: "retry_later", retry: "90", log: "message retry_later", level: slog.LevelWarn},
	{name: "Discard", err: tasks.Discard(errDlv), code: 202, status: "discarded", log: "message discarded", level: slog.LevelInfo},
	{name: "a canceled context", err: context.Canceled, code: 500, status: "failed", log: "message failed", level: slog.LevelWarn},
	{name: "HandOver", err: tasks.HandOver(), code: 200, status: "enqueued"},
	{name: "Snooze", err: tasks.Snooze(time.Minute), code: 200, status: "snoozed", log: "message snoozed", level: slog.LevelInfo},
}

func TestServeHTTP_Push_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range msgOutcomes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			log := &dlvLog{}
			app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, msgSubscriber("audit", (&msgRuns{}).returns(c.err)))
			got := dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody, `"deliveryAttempt": 2, `)))
			dlvWant(t, got, c.code, c.status)
			if got.header.Get("Retry-After") != c.retry || got.result != "null" || got.error != "null" {
				t.Errorf("answered %+v", got)
			}
			msgLogged(t, log, c.log, c.level)
		})
	}
}

// msgLogged wants one record about the message, or none.
func msgLogged(t *testing.T, log *dlvLog, message string, level slog.Level) {
	t.Helper()
	rs := log.taken()
	if message == "" {
		if len(rs) > 0 {
			t.Errorf("logged %+v", rs)
		}
		return
	}
	if len(rs) != 1 || rs[0].message != message || rs[0].level != level {
		t.Fatalf("logged %+v, want %q", rs, message)
	}
	a := rs[0].attrs
	if a["subscriber"] != "audit" || a["id"] != "11" || a["subscription"] != "projects/p/subscriptions/audit" || a["attempt"] != "2" || a["error"] == "" || a["queue"] != "" {
		t.Errorf("logged %v", a)
	}
}

func TestServeHTTP_PushThatPanics_Fails(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, msgSubscriber("audit", func(context.Context, *transport.Delivery) error { panic("out of ink") }))
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody))), http.StatusInternalServerError, "failed")
	if rs := log.taken(); len(rs) != 1 || rs[0].level != slog.LevelError || !strings.Contains(rs[0].attrs["stack"], "message_outcome_test.go") {
		t.Errorf("logged %+v", rs)
	}
}

// The dead-letter topic is for what failed too often.
func TestServeHTTP_PushThatFailsForTheLastTime_IsNotQuarantined(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{errDlv, tasks.RetryAfter(time.Second, errDlv)} {
		var kept []tasks.Quarantined
		log := &dlvLog{}
		app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept), Logger: slog.New(log)}, msgSubscriber("audit", (&msgRuns{}).returns(fails)))
		for _, c := range []struct {
			body    string
			headers []string
		}{
			{msgBody(dlvBody, `"deliveryAttempt": 100, `), nil},
			{msgBody(dlvBody, `"deliveryAttempt": 100, `), []string{"Typedtasks-Retry", "attempts=1"}},
			{dlvBody, append([]string{"Typedtasks-Retry", "attempts=1"}, msgUnwrapped...)},
		} {
			if got := dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...)); got.code < 500 {
				t.Errorf("answered %d", got.code)
			}
			if rs := log.taken(); len(kept) > 0 || len(rs) != 1 || !strings.HasPrefix(rs[0].message, "message ") {
				t.Errorf("kept %d, logged %+v", len(kept), rs)
			}
		}
	}
}

func TestServeHTTP_Push_MiddlewareSeesTheMessage(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", runs.handle(nil)))
	var seen []string
	app.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			seen = append(seen, fmt.Sprintf("%s %s %d", d.Message.ID, d.ID, d.Attempt))
			d.Message.Data = []byte("changed")
			return next(ctx, d)
		}
	})
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody))), http.StatusOK, "executed")
	if got := runs.one(t); string(got.message.Data) != "changed" || len(seen) != 1 || seen[0] != "11 11 1" {
		t.Errorf("middleware saw %q, the function %q", seen, got.message.Data)
	}
}

func TestOutcomeOf_HandOver(t *testing.T) {
	t.Parallel()
	if got := tasks.OutcomeOf(tasks.HandOver()); got != tasks.OutcomeEnqueued {
		t.Errorf("the outcome is %q", got)
	}
	if err := tasks.HandOver(); err.Error() != "handed over to a task" || errors.Unwrap(err) != nil {
		t.Errorf("the error is %v", err)
	}
}
