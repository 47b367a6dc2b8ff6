package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// logOutcomes are the records of outcomes: what was enqueued has records of its own.
func logOutcomes(rs []dlvRecord) []dlvRecord {
	return slices.DeleteFunc(rs, func(r dlvRecord) bool { return r.message == "task enqueued" })
}

func TestLog_EachDeliveryHasOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range dlvOutcomes() {
		for _, quarantine := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/quarantine %t", c.name, quarantine), func(t *testing.T) {
				t.Parallel()
				log := &dlvLog{least: slog.LevelDebug}
				cfg := tasks.Config{Logger: slog.New(log)}
				if quarantine {
					cfg.Quarantine = func(context.Context, tasks.Quarantined) error { return nil }
				}
				app := dlvApp(t, cfg, dlvTask(c.fn))
				got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody,
					"X-CloudTasks-TaskName", "a", "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskRetryCount", "2", "Typedtasks-Retry", "attempts=3"))
				rs := logOutcomes(log.taken())
				if len(rs) != 1 {
					t.Fatalf("logged %+v, want one line", rs)
				}
				r, level := rs[0], c.level
				switch {
				case c.code == http.StatusOK:
					level = slog.LevelInfo
				case got.status == "quarantined":
					level = slog.LevelError
				}
				if r.level != level || r.message != "task "+got.status || r.attrs["outcome"] != got.status {
					t.Errorf("logged %s %q, outcome %q; want %s for %q", r.level, r.message, r.attrs["outcome"], level, got.status)
				}
				if _, err := time.ParseDuration(r.attrs["duration"]); err != nil || r.attrs["task"] != "order" || r.attrs["id"] != "a" || r.attrs["queue"] != "q" || r.attrs["attempt"] != "3" {
					t.Errorf("logged %v", r.attrs)
				}
				if _, failed := r.attrs["error"]; failed != (got.status != "executed") {
					t.Errorf("logged %v", r.attrs)
				}
			})
		}
	}
}

func TestLog_WhatIsRefusedHasOneLineToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		auth       error
		quarantine bool
		message    string
	}{
		"unknown path":                   {path: "/nowhere", message: "tasks: no definition is served at this path"},
		"unknown task":                   {path: "/tasks/nobody", message: "tasks: no definition is served at this path"},
		"unknown task, quarantined":      {path: "/tasks/nobody", quarantine: true, message: "task quarantined"},
		"unknown subscriber,quarantined": {path: "/subscriptions/nobody", quarantine: true, message: "message quarantined"},
		"caller refused":                 {path: "/tasks/order", auth: errDlv, message: "tasks: caller refused"},
		"too large":                      {path: "/tasks/order", body: dlvPadded(dlvMaxBody + 1), message: "tasks: body not read"},
		"coded":                          {path: "/tasks/order", headers: []string{"Content-Encoding", "gzip"}, message: "tasks: body not read"},
		"does not decode":                {path: "/tasks/order", body: "[", message: "task rejected"},
		"no message":                     {path: "/subscriptions/audit", body: "[", message: "message rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &dlvLog{least: slog.LevelDebug}
			cfg := tasks.Config{Logger: slog.New(log), Authenticator: dlvAuth{c.auth}}
			if c.quarantine {
				cfg.Quarantine = func(context.Context, tasks.Quarantined) error { return nil }
			}
			app := dlvApp(t, cfg, dlvTask(dlvReturns(nil)), msgSubscriber("audit", (&msgRuns{}).handle(nil)))
			app.ServeHTTP(&discardWriter{header: http.Header{}}, dlvPost(c.path, c.body, c.headers...))
			if rs := log.taken(); len(rs) != 1 || !strings.HasPrefix(rs[0].message, c.message) || rs[0].level < slog.LevelWarn {
				t.Errorf("logged %+v, want one line %q", rs, c.message)
			}
		})
	}
}

func TestLog_TellsHowLongItTook_AndWhatCameOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, fails := &dlvLog{least: slog.LevelDebug}, 1
		task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
			time.Sleep(3 * time.Second)
			if fails--; fails >= 0 {
				return errDlv
			}
			return nil
		})
		app := dlvApp(t, tasks.Config{Transport: memory.New(), Logger: slog.New(log)}, task)
		ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {logTraceparent}})
		enqMust(task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithID("a"), tasks.In(time.Minute)))(t)
		enqMust(task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithID("a")))(t)
		dlvPass(time.Hour)
		var got []string
		for _, r := range log.taken() {
			got = append(got, fmt.Sprint(r.level, " ", r.message, " ", r.attrs["task"], " ", r.attrs["id"], " ", r.attrs["attempt"], " ", r.attrs["duration"], " ", r.attrs["duplicate"], " ", r.attrs["trace_id"]))
		}
		const trace = "0af7651916cd43dd8448eb211c80319c"
		want := []string{
			"DEBUG task enqueued order a    " + trace, "DEBUG task enqueued order a   true " + trace,
			"WARN task failed order a 1 3s  " + trace, "INFO task executed order a 2 3s  " + trace,
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged\n %q, want\n %q", got, want)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLog_InTheCaller_IsForDebuggingOnly(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errDlv, tasks.Snooze(time.Hour)} {
		log := &dlvLog{least: slog.LevelDebug}
		task := dlvTask(dlvReturns(err))
		dlvApp(t, tasks.Config{Logger: slog.New(log)}, task)
		_ = task.Run(t.Context(), dlvOrder{ID: 7})
		if rs := log.taken(); len(rs) != 1 || rs[0].level != slog.LevelDebug {
			t.Errorf("%v: logged %+v", err, rs)
		}
	}
}

func TestLog_Enqueues_AreForDebuggingOnly(t *testing.T) {
	t.Parallel()
	for _, through := range []bool{false, true} {
		log, task := &dlvLog{least: slog.LevelDebug}, tasks.New(enqDone[enqMail], tasks.OnQueue("mail"))
		broker := trustBroker{}
		app := enqApp(t, tasks.Config{Transport: &dlvRemote{}, Broker: broker, Logger: slog.New(log)}, task)
		if through {
			app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc { return next })
			app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc { return next })
		}
		log.taken()
		due := time.Now().Add(time.Hour).UTC().Round(0)
		enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithID("a"), tasks.At(due)))(t)
		task.EnqueueAll(t.Context(), []enqMail{{To: "ana"}, {}, {To: "bo"}})
		ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {logTraceparent}})
		enqMust(app.PublishMessage(ctx, &transport.Message{Topic: "orders", Data: []byte("1")}))(t)
		app.PublishMessages(t.Context(), []*transport.Message{{Topic: "orders", Data: []byte("1")}, {Topic: "mails", Data: []byte("1")}})
		var got []string
		for _, r := range log.taken() {
			got = append(got, fmt.Sprint(r.level, " ", r.message, " ", r.attrs["task"], r.attrs["topic"], " ", r.attrs["id"], " ", r.attrs["queue"], " ", r.attrs["due"] != "", " ", r.attrs["trace_id"] != ""))
		}
		want := []string{
			"DEBUG task enqueued enqMail a mail true false", "DEBUG task enqueued enqMail  mail false false", "DEBUG task enqueued enqMail  mail false false",
			"DEBUG message published orders 1  false true", "DEBUG message published orders 1  false false", "DEBUG message published mails 1  false false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged\n %q, want\n %q", got, want)
		}
	}
}

func TestLog_OfAMessage(t *testing.T) {
	t.Parallel()
	for status, err := range map[string]error{"executed": nil, "failed": errDlv, "enqueued": tasks.HandOver(), "snoozed": tasks.Snooze(time.Hour)} {
		log := &dlvLog{least: slog.LevelDebug}
		app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, msgSubscriber("audit", (&msgRuns{}).returns(err)))
		data := fmt.Sprintf(`{"_http_headers": {"traceparent": %q}}`, logTraceparent)
		if got := dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(data, `"deliveryAttempt": 3, `))); got.status != status {
			t.Fatalf("answered %q, want %q", got.status, status)
		}
		rs := logOutcomes(log.taken())
		if len(rs) != 1 {
			t.Fatalf("%s: logged %+v", status, rs)
		}
		a := rs[0].attrs
		if rs[0].message != "message "+status || a["subscriber"] != "audit" || a["id"] != "11" || a["attempt"] != "3" || a["subscription"] != "projects/p/subscriptions/audit" ||
			a["outcome"] != status || a["duration"] == "" || a["trace_id"] == "" || (a["error"] != "") != (status == "failed" || status == "snoozed") {
			t.Errorf("logged %+v", rs[0])
		}
	}
}

const logTraceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestLog_Trace(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, c := range []struct {
		header  string
		sampled string // empty: no trace
	}{
		{logTraceparent, "true"},
		{"00-" + trace + "-" + span + "-00", "false"},
		{"00-" + trace + "-" + span + "-ff", "true"},
		{"00-" + trace + "-" + span + "-02", "false"},
		{"cc-" + trace + "-" + span + "-01", "true"},
		{"cc-" + trace + "-" + span + "-01-what-comes-later", "true"},
		{"", ""},
		{"00", ""},
		{"00-" + trace + "-" + span + "-01-more", ""},
		{"cc-" + trace + "-" + span + "-01.more", ""},
		{"ff-" + trace + "-" + span + "-01", ""},
		{"0x-" + trace + "-" + span + "-01", ""},
		{"00-" + strings.ToUpper(trace) + "-" + span + "-01", ""},
		{"00-" + strings.Repeat("0", 32) + "-" + span + "-01", ""},
		{"00-" + trace + "-" + strings.Repeat("0", 16) + "-01", ""},
		{"00-" + trace + "_" + span + "-01", ""},
		{"00-" + trace + "-" + span + "-zz", ""},
		{"00-" + trace[:31] + "\n-" + span + "-01", ""},
	} {
		for _, project := range []string{"", "shop-prod", "example.com:shop"} {
			log := &dlvLog{}
			app := dlvApp(t, tasks.Config{Logger: slog.New(log), CloudLoggingProject: project}, dlvTask(dlvReturns(errDlv)))
			dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "traceparent", c.header))
			got, want := log.taken()[0].attrs, map[string]string{}
			switch {
			case c.sampled != "" && project == "":
				want["trace_id"] = trace
			case c.sampled != "":
				want["logging.googleapis.com/trace"] = "projects/" + project + "/traces/" + trace
				want["logging.googleapis.com/spanId"] = span
				want["logging.googleapis.com/trace_sampled"] = c.sampled
			}
			for _, key := range []string{"trace_id", "logging.googleapis.com/trace", "logging.googleapis.com/spanId", "logging.googleapis.com/trace_sampled"} {
				if got[key] != want[key] {
					t.Errorf("%q, project %q: %s is %q, want %q", c.header, project, key, got[key], want[key])
				}
			}
		}
	}
}

func TestNewApp_CloudLoggingProject_IsAProjectsID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"projects/shop", "shop prod", "shop\n", strings.Repeat("x", 101)} {
		_, err := tasks.NewApp(tasks.Config{Eager: true, CloudLoggingProject: id})
		enqSays(t, err, fmt.Sprintf("Config.CloudLoggingProject %q is no project's id", id))
	}
}

func TestLog_QuarantineThatFails_IsOnTheSameLine(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Logger: slog.New(log), Quarantine: func(context.Context, tasks.Quarantined) error { return errors.New("disk full") }}, dlvTask(dlvReturns(errDlv)))
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "Typedtasks-Retry", "attempts=1"))
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-QueueName", "q")) // whose limits nobody knows
	rs := log.taken()
	if len(rs) != 2 || rs[0].level != slog.LevelError || rs[0].attrs["quarantine_error"] != "disk full" || rs[0].attrs["error"] != errDlv.Error() ||
		rs[1].level != slog.LevelWarn || rs[1].attrs["last_attempt_error"] == "" {
		t.Errorf("logged %+v", rs)
	}
}

func TestLog_LevelOff_AllocatesNothing(t *testing.T) {
	allocations := func(h slog.Handler) float64 {
		local := &dlvLocal{}
		app := dlvApp(t, tasks.Config{Transport: local, Logger: slog.New(h)}, tasks.New(func(context.Context, int) error { return nil }, tasks.WithName("order")))
		d := &transport.Delivery{Attempt: 1, Task: transport.Task{URL: app.Config().Endpoint + "/tasks/order", Body: []byte("7"), Header: http.Header{"Traceparent": {logTraceparent}}}}
		ctx := t.Context()
		return testing.AllocsPerRun(100, func() {
			if code, _, err := local.handler(ctx, d); code != http.StatusOK || err != nil {
				t.Errorf("answered %d, %v", code, err)
			}
		})
	}
	none := allocations(slog.DiscardHandler)
	off := allocations(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	on := allocations(slog.NewTextHandler(io.Discard, nil))
	if none != off || on <= off {
		t.Errorf("%v allocations without a log, %v where the level is off, %v where it is on", none, off, on)
	}
}

// Middleware may give up on a function that still runs.
func TestLog_Payload_DecodedWhileTheRunEnds_IsNoRace(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	ended := make(chan struct{})
	app := dlvApp(t, tasks.Config{LogPayloads: true, Logger: slog.New(slog.NewTextHandler(&log, nil))}, dlvTask(dlvReturns(nil)))
	app.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			go func() {
				defer close(ended)
				_, _ = next(ctx, d)
			}()
			return nil, errDlv
		}
	})
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusInternalServerError, "failed")
	<-ended
	if !strings.Contains(log.String(), "task failed") {
		t.Errorf("logged %s", &log)
	}
}

// What names nothing is looked for by its id.
func TestLog_PushThatGetsNowhere_IsToldWithWhatItsHeadersSay(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, dlvTask(dlvReturns(nil)))
	platform := []string{"X-CloudTasks-TaskName", "a", "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskRetryCount", "2", "Traceparent", logTraceparent}
	for _, c := range []struct {
		path string
		code int
		more []string
	}{
		{"/tasks/nobody", http.StatusNotFound, nil},
		{"/tasks/order", http.StatusUnsupportedMediaType, []string{"Content-Encoding", "gzip"}},
	} {
		dlvServe(t, app, dlvPost(c.path, dlvBody, append(c.more, platform...)...))
		rs := log.taken()
		if len(rs) != 1 || rs[0].level != slog.LevelWarn {
			t.Fatalf("logged %+v, want one warning", rs)
		}
		if a := rs[0].attrs; a["path"] != c.path || a["id"] != "a" || a["queue"] != "q" || a["attempt"] != "3" || a["trace_id"] == "" {
			t.Errorf("logged %v", a)
		}
	}
}

// The log of the whole program is spared what all is well with.
func TestLog_NoLoggerOfItsOwn_TellsOfWhatWasExecutedAtDebug(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	log, failing := &dlvLog{least: slog.LevelDebug}, dlvReturns(errDlv)
	slog.SetDefault(slog.New(log))
	app, err := tasks.NewApp(tasks.Config{Transport: &dlvRemote{}, Endpoint: "http://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Register(dlvTask(dlvReturns(nil)), tasks.New(failing, tasks.WithName("failing"))); err != nil {
		t.Fatal(err)
	}
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody))
	dlvServe(t, app, dlvPost("/tasks/failing", dlvBody))
	rs := log.taken()
	if len(rs) != 2 || rs[0].message != "task executed" || rs[0].level != slog.LevelDebug || rs[1].message != "task failed" || rs[1].level != slog.LevelWarn {
		t.Errorf("logged %+v", rs)
	}
}
