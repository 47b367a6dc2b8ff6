package tasks_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSnooze_OfAMessage_MakesATaskThatIsDueThen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts  []tasks.EnqueueOption
		sleep time.Duration
	}{
		"plain":                  {nil, time.Hour},
		"at once":                {nil, 0},
		"over the options' In":   {[]tasks.EnqueueOption{tasks.In(time.Minute)}, time.Hour},
		"over their Within":      {[]tasks.EnqueueOption{tasks.Within(time.Minute)}, time.Hour},
		"over their At":          {[]tasks.EnqueueOption{tasks.At(time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC))}, time.Hour},
		"over their In, at once": {[]tasks.EnqueueOption{tasks.In(time.Minute)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				remote, runs := &dlvRemote{}, &msgRuns{}
				app := dlvApp(t, tasks.Config{Transport: remote}, msgSubscriber("audit", runs.returns(tasks.Snooze(c.sleep)), msgOptions(c.opts...)))
				dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody, `"deliveryAttempt": 3, `))), http.StatusOK, "snoozed")
				got := remote.one(t)
				if due := time.Until(got.ETA); c.sleep > 0 && due != c.sleep || c.sleep == 0 && !got.ETA.IsZero() {
					t.Errorf("due in %s, want %s", due, c.sleep)
				}
				first, ok := strings.CutSuffix(got.ID, "-s1")
				if !ok || !msgTaskID.MatchString(first) || got.Header.Get("Typedtasks-Id") != first || got.Header.Get("Typedtasks-Attempts") != "3" {
					t.Errorf("enqueued %q with %v", got.ID, got.Header)
				}
			})
		})
	}
}

// The task's later runs are those of any other task, whatever the subscription's ack deadline.
func TestSnooze_OfAMessage_AgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		remote, runs := &dlvRemote{}, &msgRuns{}
		app := dlvApp(t, tasks.Config{Transport: remote}, msgSubscriber("audit", runs.returns(tasks.Snooze(time.Hour)), func(s *tasks.Spec) { s.Timeout = 10 * time.Second }))
		body := msgBody(`{"_http_headers": {"traceparent": "00-1"}}`)
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body)), http.StatusOK, "snoozed")
		first := runs.one(t)
		task := remote.one(t)
		id := strings.TrimSuffix(task.ID, "-s1")
		for i, want := range []string{"-s2", "-s3", "-s4"} {
			dlvWant(t, msgAsTask(t, app, task, "X-CloudTasks-TaskRetryCount", "1"), http.StatusOK, "snoozed")
			got := runs.one(t)
			if got.meta.ID != id || got.meta.Attempt != 1+2*(i+1) || got.queue != "shop" || got.limit != transport.DefaultTimeout {
				t.Errorf("run %d: %+v, limit %s", i+2, got.meta, got.limit)
			}
			if string(got.message.Data) != string(first.message.Data) || msgFlat(got.headers) != "Traceparent=00-1" {
				t.Errorf("run %d: message %+v, headers %v", i+2, got.message, got.headers)
			}
			task = remote.one(t)
			if task.ID != id+want || task.Timeout != 0 || time.Until(task.ETA) != time.Hour || string(task.Body) != body {
				t.Errorf("run %d enqueued %+v", i+2, task)
			}
		}
	})
}

func TestSnooze_OfAMessageWithoutAnID_KeepsItsAttempts(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	sub := msgSubscriber("audit", (&msgRuns{}).returns(tasks.Snooze(time.Hour)))
	app := dlvApp(t, tasks.Config{Transport: remote}, sub)
	if err := app.Deliver(t.Context(), sub, &transport.Message{Data: []byte("x"), DeliveryAttempt: 4}); err != nil {
		t.Fatal(err)
	}
	if got := remote.one(t); got.ID != "" || got.Header.Get("Typedtasks-Id") != "" || got.Header.Get("Typedtasks-Attempts") != "4" {
		t.Errorf("enqueued %q with %v", got.ID, got.Header)
	}
}

// msgDeclared declares a subscription of a topic "orders" to a subscriber of an App with dlvApp's endpoint.
func msgDeclared(t testing.TB, b transport.SubscriptionDeclarer, name string, set ...func(*transport.Subscription)) {
	t.Helper()
	s := &transport.Subscription{Name: name, Topic: "orders", Push: &transport.PushConfig{Endpoint: "https://shop.example.com/subscriptions/" + name}}
	for _, f := range set {
		f(s)
	}
	if err := b.DeclareSubscription(s); err != nil {
		t.Fatal(err)
	}
}

func TestMessage_InMemory_IsHandedOverAndSnoozed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handed, snoozed := &msgRuns{}, &msgRuns{}
		app, mem := dlvMemory(t, tasks.Config{},
			msgSubscriber("handed", handed.handle(func(_ context.Context, r msgRun) error {
				if r.queue == "" {
					return tasks.HandOver()
				}
				if r.meta.Attempt == 1 {
					return errDlv
				}
				return nil
			}), msgOptions(tasks.OnQueue("slow"))),
			msgSubscriber("snoozed", snoozed.handle(func(_ context.Context, r msgRun) error {
				if r.meta.Attempt < 3 {
					return tasks.Snooze(time.Hour)
				}
				return nil
			}), func(s *tasks.Spec) { s.Timeout = 10 * time.Second }))
		msgDeclared(t, mem, "handed")
		msgDeclared(t, mem, "snoozed")
		began := time.Now()
		id, err := app.PublishMessage(t.Context(), &transport.Message{Topic: "orders", Data: []byte(`{"id": 7, "_http_headers": {"traceparent": "00-1"}}`), Attributes: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		dlvPass(3 * time.Hour)

		runs := handed.all()
		if len(runs) != 3 {
			t.Fatalf("handed over, it ran %d times, want 3", len(runs))
		}
		for i, r := range runs {
			if r.message.ID != id || r.message.Attributes["a"] != "b" || !r.message.PublishTime.Equal(began) || msgFlat(r.headers) != "Traceparent=00-1" || r.queue != []string{"", "slow", "slow"}[i] || r.meta.Eager {
				t.Errorf("run %d: %+v", i+1, r)
			}
		}
		if a, b := runs[1].meta.Attempt, runs[2].meta.Attempt; a != 1 || b != 2 || runs[1].limit != transport.DefaultTimeout {
			t.Errorf("as a task, its attempts were %d and %d, and the limit %s", a, b, runs[1].limit)
		}
		runs = snoozed.all()
		if len(runs) != 3 {
			t.Fatalf("snoozed, it ran %d times, want 3", len(runs))
		}
		for i, r := range runs {
			if r.message.ID != id || r.meta.Attempt != i+1 {
				t.Errorf("run %d: %+v", i+1, r)
			}
		}
		for _, name := range []string{"handed", "snoozed"} {
			if n, err := mem.SubscriptionBacklog(t.Context(), name); n != 0 || err != nil {
				t.Errorf("%s: %d messages are left, %v", name, n, err)
			}
		}
	})
}
