package pubsub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestViaTasks_APushBecomesOneTask(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	var seen evSeen[evGot]
	fail := true
	app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(evNote(&seen, func(evOrder) error {
		if fail {
			return errEv
		}
		return nil
	}), pubsub.Subscription("audit"), pubsub.ViaTasks(tasks.OnQueue("audits"), tasks.WithTimeout(5*time.Minute)),
		pubsub.ViaTasks(tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3}), tasks.WithHeader("X-Who", "me"))))
	post := evServer(t, app)
	push := evPush(`{"id": 1, "_http_headers": {"traceparent": "00-1"}}`, `, "orderingKey": "acme", "attributes": {"a": "b"}`)
	push = strings.Replace(push, `"subscription"`, `"deliveryAttempt": 3, "subscription"`, 1)
	for range 2 {
		post("/subscriptions/audit", push).want(t, 200, "enqueued")
	}
	if list := seen.all(); len(list) > 0 {
		t.Fatalf("ran as it came: %+v", list)
	}
	task := remote.one(t)
	if task.Queue != "audits" || task.Timeout != 5*time.Minute || task.Retry.MaxAttempts != 3 || task.Header.Get("X-Who") != "me" ||
		task.URL != "https://shop.example.com/subscriptions/audit" || string(task.Body) != push || task.Header.Get("Traceparent") != "00-1" {
		t.Errorf("enqueued %+v", task)
	}
	evRun(t, app, task, 1).want(t, 500, "failed")
	fail = false
	evRun(t, app, task, 2).want(t, 200, "executed")
	for i, got := range seen.all() {
		evEqual(t, "the data", got.data, evOrder{ID: 1})
		evEqual(t, "the message", got.message, pubsub.Message[struct{}]{Attributes: map[string]string{"a": "b"}, ID: "11", OrderingKey: "acme", DeliveryAttempt: 3,
			PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)})
		if m := got.meta; m.Queue != "audits" || m.ID != task.ID || m.Attempt != i+1 || got.headers.Get("Traceparent") != "00-1" || got.limit != 5*time.Minute {
			t.Errorf("metadata %+v, headers %v, limit %s", m, got.headers, got.limit)
		}
	}
	post("/subscriptions/audit", strings.Replace(push, `"11"`, `"12"`, 1)).want(t, 200, "enqueued")
	if n := len(remote.all()); n != 2 {
		t.Errorf("%d tasks of two messages", n)
	}
}

func TestViaTasks_WhatIsRefused_BecomesNoTask(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("audit"), pubsub.ViaTasks()))
	post := evServer(t, app)
	post("/subscriptions/audit", evPush(`{"id": 0}`)).want(t, 400, "rejected")
	post("/subscriptions/audit", evPush(`{`)).want(t, 400, "rejected")
	post("/subscriptions/audit", strings.Replace(evPush(`{"id": 1}`), "/audit", "/other", 1)).want(t, 400, "rejected")
	if n := len(remote.all()); n > 0 {
		t.Errorf("%d tasks were enqueued", n)
	}
	// Nothing is acknowledged unless the task is there.
	remote.fail = func(*transport.Task) error { return errEv }
	post("/subscriptions/audit", evPush(`{"id": 1}`)).want(t, 500, "failed")
}

func TestViaTasks_WhatDoesNotFitIntoATask_IsHandledAsItComes(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	var seen evSeen[evGot]
	app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(evNote[pubsub.Raw](&seen, nil), pubsub.WithName("raw"), pubsub.Topic("raw"), pubsub.ViaTasks()))
	post := evServer(t, app)
	escaped := map[string]string{} // each byte of these takes six in JSON
	for i := range 100 {
		escaped[fmt.Sprint("k", i)] = strings.Repeat("\x01", 1024)
	}
	attributes := evJSON(t, escaped)
	for _, c := range []struct {
		size   int
		attrs  string
		status string
	}{
		{700_000, "", "enqueued"},
		{740_000, "", "executed"},
		{1_000_000, "", "executed"},
		{200_000, attributes, "enqueued"},
		{400_000, attributes, "executed"},
	} {
		members := ""
		if c.attrs != "" {
			members = `, "attributes": ` + c.attrs
		}
		post("/subscriptions/raw", strings.Replace(evPush(strings.Repeat("x", c.size), members), `"11"`, fmt.Sprintf(`"%d%d"`, c.size, len(c.attrs)), 1)).want(t, 200, c.status)
		if got := seen.all(); (len(got) == 1) != (c.status == "executed") {
			t.Errorf("%d bytes: ran %d times", c.size, len(got))
		}
	}
	if n := len(remote.all()); n != 2 {
		t.Errorf("%d tasks, want 2", n)
	}
}

func TestViaTasks_Unwrapped(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	var seen evSeen[evGot]
	app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(evNote[evOrder](&seen, nil), pubsub.Subscription("audit"), pubsub.Unwrapped(), pubsub.ViaTasks()))
	evServer(t, app)("/subscriptions/audit", `{"id": 1}`, "x-goog-pubsub-message-id", "77", "x-goog-pubsub-subscription-name", "projects/p/subscriptions/audit",
		"x-goog-pubsub-publish-time", "2026-11-24T06:00:00Z", "region", "emea").want(t, 200, "enqueued")
	task := remote.one(t)
	if task.Header.Get("region") != "" {
		t.Errorf("attributes have become the task's headers: %v", task.Header)
	}
	evRun(t, app, task, 1).want(t, 200, "executed")
	evEqual(t, "the message", seen.one(t).message, pubsub.Message[struct{}]{Attributes: map[string]string{"region": "emea"}, ID: "77",
		PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)})
}

func TestViaTasks_OverMemory_RunsAndRetriesAsATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen evSeen[evGot]
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		var attempts int
		evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(evNote(&seen, func(evOrder) error {
			if attempts++; attempts < 3 {
				return errEv
			}
			return nil
		}), pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.DeadLetter("dead"),
			pubsub.ViaTasks(tasks.OnQueue("audits"), tasks.In(time.Minute), tasks.WithRetryConfig(transport.RetryConfig{MinBackoff: time.Second, MaxBackoff: time.Second}))))
		id := evDo(p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}, pubsub.Attribute("a", "b")))(t)
		evPass(time.Minute - time.Millisecond)
		if list := seen.all(); len(list) > 0 {
			t.Fatalf("ran at once: %+v", list)
		}
		evPass(time.Hour)
		list := seen.all()
		if len(list) != 3 {
			t.Fatalf("ran %d times, want 3", len(list))
		}
		for i, got := range list {
			if m := got.meta; m.Queue != "audits" || m.Attempt != i+1 || got.message.ID != id || got.message.Attributes["a"] != "b" || got.headers.Get("Traceparent") != "00-1" ||
				evJSON(t, got.data) != `{"id":1}` {
				t.Errorf("run %d: %+v", i, got)
			}
		}
	})
}

func TestViaTasks_Eager_RunsInTheCaller(t *testing.T) {
	t.Parallel()
	var seen evSeen[evGot]
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Eager: true}, p, pubsub.NewSubscriber(evNote(&seen, func(evOrder) error { return errEv }), pubsub.Topic("orders"),
		pubsub.Subscription("audit"), pubsub.ViaTasks(tasks.OnQueue("audits"), tasks.In(time.Hour))))
	_, err := p.Publish(t.Context(), evOrder{ID: 1})
	evIs(t, err, errEv)
	if got := seen.one(t); !got.meta.Eager {
		t.Errorf("metadata %+v", got.meta)
	}
}

func TestSnooze_TurnsAMessageIntoATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen evSeen[evGot]
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		snoozes := 2
		evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(evNote(&seen, func(evOrder) error {
			if snoozes--; snoozes >= 0 {
				return tasks.Snooze(time.Hour)
			}
			return nil
		}), pubsub.Topic("orders"), pubsub.Subscription("audit")))
		id := evDo(p.Publish(t.Context(), evOrder{ID: 1}, pubsub.OrderingKey("k")))(t)
		evPass(0)
		if got := seen.one(t); got.meta.Queue != "" || got.meta.ID != id {
			t.Errorf("first %+v", got.meta)
		}
		for i := range 2 {
			evPass(time.Hour - time.Second)
			if list := seen.all(); len(list) > 0 {
				t.Fatalf("came back too soon: %+v", list)
			}
			evPass(time.Second)
			got := seen.one(t)
			if got.meta.Queue != "shop" || got.message.ID != id || got.message.OrderingKey != "k" || got.meta.Attempt != i+2 {
				t.Errorf("run %d: %+v, message %+v", i+2, got.meta, got.message)
			}
		}
		evPass(24 * time.Hour)
		if list := seen.all(); len(list) > 0 {
			t.Errorf("and again: %+v", list)
		}
	})
}

// A snooze that cannot be enqueued acknowledges nothing.
func TestSnooze_NotEnqueued_IsNotAcknowledged(t *testing.T) {
	t.Parallel()
	remote := &evRemote{fail: func(*transport.Task) error { return errEv }}
	app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(
		func(context.Context, pubsub.Message[evOrder]) error { return tasks.Snooze(time.Hour) }, pubsub.Subscription("audit")))
	post := evServer(t, app)
	post("/subscriptions/audit", evPush(`{"id": 1}`)).want(t, http.StatusInternalServerError, "failed")
	remote.fail = nil
	for range 2 {
		post("/subscriptions/audit", evPush(`{"id": 1}`)).want(t, http.StatusOK, "snoozed")
	}
	task := remote.one(t)
	var body map[string]json.RawMessage
	if err := json.Unmarshal(task.Body, &body); err != nil || body["message"] == nil || time.Until(task.ETA) < 59*time.Minute {
		t.Errorf("enqueued %+v", task)
	}
}
