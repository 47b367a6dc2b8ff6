package engine_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

const sec = time.Second

func TestRetry_Delays_AreExact(t *testing.T) {
	for _, tc := range []struct {
		name  string
		retry transport.RetryConfig
		want  []time.Duration // when attempts begin
	}{
		{
			"doubling, then linear, then flat",
			transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 300 * sec, MaxDoublings: 3, MaxAttempts: 9},
			[]time.Duration{0, 10 * sec, 30 * sec, 70 * sec, 150 * sec, 310 * sec, 550 * sec, 850 * sec, 1150 * sec},
		},
		{
			"no doubling",
			transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 30 * sec, MaxAttempts: 6},
			[]time.Duration{0, 10 * sec, 30 * sec, 60 * sec, 90 * sec, 120 * sec},
		},
		{
			"the default",
			transport.RetryConfig{MaxAttempts: 4},
			[]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond},
		},
		{
			"until a duration has passed",
			transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec, MaxAttempts: transport.UnlimitedAttempts, MaxRetryDuration: 25 * sec},
			[]time.Duration{0, 10 * sec, 20 * sec, 30 * sec},
		},
		{
			"until both limits are used up: the duration comes last",
			transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec, MaxAttempts: 2, MaxRetryDuration: 25 * sec},
			[]time.Duration{0, 10 * sec, 20 * sec, 30 * sec},
		},
		{
			"until both limits are used up: the attempts come last",
			transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec, MaxAttempts: 4, MaxRetryDuration: 15 * sec},
			[]time.Duration{0, 10 * sec, 20 * sec, 30 * sec},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, of := range []string{"queue", "task"} {
				inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
					r.answering(500)
					if of == "queue" {
						r.put(transport.QueueConfig{Retry: tc.retry})
						r.enqueue()
					} else {
						r.put(transport.QueueConfig{Retry: transport.RetryConfig{MaxAttempts: 1}})
						r.enqueue(retry(tc.retry))
					}
					time.Sleep(time.Hour)
					notice := tc.want[len(tc.want)-1]
					equal(t, of+"'s settings: times", r.times(), append(tc.want[:len(tc.want):len(tc.want)], notice))
					r.wantBacklog(0)
				})
			}
		})
	}
}

func TestRetry_DelayCountsFromTheFailure(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(7 * sec)
			return 500, 0, nil
		})
		r.enqueue(retry(transport.RetryConfig{MinBackoff: 10 * sec, MaxAttempts: 3}), in(time.Minute))
		time.Sleep(time.Hour)
		equal(t, "times", r.times()[:3], []time.Duration{60 * sec, 77 * sec, 94*sec + 10*sec})
	})
}

func TestRetry_HandlersRetryAfter_WinsIfLarger(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		after := []time.Duration{time.Minute, sec, -sec, 0}
		r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Exhausted {
				return 200, 0, nil
			}
			return 503, after[d.Attempt-1], nil
		})
		r.enqueue(retry(transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec, MaxAttempts: 4}))
		time.Sleep(time.Hour)
		equal(t, "times", r.times()[:4], []time.Duration{0, 60 * sec, 70 * sec, 80 * sec})
	})
}

func TestRetry_ConfigChange_HoldsAtOnce(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.answering(500)
		r.put(transport.QueueConfig{Retry: transport.RetryConfig{MinBackoff: 10 * sec, MaxBackoff: 10 * sec}})
		r.enqueue()
		time.Sleep(sec)
		r.put(transport.QueueConfig{Retry: transport.RetryConfig{MinBackoff: 60 * sec, MaxBackoff: 60 * sec, MaxAttempts: 3}})
		time.Sleep(time.Hour)
		equal(t, "times", r.times()[:3], []time.Duration{0, 10 * sec, 70 * sec})
		r.wantBacklog(0)
	})
}

// The statuses and what came of them were recorded from the real service.
func TestRetry_Counters_AsRecorded(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		statuses := []int{503, 404, 429, 500, 302, 200}
		r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			return statuses[d.Attempt-1], 0, nil
		})
		r.enqueue(id("a"))
		first := time.Now()
		time.Sleep(time.Hour)
		var attempts, executions, previous []int
		for _, c := range r.seen() {
			attempts = append(attempts, c.d.Attempt)
			executions = append(executions, c.d.Executions)
			previous = append(previous, c.d.PreviousResponse)
			if !c.d.FirstAttempt.Equal(first) {
				t.Errorf("FirstAttempt = %v, want %v", c.d.FirstAttempt, first)
			}
			if eta := r.start.Add(c.at); !c.d.ETA.Equal(eta) {
				t.Errorf("ETA = %v, want %v", c.d.ETA, eta)
			}
		}
		equal(t, "attempts", attempts, []int{1, 2, 3, 4, 5, 6})
		equal(t, "executions", executions, []int{0, 0, 1, 2, 2, 3})
		equal(t, "previous responses", previous, []int{0, 503, 404, 429, 500, 302})
		r.wantBacklog(0)
	})
}

func TestDeadline_FailsTheAttempt(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    transport.Handler
	}{
		{"of a handler that watches its context", func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 500, 0, ctx.Err()
		}},
		{"of one that answers just then", func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(20 * sec)
			return 200, 0, nil
		}},
		{"of one that succeeds later", func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(10 * time.Minute)
			return 200, 0, nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.respond(tc.h)
				r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
				r.enqueue(timeout(20*sec), retry(transport.RetryConfig{MinBackoff: 10 * sec, MaxAttempts: 3}))
				time.Sleep(time.Hour)
				calls := r.seen()
				equal(t, "times", r.times(), []time.Duration{0, 30 * sec, 70 * sec, 90 * sec})
				for _, c := range calls[1:] {
					if c.d.PreviousResponse != 504 || c.d.Executions != 0 {
						t.Errorf("attempt %d: previous response %d, executions %d; want 504, 0", c.d.Attempt, c.d.PreviousResponse, c.d.Executions)
					}
				}
				got := r.Exhausted()
				if len(got) != 1 || got[0].LastStatus != 504 || got[0].LastErr == nil {
					t.Errorf("Exhausted = %+v", got)
				}
				r.wantBacklog(0)
			})
		})
	}
}

func TestDeadline_ContextTellsIt(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		var got []time.Time
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			deadline, _ := ctx.Deadline()
			got = append(got, deadline)
			return 200, 0, nil
		})
		r.enqueue(timeout(time.Minute))
		r.seen()
		r.enqueue()
		r.seen()
		now := time.Now()
		if len(got) != 2 || !got[0].Equal(now.Add(time.Minute)) || !got[1].Equal(now.Add(transport.DefaultTimeout)) {
			t.Errorf("deadlines %v at %v", got, now)
		}
	})
}

func TestDeadline_ManyTimeouts_EachAtItsOwn(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Attempt == 1 {
				time.Sleep(time.Hour)
			}
			return 200, 0, nil
		})
		want := []time.Duration{0, 0, 0, 0, 0}
		for _, n := range []time.Duration{60, 20, 40, 15, 30} {
			r.enqueue(timeout(n*sec), retry(transport.RetryConfig{MinBackoff: sec, MaxAttempts: 5}))
		}
		time.Sleep(time.Hour)
		equal(t, "times", r.times(), append(want, 16*sec, 21*sec, 31*sec, 41*sec, 61*sec))
	})
}

func TestAttempt_BadEndings_AreFailures(t *testing.T) {
	sick := errors.New("sick")
	for _, tc := range []struct {
		name string
		h    transport.Handler
		want func(error) bool
	}{
		{"panic", func(context.Context, *transport.Delivery) (int, time.Duration, error) { panic(sick) }, func(err error) bool { return errors.Is(err, sick) && contains(err, "retry_test.go") }},
		{"goroutine ended", func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			runtime.Goexit()
			return 200, 0, nil
		}, func(err error) bool { return contains(err, "Goexit") }},
		{"no HTTP status", func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 0, 0, sick }, func(err error) bool { return errors.Is(err, sick) }},
		{"error", func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 500, 0, sick }, func(err error) bool { return errors.Is(err, sick) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.put(transport.QueueConfig{MaxConcurrentDispatches: 1, Retry: transport.RetryConfig{MaxAttempts: 2}})
				r.respond(tc.h)
				r.enqueue(id("a"))
				time.Sleep(time.Hour)
				calls := r.seen()
				if len(calls) != 3 || calls[1].d.PreviousResponse != 500 {
					t.Errorf("calls = %+v", calls)
				}
				if got := r.Exhausted(); len(got) != 1 || got[0].LastStatus != 500 || !tc.want(got[0].LastErr) {
					t.Errorf("Exhausted = %+v", got)
				}
				r.answering(200)
				r.enqueue(id("b"))
				if got := r.seen(); len(got) != 4 {
					t.Errorf("the queue stands still: %d calls", len(got))
				}
				r.must(r.Shutdown(t.Context()))
			})
		})
	}
}

func TestLifetime_EndsAfter31Days(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name         string
		retry        transport.RetryConfig
		hold         time.Duration // how long the queue is paused
		wantAttempts int
	}{
		{"between attempts", transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MinBackoff: 10 * day, MaxBackoff: 10 * day}, 0, 4},
		{"before the first attempt", transport.RetryConfig{}, 32 * day, 0},
		{"at a failure", transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MinBackoff: day}, 31*day - sec, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
					time.Sleep(2 * sec)
					return 500, 0, nil
				})
				r.put(transport.QueueConfig{})
				r.must(r.Pause(t.Context(), queue))
				r.enqueue(retry(tc.retry))
				time.Sleep(tc.hold)
				r.must(r.Resume(t.Context(), queue))
				time.Sleep(40 * day)
				got := r.Exhausted()
				if len(got) != 1 || got[0].Reason != engine.TooOld || got[0].Attempts != tc.wantAttempts {
					t.Fatalf("Exhausted = %+v", got)
				}
				if age := got[0].GivenUp.Sub(got[0].Created); age < transport.MaxLifetime || age > max(tc.hold, transport.MaxLifetime+2*sec) {
					t.Errorf("given up at the age of %v", age)
				}
				calls := r.seen()
				if n := len(calls); n != tc.wantAttempts+1 || !calls[n-1].d.Exhausted || calls[n-1].d.Attempt != tc.wantAttempts {
					t.Errorf("calls = %+v", calls)
				}
				r.wantBacklog(0)
			})
		})
	}
}
