package pubsub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestEnqueue_ATaskPublishesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &evBroker{}
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		evMemory(t, tasks.Config{Broker: b}, p)
		began := time.Now()
		ctx := evHeaders(t.Context(), "traceparent", "00-1")
		order := &evOrder{ID: 7}
		rcpt, err := p.Enqueue(ctx, *order, pubsub.Attribute("region", "emea"), nil, pubsub.OrderingKey("acme"),
			pubsub.Task(tasks.In(time.Hour)), pubsub.Task(tasks.OnQueue("mail"), tasks.WithID("once")))
		if err != nil || rcpt.ID != "once" || rcpt.Queue != "mail" || !rcpt.ETA.Equal(began.Add(time.Hour)) || rcpt.Duplicate {
			t.Fatalf("%+v, %v", rcpt, err)
		}
		order.ID = 8
		if rcpt, err := p.Enqueue(ctx, evOrder{ID: 9}, pubsub.Task(tasks.OnQueue("mail"), tasks.WithID("once"))); err != nil || !rcpt.Duplicate {
			t.Errorf("%+v, %v, want a duplicate", rcpt, err)
		}
		evPass(time.Hour - time.Millisecond)
		if n := len(b.all()); n != 0 {
			t.Fatalf("%d were published before their time", n)
		}
		evPass(time.Millisecond)
		if n := len(b.all()); n != 1 {
			t.Fatalf("%d were published", n)
		}
		evEqual(t, "the message", b.last(t), transport.Message{Topic: "orders", OrderingKey: "acme",
			Data: []byte(`{"id":7,"_http_headers":{"traceparent":"00-1"}}`), Attributes: map[string]string{"region": "emea"}})
	})
}

func TestEnqueue_TheBrokerFails_TheTaskIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		b := &evBroker{fail: func(*transport.Message) error {
			if failures--; failures >= 0 {
				return &transport.Error{Op: transport.OpPublish, Kind: transport.KindCapacity}
			}
			return nil
		}}
		raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
		var lost []tasks.Quarantined
		evMemory(t, tasks.Config{Broker: b, Quarantine: func(_ context.Context, q tasks.Quarantined) error { lost = append(lost, q); return nil }}, raw)
		evDo(raw.Enqueue(t.Context(), pubsub.Raw{0, 255}))(t)
		evPass(time.Minute)
		if m := b.last(t); string(m.Data) != "\x00\xff" || len(b.all()) != 1 || m.Attributes != nil {
			t.Errorf("published %+v", m)
		}
		if len(lost) > 0 {
			t.Errorf("quarantined %+v", lost)
		}
	})
}

// What the broker will never take is not tried for days.
func TestEnqueue_TheBrokerRefuses_TheTaskIsRejected(t *testing.T) {
	t.Parallel()
	for _, kind := range []transport.Kind{transport.KindInvalid, transport.KindTooLarge} {
		remote := &evRemote{}
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		b := &evBroker{fail: func(*transport.Message) error { return &transport.Error{Op: transport.OpPublish, Kind: kind} }}
		app := evApp(t, tasks.Config{Transport: remote, Broker: b}, p)
		evDo(p.Enqueue(t.Context(), evOrder{ID: 1}))(t)
		a := evRun(t, app, remote.one(t), 1)
		a.want(t, http.StatusBadRequest, "rejected")
		if !strings.Contains(a.error, "pubsub: publish orders: ") {
			t.Errorf("answered %q", a.error)
		}
		b.fail = func(*transport.Message) error { return errEv }
		evRun(t, app, remote.one(t), 2).want(t, http.StatusInternalServerError, "failed")
		task := *remote.one(t)
		for _, body := range []string{``, `{`, `{"topic": 1}`, `{"topic": "orders", "data": "not base64"}`, `{"topic":"orders","data":"eA=="} trailing`} {
			task.Body = []byte(body)
			evRun(t, app, &task, 1).want(t, http.StatusBadRequest, "rejected")
		}
		b.fail = nil
		task.Body = []byte(`{}`)
		evRun(t, app, &task, 1).want(t, http.StatusBadRequest, "rejected")
		task.Body = []byte(`{"topic": "x/y", "data": "eA=="}`)
		evRun(t, app, &task, 1).want(t, http.StatusBadRequest, "rejected")
		task.Body = []byte(`{"topic": "orders", "data": "eA==", "of a later version": 1}`)
		evRun(t, app, &task, 1).want(t, http.StatusOK, "executed")
		if got := string(b.last(t).Data); got != "x" {
			t.Errorf("published %q", got)
		}
	}
}

func TestEnqueue_IsServedAndNamedAfterThePublisher(t *testing.T) {
	t.Parallel()
	remote, b := &evRemote{}, &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	app := evApp(t, tasks.Config{Transport: remote, Broker: b, Queue: "default"}, p,
		tasks.New(func(context.Context, evOrder) error { return errEv }, tasks.WithName("orders")))
	var sees []string
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			sees = append(sees, ts[0].URL)
			return next(ctx, ts)
		}
	})
	rcpt := evDo(p.Enqueue(t.Context(), evOrder{ID: 7}, pubsub.Attribute("a", "b"), pubsub.OrderingKey("k")))(t)
	task := remote.one(t)
	if task.URL != "https://shop.example.com/tasks/orders.publish" || task.Queue != "default" || rcpt.Queue != "default" || len(sees) != 1 || sees[0] != task.URL ||
		task.Header.Get("Content-Type") != "application/json" {
		t.Errorf("enqueued %+v, receipt %+v, middleware saw %v", task, rcpt, sees)
	}
	evEqual(t, "the task's body", string(task.Body), `{"topic":"orders","data":"eyJpZCI6N30=","attributes":{"a":"b"},"ordering_key":"k"}`)
	evRun(t, app, task, 1).want(t, http.StatusOK, "executed")
	evRun(t, app, task, 2).want(t, http.StatusOK, "executed") // at least once
	if n := len(b.all()); n != 2 {
		t.Errorf("%d published", n)
	}
}

func TestEnqueue_WhatIsRefused_EnqueuesNothing(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	evApp(t, tasks.Config{Transport: remote, MaxETA: 2 * time.Hour}, p, raw)
	_, err := p.Enqueue(t.Context(), evOrder{})
	evSays(t, err, "pubsub: enqueue orders: ", "id fails rule required")
	_, err = p.Enqueue(t.Context(), evOrder{ID: 1}, pubsub.Attribute("", "v"))
	evIs(t, err, tasks.ErrInvalid)
	_, err = p.Enqueue(t.Context(), evOrder{ID: 1}, pubsub.Task(tasks.In(3*time.Hour)))
	evIs(t, err, tasks.ErrTooFar)
	evSays(t, err, "pubsub: enqueue orders: ")
	_, err = p.Enqueue(t.Context(), evOrder{ID: 1}, pubsub.Task(tasks.WithTimeout(time.Second)))
	evIs(t, err, tasks.ErrInvalid)
	_, err = raw.Enqueue(t.Context(), make(pubsub.Raw, 790_000)) // 1.05 million in base64
	evIs(t, err, tasks.ErrTooLarge)
	evSays(t, err, "pubsub: enqueue raw: ")
	if n := len(remote.all()); n > 0 {
		t.Errorf("%d were enqueued", n)
	}
	evDo(raw.Enqueue(t.Context(), make(pubsub.Raw, 780_000)))(t)
	remote.fail = func(*transport.Task) error { return errEv }
	_, err = p.Enqueue(t.Context(), evOrder{ID: 1})
	evIs(t, err, errEv)
}

func TestEnqueue_Eager_PublishesAtOnce(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Eager: true, Broker: b}, p)
	evDo(p.Enqueue(t.Context(), evOrder{ID: 1}, pubsub.Task(tasks.In(time.Hour))))(t)
	if got := string(b.last(t).Data); got != `{"id":1}` {
		t.Errorf("published %s", got)
	}
	b.fail = func(*transport.Message) error { return errEv }
	if _, err := p.Enqueue(t.Context(), evOrder{ID: 1}); !errors.Is(err, errEv) {
		t.Errorf("error %v, want the broker's", err)
	}
	b.fail = func(*transport.Message) error { return &transport.Error{Kind: transport.KindInvalid} }
	_, err := p.Enqueue(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrInvalid)
}
