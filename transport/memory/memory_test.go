package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

var _ interface {
	transport.Transport
	transport.Batcher
	transport.Inspector
	transport.QueueAdmin
	transport.QueueDeclarer
	transport.Server
	transport.Sharer
	transport.Backlogger
	transport.Clock
} = (*memory.Transport)(nil)

const (
	queue = "mail"
	url   = "https://shop.example.com/_tasks/Welcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer serves everything with status.
func answer(t *testing.T, tr *memory.Transport, status int) {
	t.Helper()
	err := tr.Serve("", func(context.Context, *transport.Delivery) (int, time.Duration, error) { return status, 0, nil })
	if err != nil {
		t.Fatal(err)
	}
}

func enqueue(t *testing.T, tr *memory.Transport, id string) transport.Receipt {
	t.Helper()
	r, err := tr.Enqueue(t.Context(), &transport.Task{ID: id, Queue: queue, URL: url, Body: []byte("body")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNew_QueueSettings(t *testing.T) {
	limited := transport.QueueConfig{MaxConcurrentDispatches: 3, Retry: transport.RetryConfig{MaxAttempts: 2}}
	for _, tc := range []struct {
		name                 string
		opts                 []memory.Option
		rate                 float64
		burst, slots, tries  int
		minBackoff, maxDelay time.Duration
	}{
		{"default", nil, transport.NoRateLimit, 0, 1000, 100, 100 * time.Millisecond, time.Hour},
		{"nil option", []memory.Option{nil}, transport.NoRateLimit, 0, 1000, 100, 100 * time.Millisecond, time.Hour},
		{"Cloud Tasks", []memory.Option{memory.WithCloudTasksDefaults()}, 500, 100, 1000, 100, 100 * time.Millisecond, time.Hour},
		{"own", []memory.Option{memory.WithQueues(map[string]transport.QueueConfig{queue: limited})}, transport.NoRateLimit, 0, 3, 2, 100 * time.Millisecond, time.Hour},
		{"the later one wins", []memory.Option{
			memory.WithQueues(map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 1}}),
			memory.WithQueues(map[string]transport.QueueConfig{queue: limited, "other": {}}),
		}, transport.NoRateLimit, 0, 3, 2, 100 * time.Millisecond, time.Hour},
		{"what is not valid is left out", []memory.Option{memory.WithQueues(map[string]transport.QueueConfig{
			queue: {MaxBurst: -1}, "bad_name": {},
		})}, transport.NoRateLimit, 0, 1000, 100, 100 * time.Millisecond, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := memory.New(tc.opts...)
			enqueue(t, tr, "")
			got, err := tr.Queue(t.Context(), queue)
			if err != nil {
				t.Fatal(err)
			}
			want := transport.QueueConfig{
				MaxDispatchesPerSecond: tc.rate, MaxBurst: tc.burst, MaxConcurrentDispatches: tc.slots,
				Retry: transport.RetryConfig{MaxAttempts: tc.tries, MaxDoublings: 16, MinBackoff: tc.minBackoff, MaxBackoff: tc.maxDelay},
			}
			if got != want {
				t.Errorf("Queue = %+v, want %+v", got, want)
			}
		})
	}
}

func TestWithQueues_KeepsNoReference(t *testing.T) {
	cfgs := map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 3}}
	opt := memory.WithQueues(cfgs)
	cfgs[queue] = transport.QueueConfig{MaxConcurrentDispatches: 4}
	if got, err := memory.New(opt).Queue(t.Context(), queue); err != nil || got.MaxConcurrentDispatches != 3 {
		t.Errorf("Queue = %+v, %v", got, err)
	}
}

func TestDeclaredQueuesOnly_RefusesOthers(t *testing.T) {
	tr := memory.New(memory.DeclaredQueuesOnly(), memory.WithQueues(map[string]transport.QueueConfig{queue: {}}))
	enqueue(t, tr, "")
	for _, make := range []func() error{
		func() error { return tr.PutQueue(t.Context(), "put", transport.QueueConfig{}) },
		func() error { return tr.DeclareQueues(map[string]transport.QueueConfig{"declared": {}}) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		queue string
		want  error
	}{{"put", nil}, {"declared", nil}, {"other", transport.ErrQueueMissing}} {
		if _, err := tr.Enqueue(t.Context(), &transport.Task{Queue: tc.queue, URL: url}); !errors.Is(err, tc.want) {
			t.Errorf("queue %q: %v, want %v", tc.queue, err, tc.want)
		}
	}
}

func TestCapacity_OutOfRange_MeansTheDefault(t *testing.T) {
	tr := memory.New(memory.WithCapacity(-1), memory.WithCapacityBytes(0), memory.WithExhaustedLimit(-7))
	for range 100 {
		enqueue(t, tr, "")
	}
	if got := tr.Backlog(); got != 100 {
		t.Errorf("Backlog = %d", got)
	}
}

func TestCapacity_NamesTheOptionThatRaisesIt(t *testing.T) {
	for _, tc := range []struct {
		opt  memory.Option
		want string
	}{
		{memory.WithCapacity(2), "2 tasks wait already; WithCapacity raises the limit of 2"},
		{memory.WithCapacityBytes(100), "WithCapacityBytes raises it"},
	} {
		tr := memory.New(tc.opt)
		var err error
		for range 3 {
			_, err = tr.Enqueue(t.Context(), &transport.Task{Queue: queue, Body: make([]byte, 40)})
		}
		if !errors.Is(err, transport.ErrCapacity) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("err = %v", err)
		}
		if tr.Backlog() != 2 {
			t.Errorf("Backlog = %d", tr.Backlog())
		}
	}
}

func TestExhausted_TooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		enqueue(t, tr, "a")
		time.Sleep(transport.MaxLifetime)
		answer(t, tr, 200)
		synctest.Wait()
		if got := tr.Exhausted(); len(got) != 1 || got[0].Reason != memory.TooOld || !got[0].Quarantined || got[0].Attempts != 0 {
			t.Errorf("Exhausted = %+v", got)
		}
	})
}

func TestExhausted_ListAndRequeue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := errors.New("sick")
		tr := memory.New(memory.WithExhaustedLimit(2))
		if err := tr.PutQueue(t.Context(), queue, transport.QueueConfig{Retry: transport.RetryConfig{MaxAttempts: 1}}); err != nil {
			t.Fatal(err)
		}
		healthy := false
		err := tr.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			switch {
			case healthy:
				return 200, 0, nil
			case d.Exhausted:
				return 202, 0, nil
			}
			return 503, 0, sick
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, id := range []string{"a", "b", "c"} {
			enqueue(t, tr, id)
			synctest.Wait()
		}
		list := tr.Exhausted()
		if len(list) != 2 || tr.ExhaustedDropped() != 1 {
			t.Fatalf("%d listed, %d dropped", len(list), tr.ExhaustedDropped())
		}
		got := list[0]
		if got.ID != "b" || got.Queue != queue || string(got.Body) != "body" || got.Attempts != 1 || got.LastStatus != 503 ||
			got.LastErr != sick || got.Reason != memory.OutOfAttempts || !got.Quarantined ||
			!got.Created.Equal(start) || !got.FirstAttempt.Equal(start) || !got.GivenUp.Equal(start) {
			t.Errorf("Exhausted = %+v", got)
		}
		healthy = true
		if _, err := tr.Requeue(t.Context(), queue, "a"); !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("Requeue of one that was dropped: %v", err)
		}
		if r, err := tr.Requeue(t.Context(), queue, "b"); err != nil || r.ID != "b" {
			t.Errorf("Requeue: %+v, %v", r, err)
		}
		if n, err := tr.RequeueAll(t.Context()); n != 1 || err != nil {
			t.Errorf("RequeueAll: %d, %v", n, err)
		}
		synctest.Wait()
		if len(tr.Exhausted()) != 0 || tr.Backlog() != 0 {
			t.Errorf("%d listed, backlog %d", len(tr.Exhausted()), tr.Backlog())
		}
	})
}

func TestTransport_ABubbleMayEndWithTasksWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		answer(t, tr, 200)
		enqueue(t, tr, "")
		_, err := tr.Enqueue(t.Context(), &transport.Task{Queue: queue, URL: url, ETA: tr.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if tr.Backlog() != 1 {
			t.Errorf("Backlog = %d", tr.Backlog())
		}
	})
}

func TestBatch_AndInspection(t *testing.T) {
	tr := memory.New()
	later := time.Now().Add(time.Hour)
	var tasks []*transport.Task
	for i := range 5 {
		tasks = append(tasks, &transport.Task{ID: fmt.Sprint("t-", i), Queue: queue, URL: url, ETA: later})
	}
	for _, r := range tr.EnqueueBatch(t.Context(), tasks) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	n := 0
	for w, err := range tr.All(t.Context(), queue) {
		if err != nil || !w.ETA.Equal(later) {
			t.Fatalf("%+v, %v", w, err)
		}
		n++
	}
	if w, err := tr.Get(t.Context(), queue, "t-3"); n != 5 || err != nil || w.ID != "t-3" {
		t.Errorf("%d listed; Get = %v, %v", n, w, err)
	}
	if err := tr.Delete(t.Context(), queue, "t-3"); err != nil || tr.Backlog() != 4 {
		t.Errorf("Delete: %v, backlog %d", err, tr.Backlog())
	}
	if err := tr.Purge(t.Context(), queue); err != nil || tr.Backlog() != 0 {
		t.Errorf("Purge: %v, backlog %d", err, tr.Backlog())
	}
}
