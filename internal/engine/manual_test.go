package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// manualRig is a rig in manual mode on a clock that starts long ago.
func manualRig(t *testing.T) (*rig, *engine.ManualClock) {
	clock := engine.NewManualClock(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC))
	r := newRig(t, engine.Config{Clock: clock, Manual: true})
	r.start = clock.Now()
	r.serve("")
	return r, clock
}

func at(when time.Time) func(*transport.Task) {
	return func(t *transport.Task) { t.ETA = when }
}

// drain runs all there is, moving the clock.
func drain(r *rig, clock *engine.ManualClock) (ran []engine.Ran) {
	for {
		next, ok := r.Next()
		if !ok {
			return ran
		}
		clock.Set(next)
		one, ok := r.RunNext(r.t.Context(), nil)
		if !ok {
			r.t.Fatal("Next named a time, RunNext found nothing due")
		}
		ran = append(ran, one)
	}
}

func names(ran []engine.Ran) (ids []string) {
	for _, one := range ran {
		ids = append(ids, one.ID)
	}
	return ids
}

func TestManual_NothingRunsByItself(t *testing.T) {
	r, clock := manualRig(t)
	r.enqueue(id("a"))
	clock.Advance(time.Hour)
	if len(r.calls) != 0 || r.Backlog() != 1 {
		t.Errorf("%d calls, backlog %d", len(r.calls), r.Backlog())
	}
	if next, ok := r.Next(); !ok || !next.Equal(r.start) {
		t.Errorf("Next = %v, %v; want %v", next, ok, r.start)
	}
}

func TestManual_Drain_RunsInOrderOfTimeThenAge(t *testing.T) {
	r, clock := manualRig(t)
	r.enqueue(id("d"), at(r.start.Add(2*time.Hour)))
	r.enqueue(id("b"), at(r.start.Add(time.Hour)))
	r.enqueue(id("c"), at(r.start.Add(time.Hour)), func(t *transport.Task) { t.Queue = "other" })
	r.enqueue(id("a"))
	equal(t, "order", names(drain(r, clock)), []string{"a", "b", "c", "d"})
	if got := clock.Now().Sub(r.start); got != 2*time.Hour {
		t.Errorf("the clock moved by %v", got)
	}
	if _, ok := r.RunNext(t.Context(), nil); ok {
		t.Error("something is left")
	}
	if r.Backlog() != 0 {
		t.Errorf("Backlog = %d", r.Backlog())
	}
}

func TestManual_RunNext_TellsWhatItDid(t *testing.T) {
	r, clock := manualRig(t)
	sick := errors.New("sick")
	r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 500, 0, sick })
	r.enqueue(id("a"), retry(transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Minute}))
	want := []engine.Ran{
		{Queue: queue, ID: "a", Attempt: 1, Status: 500, Err: sick},
		{Queue: queue, ID: "a", Attempt: 2, Status: 500, Err: sick, GaveUp: true},
	}
	equal(t, "ran", drain(r, clock), want)
	equal(t, "times", times(r.calls), []time.Duration{0, time.Minute, time.Minute})
	if len(r.Exhausted()) != 1 || !r.calls[2].d.Exhausted {
		t.Errorf("Exhausted = %+v", r.Exhausted())
	}
}

func TestManual_RunNext_GaveUpWithoutAnybodyToNotify(t *testing.T) {
	r, clock := manualRig(t)
	r.Withdraw("")
	r.serve("https://elsewhere.example")
	r.enqueue(id("a"), retry(transport.RetryConfig{MaxAttempts: 1}))
	got := drain(r, clock)
	if len(got) != 1 || got[0].Status != 404 || !got[0].GaveUp {
		t.Errorf("ran %+v", got)
	}
}

func TestManual_Pick_ChoosesAmongDueTasks(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(20) {
		r, clock := manualRig(t)
		for i := range 5 {
			r.enqueue(id(fmt.Sprint(i)))
		}
		r.enqueue(id("later"), at(r.start.Add(time.Hour)))
		random := rand.New(rand.NewPCG(seed, 0))
		var order []string
		for {
			one, ok := r.RunNext(t.Context(), func(n int) int {
				if n != 5-len(order) {
					t.Errorf("%d due after %d", n, len(order))
				}
				return random.IntN(n)
			})
			if !ok {
				break
			}
			order = append(order, one.ID)
		}
		if len(order) != 5 {
			t.Errorf("ran %v", order)
		}
		orders[fmt.Sprint(order)] = true
		drain(r, clock)
	}
	if len(orders) < 10 {
		t.Errorf("%d orders from 20 seeds", len(orders))
	}
}

func TestManual_LimitsDoNotApply_PauseDoes(t *testing.T) {
	r, clock := manualRig(t)
	r.put(transport.QueueConfig{MaxDispatchesPerSecond: 0.001, MaxBurst: 1, MaxConcurrentDispatches: 1})
	for range 3 {
		r.enqueue()
	}
	if n := len(drain(r, clock)); n != 3 || !clock.Now().Equal(r.start) {
		t.Errorf("ran %d by %v", n, clock.Now())
	}
	r.must(r.Pause(t.Context(), queue))
	r.enqueue(id("a"), at(clock.Now().Add(time.Hour)))
	r.enqueue(id("b"), at(clock.Now().Add(time.Hour)))
	if next, ok := r.Next(); ok {
		t.Errorf("paused, yet Next = %v", next)
	}
	r.must(r.RunNow(t.Context(), queue, "b"))
	equal(t, "order", names(drain(r, clock)), []string{"b"})
	r.must(r.Resume(t.Context(), queue))
	equal(t, "order", names(drain(r, clock)), []string{"a"})
}

func TestManual_RunNow_DelayCountsFromTheCall(t *testing.T) {
	r, clock := manualRig(t)
	r.answering(500)
	r.enqueue(id("a"), at(r.start.Add(time.Hour)), retry(transport.RetryConfig{MaxAttempts: 2, MinBackoff: 10 * time.Minute}))
	r.must(r.RunNow(t.Context(), queue, "a"))
	clock.Advance(time.Minute)
	drain(r, clock)
	equal(t, "times", times(r.calls), []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute})
}

func TestManual_HandlerMayEnqueueAndRun(t *testing.T) {
	r, clock := manualRig(t)
	var order []string
	r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.ID == "parent" {
			r.enqueue(id("child"))
			if _, ok := r.RunNext(ctx, nil); !ok {
				t.Error("the child is not due")
			}
		}
		order = append(order, d.ID)
		return 200, 0, nil
	})
	r.enqueue(id("parent"))
	drain(r, clock)
	equal(t, "order", order, []string{"child", "parent"})
}

func TestManual_Context_IsTheCallersWithADeadline(t *testing.T) {
	type key struct{}
	r, _ := manualRig(t)
	r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if ctx.Value(key{}) != "mine" {
			t.Error("the context is not the caller's")
		}
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left < 50*time.Second || left > time.Minute {
			t.Errorf("%v left, want a minute of real time", left)
		}
		return 200, 0, ctx.Err()
	})
	r.enqueue(timeout(time.Minute))
	ran, _ := r.RunNext(context.WithValue(t.Context(), key{}, "mine"), nil)
	if ran.Status != 200 || ran.Err != nil {
		t.Errorf("ran %+v", ran)
	}
}

func TestManual_HandlerEndsTheGoroutine_TaskIsRetried(t *testing.T) {
	for _, attempts := range []int{1, 2} {
		r, _ := manualRig(t)
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			runtime.Goexit()
			return 200, 0, nil
		})
		r.enqueue(retry(transport.RetryConfig{MaxAttempts: attempts}))
		done := make(chan bool)
		go func() {
			defer close(done)
			r.RunNext(context.Background(), nil)
		}()
		<-done
		if r.Backlog() != attempts-1 || len(r.Exhausted()) != 2-attempts {
			t.Errorf("%d attempts: backlog %d, %d given up", attempts, r.Backlog(), len(r.Exhausted()))
		}
		r.must(r.Shutdown(t.Context()))
	}
}

func TestManual_AfterShutdown_NothingIsDue(t *testing.T) {
	r, _ := manualRig(t)
	r.enqueue()
	r.must(r.Shutdown(t.Context()))
	if _, ok := r.RunNext(t.Context(), nil); ok {
		t.Error("RunNext ran a task")
	}
}

func TestManualClock_Timers_FireInOrderAsItMoves(t *testing.T) {
	start := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	c := engine.NewManualClock(start)
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, fmt.Sprint(name, "@", c.Now().Sub(start))) }
	}
	c.AfterFunc(2*sec, note("b"))
	c.AfterFunc(sec, func() {
		note("a")()
		c.AfterFunc(sec, note("c")) // due in the same Advance, after b
	})
	stopped := c.AfterFunc(sec, note("stopped"))
	moved := c.AfterFunc(time.Hour, note("moved"))
	if !stopped.Stop() || stopped.Stop() || !moved.Reset(3*sec) {
		t.Error("Stop and Reset misreport whether the timer was pending")
	}
	if next, ok := c.Next(); !ok || !next.Equal(start.Add(sec)) {
		t.Errorf("Next = %v, %v", next, ok)
	}
	c.Advance(10 * sec)
	equal(t, "fired", got, []string{"a@1s", "b@2s", "c@2s", "moved@3s"})
	if _, ok := c.Next(); ok {
		t.Error("a timer is left")
	}
	if got := c.Now().Sub(start); got != 10*sec {
		t.Errorf("the clock shows %v", got)
	}
	c.AfterFunc(-sec, note("late"))
	c.Set(start) // does not go back
	equal(t, "fired", got[4:], []string{"late@10s"})
	if moved.Reset(sec) {
		t.Error("Reset says that a timer that fired was pending")
	}
}
