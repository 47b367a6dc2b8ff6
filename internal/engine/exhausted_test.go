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

var once = transport.QueueConfig{Retry: transport.RetryConfig{MaxAttempts: 1}}

func TestExhausted_TaskIsListed_AndItsHandlerNotified(t *testing.T) {
	for _, tc := range []struct {
		name        string
		notice      int // answer to the notice
		quarantined bool
	}{
		{"taken over", 202, true},
		{"not taken over", 500, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				sick := errors.New("sick")
				r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
					if d.Exhausted {
						return tc.notice, 0, nil
					}
					return 418, 0, sick
				})
				r.enqueue(id("a"), retry(transport.RetryConfig{MaxAttempts: 2, MinBackoff: sec}), func(t *transport.Task) { t.Audience = "us" })
				time.Sleep(time.Minute)
				calls := r.seen()
				if len(calls) != 3 {
					t.Fatalf("%d calls, want two attempts and the notice", len(calls))
				}
				d := calls[2].d
				if !d.Exhausted || d.ID != "a" || string(d.Body) != "body" || d.Attempt != 2 || d.Executions != 2 || d.PreviousResponse != 418 || !d.FirstAttempt.Equal(r.start) {
					t.Errorf("notice = %+v", d)
				}
				list := r.Exhausted()
				if len(list) != 1 {
					t.Fatalf("%d in the list", len(list))
				}
				got := list[0]
				if got.ID != "a" || got.Queue != queue || got.URL != url || got.Audience != "us" || string(got.Body) != "body" || got.Retry.MaxAttempts != 2 {
					t.Errorf("Task = %+v", got.Task)
				}
				if got.Attempts != 2 || got.LastStatus != 418 || got.LastErr != sick || got.Reason != engine.OutOfAttempts || got.Quarantined != tc.quarantined {
					t.Errorf("Exhausted = %+v", got)
				}
				if !got.Created.Equal(r.start) || !got.FirstAttempt.Equal(r.start) || !got.GivenUp.Equal(r.start.Add(sec)) {
					t.Errorf("Exhausted = %+v", got)
				}
				got.Body[0] = 'X'
				if again := r.Exhausted(); string(again[0].Body) != "body" {
					t.Error("the list's own body was handed out")
				}
				if _, err := r.Get(t.Context(), queue, "a"); !errors.Is(err, transport.ErrGone) {
					t.Errorf("Get: %v", err)
				}
			})
		})
	}
}

func TestExhausted_NoticeHoldsASlot_ButNotForEver(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1, Retry: once.Retry})
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Exhausted {
				time.Sleep(time.Hour) // ignores its context
			}
			return 500, 0, nil
		})
		r.enqueue(timeout(20 * sec))
		r.enqueue(timeout(20 * sec))
		time.Sleep(3 * time.Hour)
		equal(t, "times", r.times(), []time.Duration{0, 0, 20 * sec, 20 * sec})
	})
}

func TestExhausted_NobodysTask_TheNeighborIsNotified(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(once)
		r.Withdraw("")
		r.serve("https://elsewhere.example")
		r.enqueue()
		r.wantBacklog(0)
		if got := r.Exhausted(); len(got) != 1 || got[0].LastStatus != 404 {
			t.Errorf("Exhausted = %+v", got)
		}
		if calls := r.seen(); len(calls) != 1 || !calls[0].d.Exhausted {
			t.Errorf("calls %+v, want the notice alone", calls)
		}
	})
}

func TestExhausted_ListIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name            string
		cfg             engine.Config
		body, tasks     int
		listed, dropped int
	}{
		{"in tasks", engine.Config{ExhaustedLimit: 3}, 10, 5, 3, 2},
		{"by default", engine.Config{}, 10, 1002, 1000, 2},
		{"in bytes", engine.Config{}, 1 << 19, 130, 127, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, tc.cfg, func(t *testing.T, r *rig) {
				r.put(once)
				r.answering(500)
				for i := range tc.tasks {
					r.enqueue(id(fmt.Sprint("t-", i)), func(t *transport.Task) { t.Body = make([]byte, tc.body) })
					synctest.Wait()
				}
				got := r.Exhausted()
				if len(got) != tc.listed || r.ExhaustedDropped() != tc.dropped {
					t.Fatalf("%d listed, %d dropped; want %d, %d", len(got), r.ExhaustedDropped(), tc.listed, tc.dropped)
				}
				if first := fmt.Sprint("t-", tc.dropped); got[0].ID != first {
					t.Errorf("the oldest is %q, want %q", got[0].ID, first)
				}
			})
		})
	}
}

func TestRequeue_RunsTheTaskAnew(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(once)
		r.answering(500)
		r.enqueue(id("a"))
		made := r.enqueue().ID
		r.wantBacklog(0)
		time.Sleep(time.Hour)
		r.answering(200)

		receipt, err := r.Requeue(t.Context(), queue, "a")
		r.must(err)
		if receipt.ID != "a" {
			t.Errorf("Receipt = %+v", receipt)
		}
		receipt, err = r.Requeue(t.Context(), queue, made)
		r.must(err)
		if receipt.ID == made {
			t.Error("a generated id came again")
		}
		calls := r.seen()
		if len(calls) != 6 || len(r.Exhausted()) != 0 {
			t.Fatalf("%d calls, %d listed", len(calls), len(r.Exhausted()))
		}
		for _, c := range calls[4:] {
			if c.at != time.Hour || c.d.Attempt != 1 || c.d.PreviousResponse != 0 || string(c.d.Body) != "body" {
				t.Errorf("%+v", c)
			}
		}
		wantTaken(t, r, "a", transport.ErrGone)
	})
}

func TestRequeue_Refused_LeavesTheTaskListed(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(once)
		r.answering(500)
		r.enqueue(id("a"))
		r.wantBacklog(0)
		time.Sleep(transport.TombstoneTTL)
		r.enqueue(id("a"), in(time.Hour))
		if _, err := r.Requeue(t.Context(), queue, "a"); !errors.Is(err, transport.ErrExists) {
			t.Errorf("its id is in use: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Requeue(ended, queue, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("context has ended: %v", err)
		}
		if _, err := r.Requeue(t.Context(), queue, "b"); !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("not in the list: %v", err)
		}
		if n := len(r.Exhausted()); n != 1 {
			t.Errorf("%d in the list", n)
		}
	})
}

func TestRequeueAll_RequeuesWhatItCan(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(once)
		r.answering(500)
		for _, name := range []string{"a", "b", "c"} {
			r.enqueue(id(name))
		}
		r.wantBacklog(0)
		time.Sleep(transport.TombstoneTTL)
		r.answering(200)
		r.enqueue(id("b"), in(time.Hour))
		n, err := r.RequeueAll(t.Context())
		if n != 2 || !errors.Is(err, transport.ErrExists) {
			t.Errorf("%d requeued, %v", n, err)
		}
		r.wantBacklog(1)
		if got := r.Exhausted(); len(got) != 1 || got[0].ID != "b" {
			t.Errorf("Exhausted = %+v", got)
		}
	})
}

func TestExhausted_WithdrawnDuringTheLastAttempt_NoticeStillArrives(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(transport.QueueConfig{Retry: transport.RetryConfig{MaxAttempts: 1}})
		r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if !d.Exhausted {
				r.Withdraw("")
			}
			return 500, 0, nil
		})
		r.enqueue()
		calls := r.seen()
		if len(calls) != 2 || !calls[1].d.Exhausted {
			t.Fatalf("%d calls, want the attempt and the notice: %+v", len(calls), calls)
		}
	})
}
