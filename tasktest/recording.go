package tasktest

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// recording is the engine, the broker and the jobs as a transport that remembers what went in, and fails on demand.
type recording struct {
	*engine.Engine
	jobs.Scheduler
	broker *broker.Broker
	jobs   *jobs.Jobs
	served atomic.Int64 // endpoints
	twice  atomic.Bool

	name     func(url string) string
	endpoint func(subscription string) string // of a subscriber that pulls
	carried  func(*transport.Message) http.Header

	mu       sync.Mutex
	entries  []*entry // they never change
	byID     map[taskID]*entry
	claimed  map[*entry]bool
	faults   []fault        // the next enqueues' and publishes', in order
	ran      map[string]int // attempts by what was run, since recount
	failures map[attempted]int
	lost     []GivenUp // messages, and runs of jobs
	fired    []firing  // the latest
	firings  int
	draining bool
}

type taskID struct{ queue, id string }

// newRecording makes one that tells time by clock. Its functions are the caller's to set.
func newRecording(clock engine.Clock) *recording {
	s := &recording{byID: map[taskID]*entry{}, claimed: map[*entry]bool{}, failures: map[attempted]int{}}
	s.Engine = engine.New(engine.Config{
		Clock: clock, Manual: true,
		Queue: transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit},
	})
	s.broker = broker.New(broker.Config{Clock: clock, Manual: true, Push: s.push, AutoCreate: true, Describe: describeSource})
	s.jobs = jobs.New(jobs.Config{Clock: clock, Manual: true, Fire: s.fire, Served: func(url string) bool { return s.Handler(url) != nil }})
	s.Scheduler = s.jobs.Scheduler()
	return s
}

// fault is what happens to one enqueue or publish.
type fault struct {
	err       error
	committed bool
}

func (s *recording) fail(n int, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slices.Repeat([]fault{f}, n)...)
}

func (s *recording) nextFault() (f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f
}

// Enqueue records what the engine accepts.
func (s *recording) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	f := s.nextFault()
	if f.err != nil && !f.committed {
		return transport.Receipt{}, f.err
	}
	at := s.Now()
	r, err := s.Engine.Enqueue(ctx, t)
	if err != nil {
		if kind := transport.KindOf(err); f.err != nil && (kind == transport.KindExists || kind == transport.KindGone) {
			return transport.Receipt{}, f.err // it is there, and this answer is lost as well
		}
		return r, err
	}
	s.add(taskEntry(s.name(t.URL), t, r, at))
	if f.err != nil {
		return transport.Receipt{}, f.err
	}
	return r, nil
}

// EnqueueBatch enqueues one by one, so that faults fall on single tasks.
func (s *recording) EnqueueBatch(ctx context.Context, ts []*transport.Task) []transport.Result {
	results := make([]transport.Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = s.Enqueue(ctx, t)
	}
	return results
}

// Serve takes who runs tasks and gets messages.
func (s *recording) Serve(endpoint string, h transport.Handler) error {
	err := s.Engine.Serve(endpoint, s.counted(h))
	if err == nil {
		s.served.Add(1)
	}
	return err
}

// Withdraw takes an endpoint back.
func (s *recording) Withdraw(endpoint string) (left int) {
	left = s.Engine.Withdraw(endpoint)
	s.served.Store(int64(left))
	s.jobs.Prune()
	return left
}

// Shutdown ends all parts.
func (s *recording) Shutdown(ctx context.Context) error {
	return errors.Join(s.Engine.Shutdown(ctx), s.broker.Shutdown(ctx), s.jobs.Shutdown(ctx))
}

// counted counts attempts, and delivers twice where that is asked for.
func (s *recording) counted(h transport.Handler) transport.Handler {
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Exhausted {
			return h(ctx, d)
		}
		s.count(d)
		if !s.twice.Load() {
			return h(ctx, d)
		}
		again := *d
		if d.Message != nil {
			m := *d.Message
			m.Attributes, m.Data = maps.Clone(m.Attributes), slices.Clone(m.Data)
			again.Message = &m
		}
		status, after, err := h(ctx, d)
		_, _, _ = h(ctx, &again)
		return status, after, err
	}
}

func (s *recording) count(d *transport.Delivery) {
	name := s.name(d.URL)
	switch {
	case d.Message != nil:
		name = "subscriber " + name
	case d.Queue == "": // of tasks it never is
		name = "periodic " + name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran[name]++
}

// recount begins to count attempts from none.
func (s *recording) recount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran = map[string]int{}
}

func (s *recording) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ran)
}

func (s *recording) add(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
	e.number = len(s.entries)
	if e.task != nil {
		s.byID[taskID{e.task.Queue, e.task.ID}] = e
	}
}

// all lists the entries made so far.
func (s *recording) all() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.entries)
}

// claim marks entries as asked for.
func (s *recording) claim(entries []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.claimed[e] = true
	}
}

// unclaimed lists the entries that nothing has asked for.
func (s *recording) unclaimed() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.entries), func(e *entry) bool { return s.claimed[e] })
}

// discard empties the queues.
func (s *recording) discard(ctx context.Context) error {
	queues := map[string]bool{}
	for _, e := range s.all() {
		if e.task != nil {
			queues[e.task.Queue] = true
		}
	}
	for q := range queues {
		if err := s.Purge(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
