package jobs

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// Shutdown lets no attempt begin any more and waits for those in flight, which may still put jobs; then all methods
// that do something to a job answer ErrClosed. When ctx ends first, it cancels their contexts and returns ctx's error.
// Calling it again does no harm.
func (s *Jobs) Shutdown(ctx context.Context) error {
	drained := s.Drain()
	select {
	case <-drained:
	default:
		select {
		case <-drained:
		case <-ctx.Done():
		}
	}
	running := s.close()
	s.cancel()
	if running > 0 {
		err := fmt.Errorf("%d runs of jobs were still going on: %w", running, ctx.Err())
		return &transport.Error{Op: OpShutdown, Err: err}
	}
	return nil
}

// Drain is the first half of Shutdown: nothing begins any more. The channel is closed when no attempt is in flight any
// more.
func (s *Jobs) Drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == open {
		s.stage = draining
		s.disarm()
		s.busy++ // for leave
		s.leave()
	}
	return s.drained
}

// close lets nothing in any more and returns how many attempts are in flight.
func (s *Jobs) close() (running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = closed
	return s.busy
}

// leave counts an attempt as over, and tells Shutdown of the last one.
func (s *Jobs) leave() {
	s.busy--
	if s.busy > 0 || s.stage == open {
		return
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}
