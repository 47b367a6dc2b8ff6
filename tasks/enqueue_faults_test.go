package tasks_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// enqFlaky fails 30% of the calls to what it wraps, half of them after it has acted.
type enqFlaky struct {
	transport.Transport
	mu                  sync.Mutex
	random              *rand.Rand
	calls, failed, lost int
}

func newEnqFlaky(t transport.Transport) *enqFlaky {
	return &enqFlaky{Transport: t, random: rand.New(rand.NewPCG(1, 2))}
}

func (f *enqFlaky) Unwrap() transport.Transport { return f.Transport }

func (f *enqFlaky) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	f.mu.Lock()
	before, after := false, false
	switch n := f.random.IntN(100); {
	case n < 15:
		before = true
		f.failed++
	case n < 30:
		after = true
		f.lost++
	}
	f.calls++
	f.mu.Unlock()
	if before {
		return transport.Receipt{}, enqUnavailable
	}
	r, err := f.Transport.Enqueue(ctx, t)
	if after {
		return transport.Receipt{}, enqUnavailable
	}
	return r, err
}

// enqFlakyBatches is an enqFlaky that takes many tasks in one call, some of which fail.
type enqFlakyBatches struct{ *enqFlaky }

func (f enqFlakyBatches) EnqueueBatch(ctx context.Context, ts []*transport.Task) []transport.Result {
	results := make([]transport.Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = f.Enqueue(ctx, t)
	}
	return results
}

const enqMany = 10_000

func TestEnqueueRetry_10000WithFaults_EveryTaskExactlyOnce(t *testing.T) {
	t.Parallel()
	concurrently := func(ctx context.Context, task *tasks.Task[int]) []tasks.Result {
		results := make([]tasks.Result, enqMany)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i].Receipt, results[i].Err = task.Enqueue(ctx, i) })
		}
		wg.Wait()
		return results
	}
	inOne := func(ctx context.Context, task *tasks.Task[int]) []tasks.Result {
		payloads := make([]int, enqMany)
		for i := range payloads {
			payloads[i] = i
		}
		return task.EnqueueAll(ctx, payloads)
	}
	for _, c := range []struct {
		why     string
		enqueue func(context.Context, *tasks.Task[int]) []tasks.Result
		batches bool
		memory  bool
	}{
		{"Enqueue, recorded", concurrently, false, false},
		{"EnqueueAll, recorded", inOne, false, false},
		{"EnqueueAll in batches, recorded", inOne, true, false},
		{"Enqueue, over memory", concurrently, false, true},
		{"EnqueueAll, over memory", inOne, false, true},
		{"EnqueueAll in batches, over memory", inOne, true, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var (
					mu    sync.Mutex
					count = make([]int, enqMany) // how often each task ran, or was taken in
					fake  = &enqFake{}
				)
				flaky := newEnqFlaky(fake)
				if c.memory {
					flaky = newEnqFlaky(memory.New(memory.WithCapacity(2 * enqMany)))
				}
				cfg := tasks.Config{Transport: flaky, EnqueueRetry: backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: time.Millisecond}}
				if c.batches {
					cfg.Transport = enqFlakyBatches{flaky}
				}
				task := tasks.New(func(_ context.Context, i int) error {
					mu.Lock()
					defer mu.Unlock()
					count[i]++
					return nil
				}, tasks.WithName("count"))
				app := enqApp(t, cfg, task)
				results := c.enqueue(t.Context(), task)
				synctest.Wait()
				if err := app.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				for _, sent := range fake.all() {
					i := enqMust(strconv.Atoi(string(sent.Body)))(t)
					count[i]++
				}
				ids := map[string]bool{}
				for i, r := range results {
					if r.Err != nil || r.Receipt.Duplicate || ids[r.Receipt.ID] || count[i] != 1 {
						t.Fatalf("payload %d: made %d times, %+v", i, count[i], r)
					}
					ids[r.Receipt.ID] = true
				}
				if share := 100 * (flaky.failed + flaky.lost) / flaky.calls; share < 28 || share > 32 || flaky.lost < enqMany/10 {
					t.Errorf("of %d calls %d failed and %d lost their answers, want 30%% in all", flaky.calls, flaky.failed, flaky.lost)
				}
			})
		})
	}
}

func TestEnqueueRetry_NamedWithFaults_OverMemory_AreNoDuplicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		count := map[string]int{}
		var mu sync.Mutex
		task := tasks.New(func(_ context.Context, k enqKeyed) error {
			mu.Lock()
			defer mu.Unlock()
			count[k.Key]++
			return nil
		}, tasks.Unique())
		flaky := newEnqFlaky(memory.New())
		app := enqApp(t, tasks.Config{Transport: flaky, EnqueueRetry: backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: time.Millisecond}}, task)
		payloads := make([]enqKeyed, n)
		for i := range payloads {
			payloads[i].Key = strconv.Itoa(i)
		}
		for _, duplicate := range []bool{false, true} {
			for i, r := range task.EnqueueAll(t.Context(), payloads, tasks.In(time.Hour)) {
				if r.Err != nil || r.Receipt.Duplicate != duplicate {
					t.Fatalf("payload %d: %+v, want Duplicate %t", i, r, duplicate)
				}
			}
		}
		time.Sleep(2 * time.Hour)
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, p := range payloads {
			if count[p.Key] != 1 {
				t.Fatalf("%s ran %d times, want once", p.Key, count[p.Key])
			}
		}
		if flaky.lost < n/10 {
			t.Errorf("%d answers were lost in %d calls", flaky.lost, flaky.calls)
		}
	})
}
