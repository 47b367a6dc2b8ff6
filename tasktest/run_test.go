package tasktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestRun_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		returns error
		outcome tasks.Outcome
		status  int
		text    string
	}{
		{"nil", nil, tasks.OutcomeExecuted, http.StatusOK, "<nil>"},
		{"discard", tasks.Discard(errBoom), tasks.OutcomeDiscarded, http.StatusAccepted, "discarded: boom"},
		{"snooze", tasks.Snooze(time.Hour), tasks.OutcomeSnoozed, http.StatusOK, "snoozed for 1h0m0s"},
		{"retry after", tasks.RetryAfter(time.Minute, errBoom), tasks.OutcomeRetryLater, http.StatusServiceUnavailable, "retry after 1m0s: boom"},
		{"error", fmt.Errorf("mail: %w", errBoom), tasks.OutcomeFailed, http.StatusInternalServerError, "mail: boom"},
		{"reject", tasks.Reject(errBoom), tasks.OutcomeRejected, http.StatusBadRequest, "boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task := tasks.New(func(context.Context, Order) error { return c.returns })
			res := tasktest.Run(t, task, Order{1})
			if res.Outcome != c.outcome || res.HTTPStatus != c.status || fmt.Sprint(res.Err) != c.text {
				t.Errorf("got %q, %d, %v, want %q, %d, %s", res.Outcome, res.HTTPStatus, res.Err, c.outcome, c.status, c.text)
			}
			if c.returns != nil && strings.Contains(c.text, "boom") && !errors.Is(res.Err, errBoom) {
				t.Errorf("the cause is lost from %v", res.Err)
			}
			if res.Stack != nil || res.Value != nil {
				t.Errorf("stack %q, value %v", res.Stack, res.Value)
			}
		})
	}
}

func TestRun_Panic_HasErrAndStack(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"boom", errBoom} {
		res := tasktest.Run(t, tasks.New(func(context.Context, Order) error { explode(value); return nil }), Order{1})
		if res.Outcome != tasks.OutcomeFailed || res.HTTPStatus != http.StatusInternalServerError || fmt.Sprint(res.Err) != "panic: boom" {
			t.Errorf("got %q, %d, %v", res.Outcome, res.HTTPStatus, res.Err)
		}
		if _, is := value.(error); errors.Is(res.Err, errBoom) != is {
			t.Errorf("whether %v is %v: want %t", res.Err, errBoom, is)
		}
		contains(t, string(res.Stack), "explode", "run_test.go")
	}
}

func explode(v any) { panic(v) }

func TestRun_Value_IsTyped(t *testing.T) {
	t.Parallel()
	task := tasks.NewWithResult(func(_ context.Context, o Order) (Address, error) { return Address{City: fmt.Sprint(o.ID)}, nil })
	res := tasktest.Run(t, task, Order{4})
	if got, ok := res.Value.(Address); !ok || got.City != "4" {
		t.Errorf("got %#v", res.Value)
	}
}

func TestRun_InvalidArgs_AreDeliveredAndRejected(t *testing.T) {
	t.Parallel()
	ran := false
	task := tasks.New(func(context.Context, Welcome) error { ran = true; return nil })
	res := tasktest.Run(t, task, Welcome{UserID: 7, Email: "not an address"})
	if ran || res.Outcome != tasks.OutcomeRejected || res.HTTPStatus != http.StatusBadRequest {
		t.Errorf("ran %t, %q, %d", ran, res.Outcome, res.HTTPStatus)
	}
	invalid, ok := errors.AsType[*tasks.ValidationError](res.Err)
	if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "email" {
		t.Errorf("Err %#v, want a ValidationError of email", res.Err)
	}
}

func TestRun_Metadata(t *testing.T) {
	t.Parallel()
	var m tasks.Metadata
	var last bool
	var lastErr error
	task := tasks.New(func(ctx context.Context, _ Order) error {
		m, _ = tasks.MetadataFrom(ctx)
		last, lastErr = m.LastAttempt(ctx)
		return nil
	}, tasks.OnQueue("mail"))

	rec := tasktest.New(t, task)
	tasktest.Run(t, task, Order{1}, tasktest.With(rec))
	if m.ID != "57462374832847" || m.Queue != "mail" || m.Attempt != 1 || !m.FirstAttempt() || m.PreviousResponse != 0 || last || lastErr != nil {
		t.Errorf("by default %+v, last %t, %v", m, last, lastErr)
	}
	if !m.ETA.Equal(rec.Now().Truncate(time.Microsecond)) {
		t.Errorf("ETA %s, want now, %s", m.ETA, rec.Now())
	}
	tasktest.Run(t, task, Order{1}, tasktest.Attempt(3), tasktest.ID("abc"), tasktest.Queue("other"), tasktest.WithHeader("x-tenant", "acme"))
	if m.ID != "abc" || m.Queue != "other" || m.Attempt != 3 || m.FirstAttempt() || m.PreviousResponse != 500 || m.Header.Get("X-Tenant") != "acme" || last {
		t.Errorf("as chosen %+v, last %t", m, last)
	}
	tasktest.Run(t, task, Order{1}, tasktest.LastAttempt())
	if m.Attempt != 1 || !last {
		t.Errorf("attempt %d, last %t, want the first to be the last", m.Attempt, last)
	}
	tasktest.Run(t, task, Order{1}, tasktest.LastAttempt(), tasktest.Attempt(7), tasktest.WithHeader("X-CloudTasks-TaskPreviousResponse", "504"))
	if m.Attempt != 7 || !last || m.PreviousResponse != 504 {
		t.Errorf("attempt %d, last %t, previous response %d, want the seventh to be the last, after 504", m.Attempt, last, m.PreviousResponse)
	}
}

func TestRun_LastAttempt_IsQuarantined(t *testing.T) {
	t.Parallel()
	var got []tasks.Quarantined
	task := tasks.New(func(context.Context, Order) error { return errBoom })
	rec := tasktest.NewWith(t, tasks.Config{Quarantine: func(_ context.Context, q tasks.Quarantined) error {
		got = append(got, q)
		return nil
	}}, task)
	if res := tasktest.Run(t, task, Order{1}, tasktest.With(rec), tasktest.Attempt(3)); res.Outcome != tasks.OutcomeFailed || len(got) != 0 {
		t.Errorf("not the last: %q, quarantined %v", res.Outcome, got)
	}
	res := tasktest.Run(t, task, Order{1}, tasktest.With(rec), tasktest.Attempt(3), tasktest.LastAttempt())
	if res.Outcome != tasks.OutcomeQuarantined || res.HTTPStatus != http.StatusAccepted || !errors.Is(res.Err, errBoom) {
		t.Errorf("the last: %q, %d, %v", res.Outcome, res.HTTPStatus, res.Err)
	}
	if len(got) != 1 || got[0].Attempt != 3 || string(got[0].Body) != `{"id":1}` || !errors.Is(got[0].Reason, errBoom) {
		t.Errorf("quarantined %+v", got)
	}
}

func TestRun_TellsWhatWasEnqueued(t *testing.T) {
	t.Parallel()
	rec := tasktest.New(t, SendWelcome, SendReceipt)
	enqueue(t, rec.Context(), SendReceipt, Order{1}) // before, so it does not count
	res := tasktest.Run(t, SendWelcome, ana(), tasktest.With(rec))
	if len(res.Enqueued) != 1 || res.Enqueued[0].Task != "Order" || string(res.Enqueued[0].Body) != `{"id":7}` {
		t.Errorf("enqueued %v", res.Enqueued)
	}
	if res.Recorder != rec {
		t.Error("Recorder is another than the one that was given")
	}
	tasktest.RequireEnqueued(t, res.Recorder, SendReceipt, tasktest.Args(Order{7}))
}

func TestRun_Snooze_TellsTheTaskThatItMade(t *testing.T) {
	t.Parallel()
	poll := tasks.New(func(context.Context, Order) error { return tasks.Snooze(time.Hour) })
	res := tasktest.Run(t, poll, Order{1}, tasktest.ID("a"), tasktest.Attempt(2))
	got := tasktest.RequireEnqueued(t, res.Recorder, poll, tasktest.WithID("a-s1"), tasktest.DueIn(time.Hour, 0))
	if n := got.Header.Get("Typedtasks-Attempts"); n != "2" || len(res.Enqueued) != 1 {
		t.Errorf("attempts used %q, enqueued %v", n, res.Enqueued)
	}
	again := tasktest.Run(t, poll, Order{1}, tasktest.ID("a-s1"), tasktest.WithHeader("Typedtasks-Id", "a"), tasktest.With(res.Recorder))
	if len(again.Enqueued) != 1 || again.Enqueued[0].ID != "a-s2" {
		t.Errorf("enqueued %v, want a-s2", again.Enqueued)
	}
}

func TestRun_SnoozeThatCannotBeEnqueued_SaysWhy(t *testing.T) {
	t.Parallel()
	poll := tasks.New(func(context.Context, Order) error { return tasks.Snooze(time.Hour) })
	rec := tasktest.New(t, poll)
	rec.FailNext(1, errBoom)
	res := tasktest.Run(t, poll, Order{1}, tasktest.With(rec))
	if res.Outcome != tasks.OutcomeFailed || !errors.Is(res.Err, errBoom) || len(res.Enqueued) != 0 {
		t.Errorf("got %q, %v, %v", res.Outcome, res.Err, res.Enqueued)
	}
}

func TestRun_EnqueuesAnUnknownTask_LogsTheFix(t *testing.T) {
	t.Parallel()
	fake := try(t, func(t testing.TB) {
		if res := tasktest.Run(t, SendWelcome, ana()); !errors.Is(res.Err, tasks.ErrNotRegistered) {
			t.Errorf("got %v, want ErrNotRegistered", res.Err)
		}
	})
	want := "tasktest: Welcome enqueues or publishes what its App does not know: make a recorder with both and pass With(rec)"
	if len(fake.errors) != 0 || len(fake.logs) != 1 || fake.logs[0] != want {
		t.Errorf("errors %q, logs %q, want %q", fake.errors, fake.logs, want)
	}
}

// doorman lets those in who know the word.
type doorman struct{ word string }

func (d doorman) Authenticate(r *http.Request) error {
	switch r.Header.Get("Authorization") {
	case d.word:
		return nil
	case "":
		return errBoom
	default:
		return tasks.ErrForbidden
	}
}

func TestRun_Authenticator_IsAsked(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order])
	rec := tasktest.NewWith(t, tasks.Config{Authenticator: doorman{"sesame"}, Endpoint: "https://shop.example.com/_tasks"}, task)
	for _, c := range []struct {
		word   string
		status int
		err    error
	}{
		{"sesame", http.StatusOK, nil},
		{"", http.StatusUnauthorized, errBoom},
		{"wrong", http.StatusForbidden, tasks.ErrForbidden},
	} {
		var opts []tasktest.RunOption
		if c.word != "" {
			opts = append(opts, tasktest.WithHeader("Authorization", c.word))
		}
		res := tasktest.Run(t, task, Order{1}, append(opts, tasktest.With(rec))...)
		if res.HTTPStatus != c.status || !errors.Is(res.Err, c.err) {
			t.Errorf("%q: got %d, %v, want %d, %v", c.word, res.HTTPStatus, res.Err, c.status, c.err)
		}
	}
}

func TestRun_PropagatedHeaders_RideAlong(t *testing.T) {
	t.Parallel()
	rec := tasktest.New(t, SendWelcome, SendReceipt)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tasktest.Run(t, SendWelcome, ana(), tasktest.With(rec), tasktest.WithHeader("traceparent", trace))
	tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.WithHeader("traceparent", trace))
}

func TestRun_PointerPayloads(t *testing.T) {
	t.Parallel()
	var got *Order
	task := tasks.New(func(_ context.Context, o *Order) error { got = o; return nil })
	if res := tasktest.Run(t, task, &Order{5}); res.Err != nil || got == nil || got.ID != 5 {
		t.Errorf("got %+v, %v", got, res.Err)
	}
	if res := tasktest.Run(t, tasks.New(nothing[*Welcome]), nil); res.Outcome != tasks.OutcomeRejected {
		t.Errorf("nil: got %q, want it rejected as no Welcome", res.Outcome)
	}
}

func TestRun_Options_ThatMakeNoSense_Refused(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order])
	channel := tasks.New(nothing[chan int], tasks.WithName("Chan"))
	raw := tasks.New(nothing[json.RawMessage], tasks.WithName("Raw"))
	for want, f := range map[string]func(t testing.TB){
		"tasktest: option 2 is nil: leave it out":                      func(t testing.TB) { tasktest.Run(t, task, Order{}, tasktest.Attempt(1), nil) },
		"tasktest: Attempt(0): attempts count from 1":                  func(t testing.TB) { tasktest.Run(t, task, Order{}, tasktest.Attempt(0)) },
		"tasktest: ID: the task id is empty":                           func(t testing.TB) { tasktest.Run(t, task, Order{}, tasktest.ID("")) },
		"tasktest: Queue: queue id \"a_b\" may hold":                   func(t testing.TB) { tasktest.Run(t, task, Order{}, tasktest.Queue("a_b")) },
		"tasktest: tasks: register: task \"Chan\": ":                   func(t testing.TB) { tasktest.Run(t, channel, nil) },
		"tasktest: the definition of task Chan is not valid: ":         func(t testing.TB) { tasktest.Request(t, channel, nil) },
		"tasktest: Raw: the payload does not encode: ":                 func(t testing.TB) { tasktest.Request(t, raw, json.RawMessage("{")) },
		"tasktest: Nightly: Attempt(2): Cloud Scheduler does not tell": func(t testing.TB) { tasktest.Request(t, nightly(), struct{}{}, tasktest.Attempt(2)) },
	} {
		if got := mustFail(t, f); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRun_DefinitionsHeaders_AreThere(t *testing.T) {
	t.Parallel()
	var last bool
	var tenant string
	task := tasks.New(func(ctx context.Context, _ Order) error {
		m, _ := tasks.MetadataFrom(ctx)
		last, _ = m.LastAttempt(ctx)
		tenant = m.Header.Get("X-Tenant")
		return nil
	}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3}), tasks.WithHeader("X-Tenant", "acme"))
	for attempt, want := range map[int]bool{2: false, 3: true} {
		tasktest.Run(t, task, Order{1}, tasktest.Attempt(attempt))
		if last != want || tenant != "acme" {
			t.Errorf("attempt %d: last %t, want %t; X-Tenant %q", attempt, last, want, tenant)
		}
	}
}
