package tasks_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

var msgUnwrapped = []string{
	"X-Goog-Pubsub-Subscription-Name", "projects/p/subscriptions/audit", "X-Goog-Pubsub-Message-Id", "11",
	"X-Goog-Pubsub-Publish-Time", "2026-11-24T06:00:00Z", "X-Goog-Pubsub-Ordering-Key", "acme",
}

func TestServeHTTP_Push_ReachesTheSubscriber(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	const sub = "projects/p/subscriptions/audit"
	for _, c := range []struct {
		name    string
		body    string
		headers []string
		want    transport.Message
		attempt int
	}{
		{"wrapped", msgBody(dlvBody), nil, transport.Message{ID: "11", Data: []byte(dlvBody), PublishTime: at, Subscription: sub}, 1},
		{"with an attempt", msgBody(dlvBody, `"deliveryAttempt": 4, `), nil, transport.Message{ID: "11", Data: []byte(dlvBody), PublishTime: at, Subscription: sub, DeliveryAttempt: 4}, 4},
		{"in snake case", `{"message": {"message_id": "11", "publish_time": "2026-11-24T06:00:00Z", "attributes": {"a": "b"}}}`, nil,
			transport.Message{ID: "11", Attributes: map[string]string{"a": "b"}, PublishTime: at}, 1},
		{"unwrapped", dlvBody, append([]string{"Region", "emea", "Content-Type", "application/json", "Authorization", "Bearer x"}, msgUnwrapped...),
			transport.Message{ID: "11", Data: []byte(dlvBody), Attributes: map[string]string{"region": "emea"}, PublishTime: at, OrderingKey: "acme", Subscription: sub}, 1},
		{"unwrapped, by its subscription alone", "\xff", msgUnwrapped[:2], transport.Message{Data: []byte("\xff"), Subscription: sub}, 1},
		{"unwrapped, looking wrapped", msgBody("x"), msgUnwrapped[:4], transport.Message{ID: "11", Data: []byte(msgBody("x")), Subscription: sub}, 1},
		{"with headers that count for tasks", msgBody(dlvBody), []string{"X-CloudTasks-TaskRetryCount", "6"}, transport.Message{ID: "11", Data: []byte(dlvBody), PublishTime: at, Subscription: sub}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs := &msgRuns{}
			app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", runs.handle(nil)), dlvTask(dlvReturns(nil), tasks.WithName("audit")))
			dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...)), http.StatusOK, "executed")
			got := runs.one(t)
			if !reflect.DeepEqual(*got.message, c.want) {
				t.Errorf("it got\n %+v, want\n %+v", *got.message, c.want)
			}
			if m := got.meta; m.Name != "audit" || m.ID != c.want.ID || m.Attempt != c.attempt || m.Queue != "" || m.Eager || m.FirstAttempt() != (c.attempt == 1) {
				t.Errorf("metadata %+v, want attempt %d", m, c.attempt)
			}
		})
	}
}

func TestServeHTTP_UnwrappedPush_AttributesPassForNothingElse(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	remote := &dlvRemote{}
	app := dlvApp(t, tasks.Config{Transport: remote}, msgSubscriber("audit", runs.returns(tasks.HandOver())))
	forged := []string{
		"X-CloudTasks-QueueName", "forged", "X-CloudTasks-TaskName", "forged", "X-CloudTasks-TaskRetryCount", "7", "X-CloudTasks-Projectname", "forged",
		"X-CloudTasks-TaskRetryReason", "forged", "X-CloudScheduler-JobName", "forged", "Typedtasks-Id", "forged", "Typedtasks-Attempts", "7",
		"Typedtasks-Timeout", "30m", "Typedtasks-Retry", "attempts=1",
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", dlvBody, append(forged, msgUnwrapped...)...)), http.StatusOK, "enqueued")
	got := runs.one(t)
	if m := got.meta; m.ID != "11" || m.Queue != "" || m.Attempt != 1 || m.Project != "" || m.SchedulerJob != "" || m.RetryReason != "" || got.limit != transport.DefaultTimeout {
		t.Errorf("metadata %+v, limit %s", m, got.limit)
	}
	task := remote.one(t)
	for name := range task.Header {
		if strings.HasPrefix(name, "X-Cloud") || strings.HasPrefix(name, "Typedtasks") {
			t.Errorf("the task has the header %s", name)
		}
	}
}

func TestServeHTTP_Push_TimeIsTheSubscribers(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{},
		msgSubscriber("short", runs.handle(nil), func(s *tasks.Spec) { s.Timeout = 20 * time.Second }), msgSubscriber("plain", runs.handle(nil)))
	for path, want := range map[string]time.Duration{"/subscriptions/short": 20 * time.Second, "/subscriptions/plain": transport.DefaultTimeout} {
		dlvWant(t, dlvServe(t, app, dlvPost(path, msgBody(dlvBody))), http.StatusOK, "executed")
		if got := runs.one(t).limit; got != want {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
}

// msgBroken are pushes that are none.
var msgBroken = []struct {
	name, body string
	headers    []string
	says       string
}{
	{"empty", "", nil, "no Pub/Sub push"},
	{"bad JSON", `{"message": `, nil, "no Pub/Sub push"},
	{"trailing garbage", msgBody(dlvBody) + "}", nil, "no Pub/Sub push"},
	{"not UTF-8", "\xff\x00", nil, "no Pub/Sub push"},
	{"bad base64", `{"message": {"data": "e"}, "subscription": "s"}`, nil, "base64"},
	{"base64 of the URL alphabet", `{"message": {"data": "__79AA=="}}`, nil, "base64 of the standard alphabet"},
	{"no message", `{"subscription": "s"}`, nil, `no "message"`},
	{"data without its envelope", dlvBody, nil, "write_metadata"},
	{"bad time", `{"message": {"publishTime": "now"}}`, nil, "publishTime"},
	{"bad time in a header", dlvBody, []string{"X-Goog-Pubsub-Message-Id", "1", "X-Goog-Pubsub-Publish-Time", "now"}, "X-Goog-Pubsub-Publish-Time"},
}

func TestServeHTTP_BrokenPush_IsAnsweredAndNotRun(t *testing.T) {
	t.Parallel()
	for _, c := range msgBroken {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs, log := &msgRuns{}, &dlvLog{}
			app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, msgSubscriber("audit", runs.handle(nil)))
			got := dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...))
			dlvWant(t, got, http.StatusBadRequest, "rejected")
			if !strings.Contains(got.error, strings.ReplaceAll(c.says, `"`, `\"`)) || len(runs.all()) > 0 {
				t.Errorf("answered %s, want %q", got.error, c.says)
			}
			if rs := log.taken(); len(rs) != 1 || rs[0].message != "message rejected" || rs[0].level != slog.LevelWarn || rs[0].attrs["subscriber"] != "audit" {
				t.Errorf("logged %+v", rs)
			}

			var kept []tasks.Quarantined
			app = dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)}, msgSubscriber("audit", runs.handle(nil)))
			r := dlvPost("/subscriptions/audit", c.body, append([]string{"Authorization", "Bearer secret", "X-Kept", "1"}, c.headers...)...)
			dlvWant(t, dlvServe(t, app, r), http.StatusAccepted, "quarantined")
			if len(kept) != 1 || len(runs.all()) > 0 {
				t.Fatalf("kept %+v", kept)
			}
			if q := kept[0]; string(q.Body) != c.body || q.Name != "audit" || q.Kind != tasks.KindSubscriber || q.Attempt != 1 || q.Queue != "" ||
				!strings.Contains(q.Reason.Error(), c.says) || q.Header.Get("X-Kept") != "1" || q.Header.Get("Authorization") != "" {
				t.Errorf("kept %+v", q)
			}

			failing := func(context.Context, tasks.Quarantined) error { return errDlv }
			app = dlvApp(t, tasks.Config{Quarantine: failing}, msgSubscriber("audit", runs.handle(nil)))
			dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...)), http.StatusBadRequest, "rejected")
		})
	}
}

func TestServeHTTP_PushThatTheHandlerRejects_IsQuarantinedAsItCame(t *testing.T) {
	t.Parallel()
	handle := func(ctx context.Context, d *transport.Delivery) error {
		_, err := msgDecode(ctx, d.Message.Data)
		return err
	}
	var kept []tasks.Quarantined
	for _, c := range []struct {
		body    string
		headers []string
	}{
		{msgBody(`{"id": 0}`), nil},
		{`{"id": 0}`, msgUnwrapped},
		{``, msgUnwrapped},
	} {
		kept = nil
		app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", handle))
		got := dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...))
		dlvWant(t, got, http.StatusBadRequest, "rejected")
		if !strings.Contains(got.error, "id fails rule required") {
			t.Errorf("answered %s", got.error)
		}
		app = dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)}, msgSubscriber("audit", handle))
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", c.body, c.headers...)), http.StatusAccepted, "quarantined")
		if len(kept) != 1 || string(kept[0].Body) != c.body || kept[0].ID != "11" || kept[0].Attempt != 1 {
			t.Errorf("kept %+v", kept)
		}
	}
}

func TestServeHTTP_PushOfAnotherSubscription_StaysThere(t *testing.T) {
	t.Parallel()
	const full = "projects/p/subscriptions/audit"
	for _, c := range []struct {
		want, got string
		runs      bool
	}{
		{"audit", full, true}, {"audit", "audit", true}, {full, full, true}, {full, "audit", true}, {"", "projects/q/subscriptions/other", true}, {"audit", "", true},
		{"audit", "projects/q/subscriptions/audit", true}, // an id names no project
		{full, "projects/q/subscriptions/audit", false},
		{"audit", "projects/p/subscriptions/other", false}, {"audit", "Audit", false}, {full, "projects/p/subscriptions/audit2", false}, {"audit", "projects/", false},
		{"audit", full + "/", false}, {"audit", "x" + full, false},
	} {
		for _, unwrapped := range []bool{false, true} {
			body, headers := strings.Replace(msgBody(dlvBody), full, c.got, 1), []string(nil)
			if unwrapped {
				body, headers = dlvBody, []string{"X-Goog-Pubsub-Message-Id", "11", "X-Goog-Pubsub-Subscription-Name", c.got}
			}
			runs, log := &msgRuns{}, &dlvLog{}
			var kept []tasks.Quarantined
			app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept), Logger: slog.New(log)}, msgSubscriber("audit", runs.handle(nil), func(s *tasks.Spec) { s.Subscription = c.want }))
			got := dlvServe(t, app, dlvPost("/subscriptions/audit", body, headers...))
			if len(kept) > 0 {
				t.Errorf("%q of %q was quarantined", c.got, c.want)
			}
			if c.runs {
				dlvWant(t, got, http.StatusOK, "executed")
				runs.one(t)
				continue
			}
			dlvWant(t, got, http.StatusBadRequest, "rejected")
			if !strings.Contains(got.error, `\"`+c.got+`\": set that one's push endpoint right`) || len(runs.all()) > 0 {
				t.Errorf("%q of %q: answered %s", c.got, c.want, got.error)
			}
			if rs := log.taken(); len(rs) != 1 || rs[0].attrs["subscription"] != c.got || rs[0].level != slog.LevelWarn {
				t.Errorf("logged %+v", rs)
			}
		}
	}
}

func TestServeHTTP_PushToAnUnknownSubscriber(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 14<<20)
	var kept []tasks.Quarantined
	plain, keeping := dlvApp(t, tasks.Config{}), dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)})
	for _, body := range []string{msgBody(dlvBody), "", large} {
		dlvWant(t, dlvServe(t, plain, dlvPost("/subscriptions/nobody", body)), http.StatusNotFound, "not_found")
		kept = nil
		dlvWant(t, dlvServe(t, keeping, dlvPost("/subscriptions/nobody", body)), http.StatusAccepted, "quarantined")
		if len(kept) != 1 || string(kept[0].Body) != body || kept[0].Name != "nobody" || kept[0].Kind != "" {
			t.Errorf("kept %d, the body of %d bytes", len(kept), len(body))
		}
	}
	kept = nil
	dlvWant(t, dlvServe(t, keeping, dlvPost("/subscriptions/nobody", large+"x")), http.StatusRequestEntityTooLarge, "too_large")
	dlvWant(t, dlvServe(t, keeping, dlvPost("/tasks/nobody", large)), http.StatusRequestEntityTooLarge, "too_large")
	if len(kept) > 0 {
		t.Errorf("kept %d", len(kept))
	}
}

func TestServeHTTP_LargestPush(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", runs.handle(nil)))
	data := strings.Repeat("x", transport.MaxMessageSize)
	wrapped := `{"message": {"data": "` + base64.StdEncoding.EncodeToString([]byte(data)) + `", "messageId": "11"}}`
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", wrapped)), http.StatusOK, "executed")
	if got := runs.one(t); string(got.message.Data) != data {
		t.Errorf("it got %d bytes", len(got.message.Data))
	}
	most := strings.Repeat("x", 14<<20) // which is read, and no push
	for _, chunked := range []bool{false, true} {
		post := func(body string) *http.Request {
			if chunked {
				return httptest.NewRequest(http.MethodPost, "/subscriptions/audit", dlvUnsized(body))
			}
			return dlvPost("/subscriptions/audit", body)
		}
		dlvWant(t, dlvServe(t, app, post(most)), http.StatusBadRequest, "rejected")
		got := dlvServe(t, app, post(most+"x"))
		dlvWant(t, got, http.StatusRequestEntityTooLarge, "too_large")
		if got.header.Get("Connection") != "close" {
			t.Errorf("chunked %t: the connection stays open", chunked)
		}
	}
}

func TestServeHTTP_PushByAnotherMethod(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", (&msgRuns{}).handle(nil)))
	got := dlvServe(t, app, httptest.NewRequest(http.MethodGet, "/subscriptions/audit", nil))
	dlvWant(t, got, http.StatusMethodNotAllowed, "method_not_allowed")
	if got.header.Get("Allow") != http.MethodPost {
		t.Errorf("Allow: %q", got.header.Get("Allow"))
	}
}
