package tasks_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestDeliver_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range msgOutcomes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs := &msgRuns{}
			sub := msgSubscriber("audit", runs.returns(c.err), func(s *tasks.Spec) { s.Timeout = 42 * time.Second })
			app := dlvApp(t, tasks.Config{}, sub)
			err := app.Deliver(t.Context(), sub, &transport.Message{ID: "11", Data: []byte(dlvBody), DeliveryAttempt: 2})
			if (err == nil) != (c.code < 300) || err != nil && !errors.Is(err, c.err) {
				t.Errorf("returned %v", err)
			}
			if got := runs.one(t); got.meta.ID != "11" || got.meta.Attempt != 2 || got.meta.Eager || got.queue != "" || got.limit != 42*time.Second {
				t.Errorf("it ran with %+v", got)
			}
		})
	}
}

func TestDeliver_RejectedMessage_IsQuarantinedOrComesAgain(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"", "other"} { // the subscription
		var kept []tasks.Quarantined
		failing := false
		keep := func(ctx context.Context, q tasks.Quarantined) error {
			if failing {
				return errDlv
			}
			return dlvKeep(&kept)(ctx, q)
		}
		sub := msgSubscriber("audit", func(ctx context.Context, d *transport.Delivery) error {
			_, err := msgDecode(ctx, d.Message.Data)
			return err
		}, func(s *tasks.Spec) { s.Subscription = want })
		m := &transport.Message{ID: "11", Data: []byte(`{}`), Attributes: map[string]string{"a": "b"}, Subscription: "audit"}

		plain := dlvApp(t, tasks.Config{}, sub)
		if err := plain.Deliver(t.Context(), sub, m); err == nil {
			t.Error("a rejected message is done with")
		}
		keeping := dlvApp(t, tasks.Config{Quarantine: keep}, sub)
		err := keeping.Deliver(t.Context(), sub, m)
		if want != "" { // it is another's
			enqSays(t, err, `takes messages of subscription "other", not of "audit"`)
			if len(kept) > 0 {
				t.Errorf("kept %+v", kept)
			}
			continue
		}
		if err != nil || len(kept) != 1 || kept[0].ID != "11" || string(kept[0].Body) != msgPushed(m) || kept[0].Kind != tasks.KindSubscriber {
			t.Errorf("returned %v, kept %+v", err, kept)
		}
		failing = true
		enqSays(t, keeping.Deliver(t.Context(), sub, m), "id fails rule required")
	}
}

func TestDeliver_WhatPanics_Fails(t *testing.T) {
	t.Parallel()
	sub := msgSubscriber("audit", func(context.Context, *transport.Delivery) error { panic("out of ink") })
	app := dlvApp(t, tasks.Config{}, sub)
	enqSays(t, app.Deliver(t.Context(), sub, &transport.Message{ID: "1"}), "out of ink")
}

func TestDeliver_OfNoneOfTheApps_IsRefused(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	sub := msgSubscriber("audit", runs.handle(nil))
	app := dlvApp(t, tasks.Config{})
	err := app.Deliver(t.Context(), sub, &transport.Message{ID: "1"})
	if !errors.Is(err, tasks.ErrNotRegistered) || len(runs.all()) > 0 {
		t.Errorf("returned %v", err)
	}
	enqSays(t, err, `the App "shop"`)
}

func TestDeliver_ShutdownWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release, done := make(chan struct{}), make(chan error, 1)
		sub := msgSubscriber("audit", func(ctx context.Context, _ *transport.Delivery) error { <-release; return ctx.Err() })
		app := dlvApp(t, tasks.Config{}, sub)
		go func() { done <- app.Deliver(t.Context(), sub, &transport.Message{ID: "1"}) }()
		synctest.Wait()
		select {
		case <-app.ShuttingDown():
			t.Error("it shuts down already")
		default:
		}
		ended := dlvEnding(t.Context(), app)
		dlvPending(t, ended)
		<-app.ShuttingDown() // while the delivery still runs
		if err := app.Deliver(t.Context(), sub, &transport.Message{ID: "2"}); !errors.Is(err, tasks.ErrShutdown) {
			t.Errorf("while it ends, Deliver returns %v", err)
		}
		close(release)
		if err := errors.Join(<-done, <-ended); err != nil {
			t.Error(err)
		}
		if err := app.Deliver(t.Context(), sub, &transport.Message{ID: "2"}); !errors.Is(err, tasks.ErrShutdown) {
			t.Errorf("after its end, Deliver returns %v", err)
		}
	})
}

// The bare form of Eager: whoever publishes is who the subscriber answers.
func TestEager_SubscriberRunsInItsPublisher(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		says string // empty: none
	}{
		{nil, ""}, {tasks.Discard(errDlv), ""},
		{errDlv, errDlv.Error()},
		{tasks.Snooze(time.Hour), "snoozed for 1h0m0s, but it ran in its caller"},
		{tasks.RetryAfter(time.Hour, errDlv), "but it ran in its caller"},
		{tasks.HandOver(), "handed over to a task, but it ran in its caller"},
		{tasks.Reject(errDlv), errDlv.Error()},
	} {
		for _, remote := range []bool{false, true} { // whether tasks go elsewhere
			runs, sink := &msgRuns{}, &dlvRemote{}
			var kept []tasks.Quarantined
			broker := eager.New()
			cfg := tasks.Config{Transport: broker, Quarantine: dlvKeep(&kept)}
			if remote {
				cfg.Transport, cfg.Broker = sink, broker
			}
			app := dlvApp(t, cfg, msgSubscriber("audit", runs.returns(c.err)))
			msgDeclared(t, broker, "audit")
			_, err := app.PublishMessage(t.Context(), &transport.Message{Topic: "orders", Data: []byte(dlvBody)})
			if c.says != "" {
				enqSays(t, err, c.says)
			} else if err != nil {
				t.Errorf("%v: Publish returns %v", c.err, err)
			}
			if got := runs.one(t); !got.meta.Eager || string(got.message.Data) != dlvBody || len(sink.sent()) > 0 || len(kept) > 0 {
				t.Errorf("%v: it ran with %+v, kept %d", c.err, got.meta, len(kept))
			}
		}
	}
}

// Tasks that run in their caller do not make messages do so that come from elsewhere.
func TestEager_WithAnotherBroker_MessagesAreItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, log := memory.New(), &dlvLog{}
		var kept []tasks.Quarantined
		runs := &msgRuns{}
		app := dlvApp(t, tasks.Config{Eager: true, Broker: broker, Quarantine: dlvKeep(&kept)}, msgSubscriber("audit", runs.returns(tasks.Reject(errDlv))))
		msgDeclared(t, broker, "audit")
		if _, err := app.PublishMessage(t.Context(), &transport.Message{Topic: "orders", Data: []byte(dlvBody)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := runs.one(t); got.meta.Eager || len(kept) != 1 {
			t.Errorf("it ran with %+v, kept %d, logged %+v", got.meta, len(kept), log.taken())
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What a broker hands over stays its own.
func TestServeLocal_DeliveryOfAMessage_IsNotChanged(t *testing.T) {
	t.Parallel()
	local := &dlvLocal{}
	runs := &msgRuns{}
	dlvApp(t, tasks.Config{Transport: local}, msgSubscriber("audit", runs.handle(nil)))
	m := &transport.Message{ID: "11", Data: []byte(`{"_http_headers": {"traceparent": "00-1"}}`), DeliveryAttempt: 3}
	asTask := transport.Task{ID: "x", Queue: "q", URL: "https://shop.example.com/subscriptions/audit", Body: pushwire.Body(m)}
	for _, d := range []*transport.Delivery{
		{Task: transport.Task{URL: asTask.URL}, Attempt: 1, Message: m},
		{Task: asTask, Attempt: 2},
	} {
		before := *d
		if status, _, err := local.handler(t.Context(), d); status != http.StatusOK || err != nil {
			t.Errorf("answered %d, %v", status, err)
		}
		if d.ID != before.ID || d.Attempt != before.Attempt || d.Message != before.Message || d.Header != nil {
			t.Errorf("the delivery became %+v", d)
		}
		if got := runs.one(t); msgFlat(got.headers) != "Traceparent=00-1" || got.message.ID != "11" {
			t.Errorf("it ran with %+v", got)
		}
	}
}

func TestServeLocal_MessageToNobody_IsQuarantined(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	local, log := &dlvLocal{}, &dlvLog{}
	dlvApp(t, tasks.Config{Transport: local, Quarantine: dlvKeep(&kept), Logger: slog.New(log)})
	m := &transport.Message{ID: "11", Data: []byte(dlvBody)}
	status, _, err := local.handler(t.Context(), &transport.Delivery{Task: transport.Task{URL: "https://shop.example.com/subscriptions/nobody"}, Attempt: 1, Message: m})
	if status != http.StatusAccepted || len(kept) != 1 || string(kept[0].Body) != msgPushed(m) || kept[0].Name != "nobody" {
		t.Errorf("answered %d, %v, kept %+v", status, err, kept)
	}
	if reason := kept[0].Reason.Error(); reason != `no subscriber "nobody" is registered` || kept[0].Kind != "" {
		t.Errorf("the reason is %s, the kind %q", reason, kept[0].Kind)
	}
	if rs := log.taken(); len(rs) != 1 || rs[0].message != "message quarantined" || rs[0].attrs["subscriber"] != "nobody" || rs[0].attrs["task"] != "" {
		t.Errorf("logged %+v", rs)
	}
}
