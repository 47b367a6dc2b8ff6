package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// bdyOrder is a payload with a key.
type bdyOrder struct {
	ID int `json:"id" validate:"required"`
}

func (o bdyOrder) UniqueKey() string { return strings.Repeat("k", o.ID) }

func TestRunBody_RunsAsTaskRunDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []string
		order := tasks.NewWithResult(func(ctx context.Context, o bdyOrder) (int, error) {
			m, _ := tasks.MetadataFrom(ctx)
			deadline, _ := ctx.Deadline()
			got = append(got, m.Name, m.Queue, m.Header.Get("Traceparent"), m.Header.Get("X-Own"), m.ETA.Format(time.TimeOnly), time.Until(deadline).String())
			return o.ID * 2, nil
		}, tasks.WithName("order"), tasks.OnQueue("mail"), tasks.WithTimeout(time.Minute), tasks.WithHeader("X-Own", "1"))
		app := dlvApp(t, tasks.Config{}, order)
		wrapped := 0
		app.Use(func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) { wrapped++; return next(ctx, d) }
		})
		ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {"00-1"}})
		ran, err := app.RunBody(ctx, order, []byte(`{"id":7}`))
		want := "order mail 00-1 1 " + time.Now().Format(time.TimeOnly) + " 1m0s"
		if ran.Result != 14 || ran.Outcome != tasks.OutcomeExecuted || ran.Reason != nil || err != nil || strings.Join(got, " ") != want || wrapped != 1 {
			t.Errorf("%v, %v; the function saw %q, want %q; %d times through middleware", ran, err, got, want, wrapped)
		}
	})
}

func TestRunBody_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		returned error
		outcome  tasks.Outcome
		is       error
		says     string
	}{
		{"done", nil, tasks.OutcomeExecuted, nil, ""},
		{"discarded", tasks.Discard(errDlv), tasks.OutcomeDiscarded, nil, ""},
		{"failed", errDlv, tasks.OutcomeFailed, errDlv, ""},
		{"snoozed", tasks.Snooze(time.Minute), tasks.OutcomeSnoozed, nil, "snoozed for 1m0s, but it ran in its caller"},
		{"retry after", tasks.RetryAfter(time.Minute, errDlv), tasks.OutcomeRetryLater, errDlv, "it ran in its caller"},
	} {
		task := dlvTask(dlvReturns(c.returned))
		ran, err := dlvApp(t, tasks.Config{}, task).RunBody(t.Context(), task, []byte(`{"id":7}`))
		if ran.Result != nil || ran.Outcome != c.outcome || (err == nil) != (c.is == nil && c.says == "") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %+v, %v", c.name, ran, err)
		}
		if discarded := c.outcome == tasks.OutcomeDiscarded; discarded != (ran.Reason != nil) || discarded && (!errors.Is(ran.Reason, errDlv) || ran.Reason.Error() != "discarded: "+errDlv.Error() || tasks.OutcomeOf(ran.Reason) != tasks.OutcomeFailed) {
			t.Errorf("%s: the reason is %v", c.name, ran.Reason)
		}
		if c.says != "" {
			enqSays(t, err, c.says)
		}
	}
}

func TestRunBody_Refused_RunsNothing(t *testing.T) {
	t.Parallel()
	ran := false
	task := tasks.New(func(context.Context, bdyOrder) error { ran = true; return nil }, tasks.WithName("order"))
	publisher, stranger := bdyPublisher(), dlvTask(dlvReturns(nil))
	app := dlvApp(t, tasks.Config{}, task, publisher)
	app.Use(func(next tasks.Handler) tasks.Handler { ran = true; return next })
	ran = false
	for _, c := range []struct {
		name, body string
		def        tasks.Definition
		is         func(error) bool
		says       string
	}{
		{"does not decode", `{"id":"x"}`, task, bdyAs[*tasks.DecodeError], "tasks: order: payload is not valid json: id: want int, got string"},
		{"empty", "", task, bdyAs[*tasks.DecodeError], "it is empty"},
		{"does not validate", `{}`, task, bdyAs[*tasks.ValidationError], "tasks: order: payload is not valid: id fails rule required"},
		{"no task", `{}`, publisher, func(err error) bool { return errors.Is(err, tasks.ErrInvalid) }, `publisher "orders" is no task`},
		{"not registered", `{}`, stranger, func(err error) bool { return errors.Is(err, tasks.ErrNotRegistered) }, "tasks: order: not registered"},
		{"nil", `{}`, nil, func(err error) bool { return errors.Is(err, tasks.ErrInvalid) }, "the definition is nil"},
		{"a nil task", `{}`, (*tasks.Task[dlvOrder])(nil), func(err error) bool { return errors.Is(err, tasks.ErrInvalid) }, "the definition is nil"},
	} {
		_, err := app.RunBody(t.Context(), c.def, []byte(c.body))
		if !c.is(err) {
			t.Errorf("%s: %T %v", c.name, err, err)
		}
		enqSays(t, err, c.says)
	}
	if ran {
		t.Error("something ran")
	}
}

func bdyAs[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

func TestPrepareBody_IsWhatEnqueueBodySends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		remote := &dlvRemote{}
		task := tasks.New(func(context.Context, bdyOrder) error { return nil }, tasks.WithName("order"), tasks.UniqueFor(time.Hour), tasks.WithHeader("X-Own", "1"))
		app := dlvApp(t, tasks.Config{Transport: remote}, task)
		opts := []tasks.EnqueueOption{tasks.In(time.Minute), tasks.OnQueue("slow")}

		prepared, err := app.PrepareBody(t.Context(), task, []byte(`{"id":2}`), opts...)
		if err != nil || len(remote.sent()) != 0 {
			t.Fatalf("%v; enqueued %+v", err, remote.sent())
		}
		prepared.Header.Set("X-Own", "changed by who asked")
		if _, err := tasks.EnqueueBody(t.Context(), task, []byte(`{"id":2}`), opts...); err != nil {
			t.Fatal(err)
		}
		sent := remote.one(t)
		if sent.Header.Get("X-Own") != "1" || prepared.ID != sent.ID || prepared.Queue != "slow" || sent.Queue != "slow" || !prepared.ETA.Equal(sent.ETA) || string(prepared.Body) != string(sent.Body) {
			t.Errorf("prepared %+v, sent %+v", prepared, sent)
		}
	})
}

func TestEnqueueBody_UniqueTask_HasTheIDOfItsPayload(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	task := tasks.New(func(context.Context, bdyOrder) error { return nil }, tasks.WithName("order"), tasks.Unique())
	dlvApp(t, tasks.Config{Transport: remote}, task)
	if _, err := task.Enqueue(t.Context(), bdyOrder{ID: 3}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"id":3}`, `{"id":4}`} {
		if _, err := tasks.EnqueueBody(t.Context(), task, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if sent := remote.sent(); len(sent) != 3 || sent[0].ID != sent[1].ID || sent[1].ID == sent[2].ID {
		t.Errorf("enqueued %+v", sent)
	}
}

func TestPrepareBody_Refused(t *testing.T) {
	t.Parallel()
	task, stranger := dlvTask(dlvReturns(nil)), dlvTask(dlvReturns(nil))
	app := dlvApp(t, tasks.Config{}, task)
	if _, err := app.PrepareBody(t.Context(), task, []byte(`{`)); !bdyAs[*tasks.DecodeError](err) {
		t.Errorf("not JSON: %v", err)
	}
	if _, err := app.PrepareBody(t.Context(), stranger, []byte(`{}`)); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("not registered: %v", err)
	}
	if _, err := app.PrepareBody(t.Context(), task, []byte(`{"id":7}`), tasks.WithID("a/b")); !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("a bad option: %v", err)
	}
}

func TestBody_NilAppOrDefinition_IsInvalid(t *testing.T) {
	t.Parallel()
	task := dlvTask(dlvReturns(nil))
	app := dlvApp(t, tasks.Config{}, task)
	var none *tasks.App
	_, run := none.RunBody(t.Context(), task, nil)
	_, prepare := none.PrepareBody(t.Context(), task, nil)
	for _, err := range []error{run, prepare} {
		if !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("no App: %v", err)
		}
		enqSays(t, err, "the App is nil")
	}
	for _, d := range []tasks.Definition{nil, (*tasks.Task[dlvOrder])(nil)} {
		_, run := app.RunBody(t.Context(), d, nil)
		_, prepare := app.PrepareBody(t.Context(), d, nil)
		_, enqueue := tasks.EnqueueBody(app.Context(t.Context()), d, nil)
		for _, err := range []error{run, prepare, enqueue} {
			if !errors.Is(err, tasks.ErrInvalid) {
				t.Errorf("%T: %v", d, err)
			}
			enqSays(t, err, "the definition is nil")
		}
	}
}
