package tasktest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// recording is the engine as a transport that remembers what went in, and fails on demand.
type recording struct {
	*engine.Engine
	name  func(url string) string
	twice atomic.Bool

	mu      sync.Mutex
	entries []*entry // they never change
	claimed map[*entry]bool
	faults  []fault        // the next enqueues', in order
	ran     map[string]int // attempts by task, since recount
}

// fault is what happens to one enqueue.
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
	e := newEntry(s.name(t.URL), t, r, at)
	s.mu.Lock()
	s.entries = append(s.entries, e)
	e.number = len(s.entries)
	s.mu.Unlock()
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

// Serve counts attempts, and delivers twice where that is asked for.
func (s *recording) Serve(endpoint string, h transport.Handler) error {
	return s.Engine.Serve(endpoint, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Exhausted {
			return h(ctx, d)
		}
		s.count(s.name(d.URL))
		if !s.twice.Load() {
			return h(ctx, d)
		}
		again := *d
		status, after, err := h(ctx, d)
		_, _, _ = h(ctx, &again)
		return status, after, err
	})
}

func (s *recording) count(name string) {
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
	if s.claimed == nil {
		s.claimed = map[*entry]bool{}
	}
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
		queues[e.Queue] = true
	}
	for q := range queues {
		if err := s.Purge(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
