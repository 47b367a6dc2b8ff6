package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestRate_IsExactOverTime(t *testing.T) {
	for _, tc := range []struct {
		rate  float64
		burst int
		tasks int
		last  time.Duration // when the last of them starts: (tasks - burst) intervals
	}{
		{rate: 500, burst: 0, tasks: 5100, last: 10 * sec}, // a burst of 100
		{rate: 500, burst: 1, tasks: 5001, last: 10 * sec},
		{rate: 10, burst: 10, tasks: 110, last: 10 * sec},
		{rate: 0.5, burst: 0, tasks: 11, last: 20 * sec},
		{rate: 0.001, burst: 3, tasks: 4, last: 1000 * sec},
		{rate: 3, burst: 1, tasks: 4, last: sec + 2},        // a third of a second, rounded up: never faster
		{rate: 1e-300, burst: 5, tasks: 5, last: 0},         // as good as stopped, but for the burst
		{rate: 100, burst: 1 << 40, tasks: 5000, last: 0},   // more than a bucket can hold
		{rate: transport.NoRateLimit, tasks: 5000, last: 0}, //
	} {
		t.Run(fmt.Sprintf("%v a second, burst %d", tc.rate, tc.burst), func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.put(transport.QueueConfig{MaxDispatchesPerSecond: tc.rate, MaxBurst: tc.burst})
				for range tc.tasks {
					r.enqueue()
				}
				time.Sleep(time.Hour)
				at := r.times()
				if len(at) != tc.tasks || at[len(at)-1] != tc.last {
					t.Fatalf("%d tasks, the last at %v; want %d, %v", len(at), at[len(at)-1], tc.tasks, tc.last)
				}
			})
		})
	}
}

func TestRate_RetriesUseTokensToo(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.answering(500)
		r.put(transport.QueueConfig{MaxDispatchesPerSecond: 1, MaxBurst: 1})
		r.enqueue(retry(transport.RetryConfig{MinBackoff: 1, MaxBackoff: 1, MaxAttempts: 4}))
		time.Sleep(time.Hour)
		equal(t, "times", r.times()[:4], []time.Duration{0, sec, 2 * sec, 3 * sec})
	})
}

func TestRate_ConfigChange_HoldsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name string
		to   transport.QueueConfig
		want []time.Duration
	}{
		{"faster, from half a token on", transport.QueueConfig{MaxDispatchesPerSecond: 1, MaxBurst: 2}, []time.Duration{0, 0, 5*sec + sec/2, 6*sec + sec/2}},
		{"larger bucket, which is not filled", transport.QueueConfig{MaxDispatchesPerSecond: 0.1, MaxBurst: 3}, []time.Duration{0, 0, 10 * sec, 20 * sec}},
		{"no limit", transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit}, []time.Duration{0, 0, 5 * sec, 5 * sec}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.put(transport.QueueConfig{MaxDispatchesPerSecond: 0.1, MaxBurst: 2})
				for range 4 {
					r.enqueue()
				}
				time.Sleep(5 * sec)
				if n := len(r.seen()); n != 2 {
					t.Fatalf("%d at first", n)
				}
				r.put(tc.to)
				time.Sleep(time.Minute)
				equal(t, "times", r.times(), tc.want)
			})
		})
	}
}

func TestConcurrency_IsBounded(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(10 * sec)
			return 200, 0, nil
		})
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 3})
		for range 10 {
			r.enqueue()
		}
		time.Sleep(time.Minute)
		equal(t, "times", r.times(), []time.Duration{0, 0, 0, 10 * sec, 10 * sec, 10 * sec, 20 * sec, 20 * sec, 20 * sec, 30 * sec})
	})
}

func TestConcurrency_ConfigChange_HoldsAtOnce(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(10 * sec)
			return 200, 0, nil
		})
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		for range 5 {
			r.enqueue()
		}
		time.Sleep(sec)
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 3})
		time.Sleep(time.Minute)
		equal(t, "times", r.times(), []time.Duration{0, sec, sec, 10 * sec, 11 * sec})
	})
}

func TestConcurrency_QueuesDoNotShareIt(t *testing.T) {
	inBubble(t, engine.Config{Queue: transport.QueueConfig{MaxConcurrentDispatches: 1}}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(10 * sec)
			return 200, 0, nil
		})
		for i := range 5 {
			r.enqueue(func(t *transport.Task) { t.Queue = fmt.Sprint("q-", i) })
		}
		equal(t, "times", r.times(), make([]time.Duration, 5))
	})
}
