package tasks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestUseEnqueue_FirstGivenIsOutermost(t *testing.T) {
	t.Parallel()
	var trace []string
	note := func(name string) func(tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				trace = append(trace, "> "+name)
				defer func() { trace = append(trace, "< "+name) }()
				return next(ctx, ts)
			}
		}
	}
	fake := &enqFake{fault: func(int, *transport.Task) enqFault { trace = append(trace, "transport"); return enqFault{} }}
	task := tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	app.UseEnqueue(note("a"), nil, note("b"))
	app.UseEnqueue(func(tasks.EnqueueFunc) tasks.EnqueueFunc { return nil }, note("c"))
	want := []string{"> a", "> b", "> c", "transport", "< c", "< b", "< a"}

	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	if !slices.Equal(trace, want) {
		t.Errorf("Enqueue: %q, want %q", trace, want)
	}
	trace = nil
	task.EnqueueAll(t.Context(), enqMails(2))
	if want = slices.Insert(want, 3, "transport"); !slices.Equal(trace, want) {
		t.Errorf("EnqueueAll: %q, want %q", trace, want)
	}
}

func TestUseEnqueue_MayChangeTasks_WithoutTouchingTheDefinition(t *testing.T) {
	t.Parallel()
	retry := transport.RetryConfig{MaxAttempts: 3}
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail], tasks.WithHeader("X-Tenant", "one"), tasks.WithRetryConfig(retry))
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	changing := true
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			if changing {
				for _, x := range ts {
					x.Queue = "changed"
					x.ETA = time.Now().Add(time.Hour)
					x.Header.Set("X-Added", "yes")
					x.Header["X-Tenant"][0] = "two"
					x.Retry.MaxAttempts = 9
					x.Body[0] = '['
				}
			}
			return next(ctx, ts)
		}
	})
	ctx := tasks.ContextWithHeaders(t.Context(), map[string][]string{"traceparent": {"t"}})
	r := enqMust(task.Enqueue(ctx, enqMail{To: "ana"}))(t)
	if got := fake.only(t); got.Queue != "changed" || r.Queue != "changed" || got.Header.Get("X-Added") != "yes" || got.Header.Get("X-Tenant") != "two" ||
		got.Retry.MaxAttempts != 9 || got.ETA.IsZero() || got.Body[0] != '[' {
		t.Errorf("sent %+v, receipt %+v", got, r)
	}
	changing = false
	for _, opts := range [][]tasks.EnqueueOption{nil, {tasks.WithHeader("X-Other", "x")}} {
		enqMust(task.Enqueue(ctx, enqMail{To: "ana"}, opts...))(t)
		sent := fake.all()
		if got := sent[len(sent)-1]; got.Queue != "tasks" || got.Header.Get("X-Added") != "" || got.Header.Get("X-Tenant") != "one" ||
			got.Header.Get("Traceparent") != "t" || got.Retry.MaxAttempts != 3 || !got.ETA.IsZero() {
			t.Errorf("the next task is %+v", got)
		}
	}
}

func TestUseEnqueue_MayAnswerByItself(t *testing.T) {
	t.Parallel()
	fake, task, errClosed := &enqFake{}, tasks.New(enqDone[enqMail]), errors.New("closed on Sundays")
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	app.UseEnqueue(func(tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(_ context.Context, ts []*transport.Task) []tasks.Result {
			results := make([]tasks.Result, len(ts))
			for i := range results {
				results[i].Err = errClosed
			}
			return results
		}
	})
	_, err := task.Enqueue(t.Context(), enqMail{To: "ana"})
	if !errors.Is(err, errClosed) || fake.calls != 0 {
		t.Errorf("got %v after %d calls", err, fake.calls)
	}
}

func TestUseEnqueue_WrongNumberOfResults_FailsAll(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 4} {
		fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
		app := enqApp(t, tasks.Config{Transport: fake}, task)
		app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				next(ctx, ts)
				return make([]tasks.Result, n)
			}
		})
		results := task.EnqueueAll(t.Context(), enqMails(3))
		if len(results) != 3 {
			t.Fatalf("%d results for 3 payloads", len(results))
		}
		for _, r := range results {
			enqSays(t, r.Err, "UseEnqueue", "3 tasks", "unknown")
		}
	}
}

func TestUseEnqueue_OwnContext_StillEnqueuesAndRetries(t *testing.T) {
	t.Parallel()
	fake := &enqFake{fault: func(call int, _ *transport.Task) enqFault {
		if call == 1 {
			return enqFault{after: errEnqDown}
		}
		return enqFault{}
	}}
	task := tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: fake, EnqueueRetry: backoff.Policy{On: enqAnyError, Initial: 1}}, task)
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(_ context.Context, ts []*transport.Task) []tasks.Result { return next(context.Background(), ts) }
	})
	if r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t); r.Duplicate || r.ID != fake.only(t).ID {
		t.Errorf("the receipt is %+v, want that of %s", r, fake.only(t).ID)
	}
}

func enqAnyError(error) bool { return true }

func TestUseEnqueue_SeesATaskOnce_HoweverOftenItIsRetried(t *testing.T) {
	t.Parallel()
	fake := &enqFake{fault: func(call int, _ *transport.Task) enqFault {
		if call < 4 {
			return enqFault{before: errEnqDown}
		}
		return enqFault{}
	}}
	seen, task := 0, tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(backoff.Policy{On: enqAnyError, Initial: 1}))
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result { seen += len(ts); return next(ctx, ts) }
	})
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	if seen != 1 || fake.calls != 4 {
		t.Errorf("seen %d times, %d calls; want 1 and 4", seen, fake.calls)
	}
}

func TestUseEnqueue_NamesATask_WhichThenCollidesAsADuplicate(t *testing.T) {
	t.Parallel()
	failing := false
	fake := &enqFake{}
	fake.fault = func(int, *transport.Task) enqFault {
		if failing {
			failing = false
			return enqFault{before: errEnqDown}
		}
		return enqFault{}
	}
	task := tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(backoff.Policy{On: enqAnyError, Initial: 1}))
	app := enqApp(t, tasks.Config{Transport: enqInspected{fake}}, task)
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			for _, x := range ts {
				x.ID = "by-middleware"
			}
			return next(ctx, ts)
		}
	})
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	failing = true // so that the id is found taken on a second attempt
	if r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ben"}))(t); !r.Duplicate || r.ID != "by-middleware" {
		t.Errorf("the receipt is %+v, want a duplicate", r)
	}
	if body := string(fake.only(t).Body); !strings.Contains(body, "ana") {
		t.Errorf("the holder is %s", body)
	}
}
