package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestServe_TasksWait_WhileNobodyServes(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		if left := r.Withdraw(""); left != 0 {
			t.Fatalf("%d left", left)
		}
		r.enqueue()
		r.enqueue(in(time.Minute))
		time.Sleep(time.Hour)
		r.wantBacklog(2)
		r.serve("")
		equal(t, "times", r.times(), []time.Duration{time.Hour, time.Hour})
		if calls := r.seen(); calls[0].d.Attempt != 1 {
			t.Errorf("attempt %d, want the first", calls[0].d.Attempt)
		}
	})
}

func TestServe_TwoEndpoints_EachGetsItsOwn(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.Withdraw("")
		got := map[string]string{}
		named := func(name string) transport.Handler {
			return func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
				got[d.ID] = name
				return 200, 0, nil
			}
		}
		r.must(r.Serve("https://a.example/_tasks", named("a")))
		r.must(r.Serve("https://b.example", named("b")))
		if err := r.Serve("https://b.example", named("c")); !errors.Is(err, transport.ErrExists) {
			t.Errorf("serving twice: %v", err)
		}
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		send := func(id, url string) {
			r.enqueue(func(t *transport.Task) { t.ID, t.URL = id, url })
			r.seen()
		}
		for i := range 3 { // routes are remembered
			send(fmt.Sprint("a-", i), "https://a.example/_tasks/Welcome")
			send(fmt.Sprint("b-", i), "https://b.example/_tasks/Welcome")
		}
		for id, by := range got {
			if !strings.HasPrefix(id, by) {
				t.Errorf("%q was served by %q", id, by)
			}
		}
		if len(got) != 6 {
			t.Errorf("%d served", len(got))
		}
		if left := r.Withdraw("https://a.example/_tasks"); left != 1 {
			t.Errorf("%d left", left)
		}
		send("nobody", "https://a.example/_tasks/Welcome")
		if w, err := r.Get(t.Context(), queue, "nobody"); err != nil || w.Dispatches == 0 || w.Seen == 0 {
			t.Errorf("a task that nobody serves waits as %+v, %v; want failed attempts", w, err)
		}
		r.must(r.Serve("https://a.example/_tasks", named("nobody")))
		time.Sleep(time.Minute)
		r.seen()
		if got["nobody"] != "nobody" {
			t.Error("the endpoint is served again, the task did not run")
		}
	})
}

func TestServe_Unmatched_FailsWith404(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.Withdraw("")
		r.serve("https://elsewhere.example")
		r.enqueue(id("a"), retry(transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec}))
		time.Sleep(15 * sec)
		r.serve("")
		time.Sleep(time.Minute)
		calls := r.seen()
		if len(calls) != 1 || calls[0].at != 20*sec || calls[0].d.Attempt != 3 || calls[0].d.PreviousResponse != 404 || calls[0].d.Executions != 2 {
			t.Errorf("calls = %+v", calls)
		}
	})
}

func TestIdle_ABubbleMayEndWithTasksWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, engine.Config{})
		r.serve("")
		r.enqueue()
		r.enqueue(in(time.Hour))
		r.seen()
	})
}

func TestShutdown_WaitsForAttempts_WhichMayEnqueue(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(10 * sec)
			_, err := r.try(id("child"))
			return 200, 0, err
		})
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		r.enqueue(id("a"))
		r.enqueue(id("b"))
		r.enqueue(in(time.Hour))
		time.Sleep(sec)
		results := make(chan error)
		for range 2 {
			go func() { results <- r.Shutdown(t.Context()) }()
		}
		for range 2 {
			r.must(<-results)
		}
		if got := time.Since(r.start); got != 10*sec {
			t.Errorf("took until %v", got)
		}
		if n := len(r.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		r.wantBacklog(3) // b, child, the delayed one
		time.Sleep(2 * time.Hour)
		if n := len(r.seen()); n != 1 {
			t.Errorf("%d attempts after Shutdown", n)
		}
	})
}

func TestShutdown_Afterwards_NothingGoesIn(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.enqueue(id("a"), in(time.Hour))
		r.must(r.Shutdown(t.Context()))
		r.must(r.Shutdown(t.Context()))
		for _, q := range []string{queue, "new"} {
			if _, err := r.try(func(t *transport.Task) { t.Queue = q }); !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Enqueue to %q: %v", q, err)
			}
		}
		if err := r.RunNow(t.Context(), queue, "a"); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("RunNow: %v", err)
		}
		if err := r.Serve("https://b.example", r.handle); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		if _, err := r.Get(t.Context(), queue, "a"); err != nil {
			t.Errorf("Get: %v", err)
		}
		r.wantBacklog(1)
	})
}

func TestShutdown_ContextEndsFirst_CancelsAttempts(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			time.Sleep(sec)
			_, err := r.try()
			if !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Enqueue from an attempt that was canceled: %v", err)
			}
			return 500, 0, ctx.Err()
		})
		r.enqueue()
		r.enqueue(func(t *transport.Task) { t.Queue = "other" })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*sec)
		defer cancel()
		err := r.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !contains(err, "2 attempts") {
			t.Errorf("Shutdown: %v", err)
		}
		r.must(r.Shutdown(t.Context())) // waits for the rest
		if got := time.Since(r.start); got != 6*sec {
			t.Errorf("took until %v", got)
		}
		r.wantBacklog(2)
	})
}

func TestShutdown_WaitsForHandlersPastTheirDeadline(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(time.Hour)
			return 200, 0, nil
		})
		r.enqueue(timeout(20*sec), retry(transport.RetryConfig{MinBackoff: time.Minute}))
		time.Sleep(30 * sec)
		r.must(r.Shutdown(t.Context()))
		if got := time.Since(r.start); got != time.Hour {
			t.Errorf("took until %v", got)
		}
		r.wantBacklog(1)
	})
}
