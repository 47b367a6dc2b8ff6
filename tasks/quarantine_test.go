package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dlvKeep is a Quarantine that keeps what it is given.
func dlvKeep(into *[]tasks.Quarantined) func(context.Context, tasks.Quarantined) error {
	return func(_ context.Context, q tasks.Quarantined) error { *into = append(*into, q); return nil }
}

// dlvHopeless are deliveries that end here: their answers with and without a Quarantine.
var dlvHopeless = []struct {
	name       string
	path, body string
	attempt    string // retry count
	code       int    // without a Quarantine
	quarantine bool
	kept       string // Name of what is kept
	kind       string
	reason     string
}{
	{name: "does not decode", path: "/tasks/order", body: `{"id": `, code: 400, quarantine: true, kept: "order", kind: tasks.KindTask, reason: "payload is not valid json"},
	{name: "does not decode, by an alias", path: "/tasks/old-order", body: "\xff\x00", code: 400, quarantine: true, kept: "order", kind: tasks.KindTask, reason: "payload is not valid json"},
	{name: "does not validate", path: "/tasks/order", body: `{}`, code: 400, quarantine: true, kept: "order", kind: tasks.KindTask, reason: "id fails rule required"},
	{name: "names no task", path: "/tasks/nobody", body: dlvBody, code: 404, quarantine: true, kept: "nobody", reason: `no task "nobody" is registered`},
	{name: "names no task, in several parts", path: "/tasks/a/../b", body: dlvBody, code: 404, quarantine: true, kept: "a/../b", reason: `no task "a/../b" is registered`},
	{name: "names no subscription", path: "/subscriptions/nobody", body: dlvBody, code: 404, quarantine: true, kept: "nobody", reason: `no subscriber "nobody" is registered`},
	{name: "is no delivery", path: "/favicon.ico", body: dlvBody, code: 404},
	{name: "is no delivery, below the mount", path: "/tasks/", body: dlvBody, code: 404},
	{name: "failed", path: "/tasks/order", body: dlvBody, attempt: "1", code: 500},
	{name: "failed for the last time", path: "/tasks/order", body: dlvBody, attempt: "2", code: 500, quarantine: true, kept: "order", kind: tasks.KindTask, reason: "out of paper"},
	{name: "asked for a retry", path: "/tasks/later", body: dlvBody, attempt: "1", code: 503},
	{name: "asked for a retry for the last time", path: "/tasks/later", body: dlvBody, attempt: "2", code: 503, quarantine: true, kept: "later", kind: tasks.KindTask, reason: "retry after"},
	{name: "panicked for the last time", path: "/tasks/panics", body: dlvBody, attempt: "2", code: 500, quarantine: true, kept: "panics", kind: tasks.KindTask, reason: "panic: out of ink"},
	{name: "snoozed on the last attempt", path: "/tasks/sleeps", body: dlvBody, attempt: "2", code: 200},
	{name: "discarded on the last attempt", path: "/tasks/drops", body: dlvBody, attempt: "2", code: 202},
}

func dlvHopelessApp(t *testing.T, c tasks.Config) *tasks.App {
	c.Transport = &dlvAdmin{queues: map[string]transport.QueueConfig{"q": {Retry: transport.RetryConfig{MaxAttempts: 3}}}}
	named := func(name string, err error) tasks.Definition { return tasks.New(dlvReturns(err), tasks.WithName(name)) }
	return dlvApp(t, c, dlvTask(dlvReturns(errDlv), tasks.WithAliases("old-order")), named("later", tasks.RetryAfter(time.Hour, nil)),
		named("sleeps", tasks.Snooze(time.Hour)), named("drops", tasks.Discard(errDlv)),
		tasks.New(func(context.Context, dlvOrder) error { panic("out of ink") }, tasks.WithName("panics")))
}

func dlvHopelessPost(path, body, attempt string) *http.Request {
	if attempt == "" {
		attempt = "0"
	}
	return dlvPost(path, body, "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskName", "a-s1", "X-CloudTasks-TaskRetryCount", attempt,
		"Typedtasks-Id", "a", "Authorization", "Bearer secret", "Cookie", "secret", "Proxy-Authorization", "secret",
		"X-Serverless-Authorization", "Bearer secret", "X-Goog-IAP-JWT-Assertion", "secret", "X-Tenant", "acme")
}

func TestQuarantine_OverHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range dlvHopeless {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var kept []tasks.Quarantined
			log := &dlvLog{}
			app := dlvHopelessApp(t, tasks.Config{Quarantine: dlvKeep(&kept), Logger: slog.New(log)})
			r := dlvHopelessPost(c.path, c.body, c.attempt)
			got := dlvServe(t, app, r)
			if !c.quarantine {
				if got.code != c.code || len(kept) != 0 {
					t.Errorf("answered %d, kept %+v", got.code, kept)
				}
				return
			}
			dlvWant(t, got, http.StatusAccepted, "quarantined")
			if len(kept) != 1 {
				t.Fatalf("kept %+v, want one", kept)
			}
			q := kept[0]
			if q.Name != c.kept || q.Kind != c.kind || q.ID != "a" || q.Queue != "q" || string(q.Body) != c.body || q.Reason == nil || !strings.Contains(q.Reason.Error(), c.reason) {
				t.Errorf("kept %+v", q)
			}
			if want := 1 + len(c.attempt)*2; q.Attempt != want {
				t.Errorf("attempt %d, want %d", q.Attempt, want)
			}
			if q.Header.Get("X-Tenant") != "acme" || strings.Contains(fmt.Sprint(q.Header), "secret") {
				t.Errorf("kept the headers %v", q.Header)
			}
			if r.Header.Get("Authorization") == "" {
				t.Error("the request has lost its headers")
			}
			var found bool
			for _, rec := range log.taken() {
				found = found || rec.message == "task quarantined" && rec.level == slog.LevelError && rec.attrs["task"] == c.kept
			}
			if !found {
				t.Error("it was not logged")
			}
		})
	}
}

func TestQuarantine_MissingOrBroken_LeavesItToTheQueue(t *testing.T) {
	t.Parallel()
	for name, quarantine := range map[string]func(context.Context, tasks.Quarantined) error{
		"none":    nil,
		"failing": func(context.Context, tasks.Quarantined) error { return errors.New(dlvSecret) },
		"panics":  func(context.Context, tasks.Quarantined) error { panic(dlvSecret) },
		"hangs":   func(ctx context.Context, _ tasks.Quarantined) error { <-ctx.Done(); return ctx.Err() },
	} {
		for _, c := range dlvHopeless {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					log := &dlvLog{}
					app := dlvHopelessApp(t, tasks.Config{Quarantine: quarantine, Logger: slog.New(log)})
					got := dlvServe(t, app, dlvHopelessPost(c.path, c.body, c.attempt))
					if got.code != c.code || strings.Contains(got.error, dlvSecret) {
						t.Errorf("answered %d with %s, want %d", got.code, got.error, c.code)
					}
					records := log.taken()
					if len(records) != 1 {
						t.Fatalf("logged %+v, want one record", records)
					}
					r := records[0]
					told := r.level == slog.LevelError && r.attrs["quarantine_error"] != ""
					if want := c.quarantine && quarantine != nil; told != want {
						t.Errorf("told that it was not quarantined: %t, want %t: %+v", told, want, r)
					}
				})
			})
		}
	}
}

func TestQuarantine_UnknownTaskWithUnreadableBody_IsNotKept(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)})
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/nobody", dlvPadded(dlvMaxBody+1))), http.StatusRequestEntityTooLarge, "too_large")
	if len(kept) != 0 {
		t.Errorf("kept %+v", kept)
	}
}

func TestQuarantine_LastAttemptNotKnown_IsNotKept(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)}, dlvTask(dlvReturns(errDlv))) // over a transport that knows no limits
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskRetryCount", "99")), http.StatusInternalServerError, "failed")
	if len(kept) != 0 {
		t.Errorf("kept %+v", kept)
	}
}

func TestQuarantine_BodyIsItsOwn(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)}, dlvTask(dlvReturns(nil)))
	for i := range 10 { // through one buffer, used again
		dlvServe(t, app, dlvPost("/tasks/order", fmt.Sprintf(`{"id": "%d"}`, i)))
	}
	for i, q := range kept {
		if want := fmt.Sprintf(`{"id": "%d"}`, i); string(q.Body) != want {
			t.Errorf("body %d is now %s", i, q.Body)
		}
	}
}

func TestQuarantine_AfterTheDeadline_StillHasTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kept []tasks.Quarantined
		app := dlvApp(t, tasks.Config{Quarantine: func(ctx context.Context, q tasks.Quarantined) error {
			kept = append(kept, q)
			return ctx.Err()
		}}, dlvTask(func(ctx context.Context, _ dlvOrder) error { <-ctx.Done(); return ctx.Err() }))
		r := dlvPost("/tasks/order", dlvBody, "Typedtasks-Retry", "attempts=1")
		dlvWant(t, dlvServe(t, app, r), http.StatusAccepted, "quarantined")
		if len(kept) != 1 || !errors.Is(kept[0].Reason, context.DeadlineExceeded) {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestQuarantine_OverMemory(t *testing.T) {
	t.Parallel()
	retry := tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3})
	for _, c := range []struct {
		name    string
		url     string // of a task put in by hand; empty: an order enqueued as usual
		body    string
		fn      func(context.Context, dlvOrder) error
		kept    string
		attempt int
		reason  string
	}{
		{name: "out of attempts", fn: dlvReturns(errDlv), kept: "order", attempt: 3, reason: "out of paper"},
		{name: "out of attempts, at once", fn: dlvReturns(tasks.RetryAfter(time.Hour, nil)), kept: "order", attempt: 3, reason: "retry after 1h"},
		{name: "out of time", fn: func(ctx context.Context, _ dlvOrder) error { <-ctx.Done(); return ctx.Err() }, kept: "order", attempt: 3, reason: "the dispatch deadline passed"},
		{name: "does not decode", url: "/tasks/order", body: "x", kept: "order", attempt: 1, reason: "json"},
		{name: "does not validate", url: "/tasks/order", body: "{}", kept: "order", attempt: 1, reason: "id fails rule required"},
		{name: "names no task", url: "/tasks/nobody", body: dlvBody, kept: "nobody", attempt: 1, reason: `"nobody"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var kept []tasks.Quarantined
				if c.fn == nil {
					c.fn = dlvReturns(nil)
				}
				task := dlvTask(c.fn, retry)
				app, m := dlvMemory(t, tasks.Config{Quarantine: dlvKeep(&kept)}, task)
				var err error
				if c.url == "" {
					c.body = `{"id":7}`
					_, err = task.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID("a"))
				} else {
					_, err = m.Enqueue(t.Context(), &transport.Task{ID: "a", Queue: "shop", URL: app.Config().Endpoint + c.url, Body: []byte(c.body)})
				}
				if err != nil {
					t.Fatal(err)
				}
				dlvPass(10 * time.Hour)
				if len(kept) != 1 {
					t.Fatalf("kept %+v, want one", kept)
				}
				q := kept[0]
				if q.Name != c.kept || q.ID != "a" || q.Queue != "shop" || q.Attempt != c.attempt || string(q.Body) != c.body || !strings.Contains(q.Reason.Error(), c.reason) {
					t.Errorf("kept %+v", q)
				}
				if n := m.Backlog(); n != 0 {
					t.Errorf("%d tasks are left", n)
				}
			})
		})
	}
}

func TestQuarantine_UnknownTaskOutOfAttempts_WithoutQuarantine_IsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &dlvLog{}
		app, m := dlvMemory(t, tasks.Config{Logger: slog.New(log)})
		_, err := m.Enqueue(t.Context(), &transport.Task{ID: "a", Queue: "shop", URL: app.Config().Endpoint + "/tasks/nobody", Retry: &transport.RetryConfig{MaxAttempts: 2}})
		if err != nil {
			t.Fatal(err)
		}
		dlvPass(time.Hour)
		var messages []string
		for _, r := range log.taken() {
			messages = append(messages, r.message+" "+r.attrs["task"])
		}
		if want := []string{"task rejected nobody", "task rejected nobody", "task failed nobody"}; !reflect.DeepEqual(messages, want) {
			t.Errorf("logged %q, want %q", messages, want)
		}
	})
}

func TestQuarantined_SurvivesJSON(t *testing.T) {
	t.Parallel()
	full := tasks.Quarantined{Name: "order", Kind: tasks.KindTask, ID: "a", Queue: "q", Attempt: 3, Header: http.Header{"X-Tenant": {"acme", "b"}}, Reason: errDlv}
	for _, body := range []string{"", `{"id": 7}`, "caf\u00e9 <&> \u2028 \x00 \ufffd", "\xff\xfe\x00 binary", strings.Repeat("\x80", 1000)} {
		q := full
		q.Body = []byte(body)
		data, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		var back tasks.Quarantined
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if back.Reason == nil || back.Reason.Error() != errDlv.Error() {
			t.Errorf("the reason came back as %v", back.Reason)
		}
		back.Reason = errDlv
		if !reflect.DeepEqual(back, q) {
			t.Errorf("%s came back as\n %+v, want\n %+v", data, back, q)
		}
	}
	data, err := json.Marshal(tasks.Quarantined{Name: "nobody"})
	if want := `{"name":"nobody","reason":"","body":""}`; err != nil || string(data) != want {
		t.Errorf("the least is %s, %v, want %s", data, err, want)
	}
	var q tasks.Quarantined
	if err := json.Unmarshal([]byte(`{"name": 7}`), &q); err == nil {
		t.Error("nonsense was read")
	}
}

func TestQuarantineTo_EnqueuesATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []tasks.Quarantined
		inspect := tasks.New(func(_ context.Context, q tasks.Quarantined) error { got = append(got, q); return nil }, tasks.WithName("inspect"), tasks.OnQueue("inspection"))
		order := dlvTask(dlvReturns(errDlv), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2}))
		app, m := dlvMemory(t, tasks.Config{Quarantine: tasks.QuarantineTo(inspect)}, order, inspect)
		if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Enqueue(t.Context(), &transport.Task{Queue: "shop", URL: app.Config().Endpoint + "/tasks/order", Body: []byte("\xff")}); err != nil {
			t.Fatal(err)
		}
		dlvPass(time.Hour)
		if len(got) != 2 {
			t.Fatalf("the task ran with %+v, want two", got)
		}
		for _, q := range got {
			if q.Name != "order" || q.Reason == nil || string(q.Body) != "\xff" && (string(q.Body) != `{"id":7}` || q.ID != "a" || q.Attempt != 2) {
				t.Errorf("the task ran with %+v", q)
			}
		}
	})
}

func TestQuarantineTo_ItsOwnTask_DoesNotGoRoundInCircles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		inspect := tasks.New(func(context.Context, tasks.Quarantined) error { ran++; return errDlv }, tasks.WithName("inspect"), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2}))
		app, m := dlvMemory(t, tasks.Config{Quarantine: tasks.QuarantineTo(inspect)}, inspect)
		if _, err := m.Enqueue(t.Context(), &transport.Task{Queue: "shop", URL: app.Config().Endpoint + "/tasks/nobody"}); err != nil {
			t.Fatal(err)
		}
		dlvPass(100 * time.Hour)
		if ran != 2 || m.Backlog() != 0 {
			t.Errorf("ran %d times, %d tasks are left, want 2 and none", ran, m.Backlog())
		}
	})
}

func TestQuarantineTo_NotRegistered_FailsAsWithoutAQuarantine(t *testing.T) {
	t.Parallel()
	inspect := tasks.New(func(context.Context, tasks.Quarantined) error { return nil })
	app := dlvApp(t, tasks.Config{Quarantine: tasks.QuarantineTo(inspect)}, dlvTask(dlvReturns(nil)))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", "{}")), http.StatusBadRequest, "rejected")
}
