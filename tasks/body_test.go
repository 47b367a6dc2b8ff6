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
		result, err := app.RunBody(ctx, order, []byte(`{"id":7}`))
		want := "order mail 00-1 1 " + time.Now().Format(time.TimeOnly) + " 1m0s"
		if result != 14 || err != nil || strings.Join(got, " ") != want || wrapped != 1 {
			t.Errorf("%v, %v; the function saw %q, want %q; %d times through middleware", result, err, got, want, wrapped)
		}
	})
}

func TestRunBody_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		returned error
		is       error
		says     string
	}{
		{"done", nil, nil, ""},
		{"discarded", tasks.Discard(errDlv), nil, ""},
		{"failed", errDlv, errDlv, ""},
		{"snoozed", tasks.Snooze(time.Minute), nil, "snoozed for 1m0s, but it ran in its caller"},
		{"retry after", tasks.RetryAfter(time.Minute, errDlv), errDlv, "it ran in its caller"},
	} {
		task := dlvTask(dlvReturns(c.returned))
		result, err := dlvApp(t, tasks.Config{}, task).RunBody(t.Context(), task, []byte(`{"id":7}`))
		if result != nil || (err == nil) != (c.is == nil && c.says == "") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v", c.name, result, err)
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
		{"not registered", `{}`, stranger, func(err error) bool { return errors.Is(err, tasks.ErrNotRegistered) }, "Register"},
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
