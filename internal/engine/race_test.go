package engine_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// What is accepted and not deleted runs exactly once, and the counts are right in the end.
func TestRace_EverythingAtOnce(t *testing.T) {
	synctest.Test(t, everythingAtOnce)
}

func everythingAtOnce(t *testing.T) {
	const (
		senders = 8
		each    = 500
	)
	e := engine.New(engine.Config{Queue: transport.QueueConfig{
		MaxDispatchesPerSecond: transport.NoRateLimit, MaxConcurrentDispatches: 16,
		Retry: transport.RetryConfig{MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond},
	}})
	var ran, failed sync.Map
	serve := func(endpoint string) {
		err := e.Serve(endpoint, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Attempt == 1 && len(d.ID)%3 == 0 {
				failed.Store(d.ID, true)
				return 503, 0, nil
			}
			if _, twice := ran.LoadOrStore(d.ID, true); twice {
				t.Errorf("task %q ran twice", d.ID)
			}
			if string(d.Body) != d.Header.Get("Copy") {
				t.Errorf("task %q: body %q, header %q", d.ID, d.Body, d.Header.Get("Copy"))
			}
			return 200, 0, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	serve("")

	ctx := context.Background()
	var deleted atomic.Int64
	stop := make(chan struct{})
	var sending, others sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				body := fmt.Sprint(s, "-", i%20)
				task := &transport.Task{
					Queue: fmt.Sprint("q-", i%3), URL: fmt.Sprint(url, "/", i%7), Body: []byte(body),
					Header: map[string][]string{"Copy": {body}},
				}
				if i%5 == 0 {
					task.ETA = time.Now().Add(time.Duration(i) * 10 * time.Microsecond)
				}
				if i%2 == 0 {
					task.ID = fmt.Sprint("named-", s, "-", i)
				}
				receipt, err := e.Enqueue(ctx, task)
				if err != nil {
					t.Error(err)
				}
				if i%11 == 0 && e.Delete(ctx, task.Queue, receipt.ID) == nil {
					deleted.Add(1)
				}
			}
		})
	}
	for _, f := range []func(i int){
		func(i int) { e.Pause(ctx, fmt.Sprint("q-", i%3)); e.Resume(ctx, fmt.Sprint("q-", i%3)) },
		func(i int) {
			for w := range e.All(ctx, fmt.Sprint("q-", i%3)) {
				if w != nil {
					e.Get(ctx, w.Queue, w.ID)
				}
			}
		},
		func(i int) {
			e.PutQueue(ctx, fmt.Sprint("q-", i%3), transport.QueueConfig{MaxConcurrentDispatches: 1 + i%16})
		},
		func(i int) { e.Exhausted(); e.Backlog(); e.Queue(ctx, "q-1") },
		func(i int) { e.Serve("https://elsewhere.example", nil); e.Withdraw("https://elsewhere.example") },
	} {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
					time.Sleep(100 * time.Microsecond)
				}
			}
		})
	}
	sending.Wait()
	for e.Backlog() > 0 {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	others.Wait()
	if err := e.Shutdown(ctx); err != nil {
		t.Error(err)
	}

	n := int64(0)
	ran.Range(func(any, any) bool { n++; return true })
	// A task may be deleted while it runs: it counts as both.
	if n > senders*each || n+deleted.Load() < senders*each {
		t.Errorf("%d ran and %d were deleted, of %d", n, deleted.Load(), senders*each)
	}
	if len(e.Exhausted()) != 0 {
		t.Errorf("%d given up", len(e.Exhausted()))
	}
}
