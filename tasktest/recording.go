package tasktest

import (
	"context"
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

	mu     sync.Mutex
	recs   []*Record
	faults []fault // the next enqueues', in order
}

type fault struct {
	err       error
	committed bool
}

func (s *recording) fail(n int, err error, committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults = append(s.faults, fault{err, committed})
	}
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
		return r, err
	}
	rec := newRecord(s.name(t.URL), t, r, at)
	s.mu.Lock()
	s.recs = append(s.recs, rec)
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

// Serve delivers twice where that is asked for.
func (s *recording) Serve(endpoint string, h transport.Handler) error {
	return s.Engine.Serve(endpoint, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if !s.twice.Load() || d.Exhausted {
			return h(ctx, d)
		}
		again := *d // a handler may change what it is given
		status, after, err := h(ctx, d)
		_, _, _ = h(ctx, &again)
		return status, after, err
	})
}

// all lists the records made so far.
func (s *recording) all() []*Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recs[:len(s.recs):len(s.recs)]
}

// discard empties the queues.
func (s *recording) discard(ctx context.Context) error {
	queues := map[string]bool{}
	for _, rec := range s.all() {
		queues[rec.Queue] = true
	}
	for q := range queues {
		if err := s.Purge(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
