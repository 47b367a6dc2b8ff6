package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// slow makes attempts take ten seconds and then answer with status.
func slow(status int) transport.Handler {
	return func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		time.Sleep(10 * sec)
		return status, 0, nil
	}
}

func TestQueue_ReturnsResolvedSettings(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(transport.QueueConfig{MaxDispatchesPerSecond: 50})
		got, err := r.Queue(t.Context(), queue)
		r.must(err)
		want := transport.QueueConfig{
			MaxDispatchesPerSecond: 50, MaxBurst: 10, MaxConcurrentDispatches: 1000,
			Retry: transport.RetryConfig{MaxAttempts: 100, MaxDoublings: 16, MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Hour},
		}
		if got != want {
			t.Errorf("Queue = %+v, want %+v", got, want)
		}
	})
}

func TestDeclareQueues_AllOrNothing_AndNeverOverWhatWasChosen(t *testing.T) {
	inBubble(t, engine.Config{DeclaredOnly: true}, func(t *testing.T, r *rig) {
		err := r.DeclareQueues(map[string]transport.QueueConfig{
			"good": {}, "bad_name": {}, "bad-rate": {MaxDispatchesPerSecond: -1},
		})
		if !errors.Is(err, transport.ErrInvalid) || !contains(err, "bad_name") || !contains(err, "bad-rate") {
			t.Errorf("err = %v", err)
		}
		if _, err := r.Queue(t.Context(), "good"); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("half declared: %v", err)
		}
		for _, rate := range []float64{10, 20} {
			r.must(r.DeclareQueues(map[string]transport.QueueConfig{queue: {MaxDispatchesPerSecond: rate}}))
		}
		if got, _ := r.Queue(t.Context(), queue); got.MaxDispatchesPerSecond != 10 {
			t.Errorf("rate %v, want the first declared", got.MaxDispatchesPerSecond)
		}
		r.enqueue()
		r.wantBacklog(0)
	})
}

func TestDeclareQueues_GivesSettingsToAQueueThatHasNone(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.enqueue()
		r.must(r.DeclareQueues(map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 7}}))
		if got, _ := r.Queue(t.Context(), queue); got.MaxConcurrentDispatches != 7 {
			t.Errorf("MaxConcurrentDispatches = %d, want 7", got.MaxConcurrentDispatches)
		}
	})
}

func TestAdmin_Refusals(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		calls := map[string]func(ctx context.Context, queue string) error{
			"Queue":       func(ctx context.Context, q string) error { _, err := r.Queue(ctx, q); return err },
			"Pause":       r.Pause,
			"Resume":      r.Resume,
			"Purge":       r.Purge,
			"DeleteQueue": r.DeleteQueue,
			"RunNow":      func(ctx context.Context, q string) error { return r.RunNow(ctx, q, "a") },
			"Get":         func(ctx context.Context, q string) error { _, err := r.Get(ctx, q, "a"); return err },
			"Delete":      func(ctx context.Context, q string) error { return r.Delete(ctx, q, "a") },
			"All": func(ctx context.Context, q string) error {
				for _, err := range r.All(ctx, q) {
					return err
				}
				return nil
			},
		}
		r.put(transport.QueueConfig{})
		for name, f := range calls {
			if err := f(t.Context(), "other"); !errors.Is(err, transport.ErrQueueMissing) {
				t.Errorf("%s of a missing queue: %v", name, err)
			}
			if err := f(ended, queue); !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a context that has ended: %v", name, err)
			}
		}
		if err := r.PutQueue(ended, queue, transport.QueueConfig{}); !errors.Is(err, context.Canceled) {
			t.Errorf("PutQueue with a context that has ended: %v", err)
		}
		if err := r.PutQueue(t.Context(), queue, transport.QueueConfig{MaxBurst: -1}); !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("PutQueue: %v", err)
		}
	})
}

func TestPause_HoldsTasks_UntilResume(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(slow(200))
		r.enqueue(id("running"))
		time.Sleep(sec)
		for range 2 {
			r.must(r.Pause(t.Context(), queue))
		}
		r.enqueue(id("ready"))
		r.enqueue(id("due"), in(time.Minute))
		time.Sleep(time.Hour)
		r.wantBacklog(2)
		r.must(r.Resume(t.Context(), queue))
		time.Sleep(time.Minute)
		equal(t, "times", r.times(), []time.Duration{0, time.Hour + sec, time.Hour + sec})
		r.wantBacklog(0)
	})
}

func TestPurge_RemovesWhatWasThere_AndNothingLater(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(slow(500))
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		for i := range 2000 {
			r.enqueue(id(fmt.Sprint("ready-", i)))
			r.enqueue(in(time.Minute))
		}
		time.Sleep(sec)
		r.must(r.Purge(t.Context(), queue))
		r.wantBacklog(0)
		r.answering(200)
		r.enqueue(id("later"))
		if _, err := r.try(id("ready-7")); !errors.Is(err, transport.ErrGone) {
			t.Errorf("an id that was purged: %v", err)
		}
		time.Sleep(time.Hour)
		calls := r.seen()
		if len(calls) != 2 || calls[1].d.ID != "later" {
			t.Errorf("%d calls, the last for %q", len(calls), calls[len(calls)-1].d.ID)
		}
		r.must(r.Purge(t.Context(), queue))
		r.wantBacklog(0)
	})
}

func TestRunNow_RunsAtOnce_WhateverHoldsTheTask(t *testing.T) {
	for _, tc := range []struct {
		name string
		hold func(r *rig)
	}{
		{"its time", func(r *rig) { r.enqueue(id("a"), in(time.Hour)) }},
		{"a pause", func(r *rig) {
			r.must(r.Pause(context.Background(), queue))
			r.enqueue(id("a"))
		}},
		{"the rate", func(r *rig) {
			r.put(transport.QueueConfig{MaxDispatchesPerSecond: 0.0001, MaxBurst: 1})
			r.enqueue()
			r.enqueue(id("a"))
		}},
		{"the concurrency", func(r *rig) {
			r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
			r.enqueue()
			r.enqueue(id("a"))
		}},
		{"an attempt that runs", func(r *rig) {
			r.enqueue(id("a"))
			synctest.Wait()
			r.mu.Lock()
			r.calls = nil
			r.mu.Unlock()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.respond(slow(200))
				r.put(transport.QueueConfig{})
				tc.hold(r)
				time.Sleep(sec)
				r.must(r.RunNow(t.Context(), queue, "a"))
				calls := r.seen()
				if last := calls[len(calls)-1]; last.d.ID != "a" || last.at != sec {
					t.Fatalf("the last call is for %q at %v", last.d.ID, last.at)
				}
				time.Sleep(20 * sec)
				if _, err := r.Get(t.Context(), queue, "a"); !errors.Is(err, transport.ErrGone) {
					t.Errorf("afterwards: %v", err)
				}
				if err := r.RunNow(t.Context(), queue, "a"); !errors.Is(err, transport.ErrNotFound) || !errors.Is(err, transport.ErrGone) {
					t.Errorf("RunNow of one that is gone: %v", err)
				}
			})
		})
	}
}

func TestRunNow_Failed_DelayCountsFromTheCall(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(slow(500))
		r.enqueue(id("a"), in(time.Hour), retry(transport.RetryConfig{MinBackoff: 60 * sec, MaxBackoff: 60 * sec, MaxAttempts: 3}))
		time.Sleep(sec)
		r.must(r.RunNow(t.Context(), queue, "a"))
		time.Sleep(2 * time.Hour)
		equal(t, "times", r.times()[:3], []time.Duration{sec, 61 * sec, 61*sec + 10*sec + 60*sec})
	})
}

func TestRunNow_TwoAtATime(t *testing.T) {
	for _, tc := range []struct {
		name     string
		statuses []int // of the attempts, in the order they end
		more     int   // attempts afterwards
	}{
		{"both fail: one retry", []int{500, 500, 200}, 1},
		{"one succeeds: done", []int{500, 200}, 0},
		{"the first succeeds: the other's failure does not count", []int{200, 500}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
					time.Sleep(10 * sec)
					return tc.statuses[d.Attempt-1], 0, nil
				})
				r.enqueue(id("a"), retry(transport.RetryConfig{MinBackoff: time.Minute}))
				time.Sleep(sec)
				r.must(r.RunNow(t.Context(), queue, "a"))
				time.Sleep(sec)
				w, err := r.Get(t.Context(), queue, "a")
				r.must(err)
				if w.Dispatches != 2 || w.Seen != 0 {
					t.Errorf("Waiting = %+v", w)
				}
				r.wantBacklog(1)
				time.Sleep(time.Hour)
				if n := len(r.seen()); n != 2+tc.more {
					t.Errorf("%d attempts, want %d", n, 2+tc.more)
				}
				r.wantBacklog(0)
			})
		})
	}
}

func TestRunNow_NobodyServes_IsRefused(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.Withdraw("")
		r.enqueue(id("a"))
		if err := r.RunNow(t.Context(), queue, "a"); !contains(err, "Serve") {
			t.Errorf("err = %v", err)
		}
		r.wantBacklog(1)
	})
}
