package tasktest

import (
	"context"
	"time"
)

// source is something that becomes due.
type source struct {
	next func() (time.Time, bool)
	run  func(ctx context.Context, pick func(n int) int) bool
}

// sources are tasks, messages and jobs. Of what becomes due together the first comes first.
func (s *recording) sources() []source {
	task := func(ctx context.Context, pick func(n int) int) bool {
		_, ran := s.Engine.RunNext(ctx, pick)
		return ran
	}
	message := func(ctx context.Context, pick func(n int) int) bool {
		_, ran := s.broker.RunNext(ctx, pick)
		return ran
	}
	return []source{{s.Engine.Next, task}, {s.nextMessage, message}, {s.nextJob, s.runJob}}
}

// next tells when something is due next, a task, a message or a job, in the past if it is due already. It reports
// false where nothing will be.
func (s *recording) next() (first time.Time, ok bool) {
	for _, src := range s.sources() {
		if at, some := src.next(); some && (!ok || at.Before(first)) {
			first, ok = at, true
		}
	}
	return first, ok
}

func (s *recording) nextMessage() (time.Time, bool) {
	if s.served.Load() == 0 {
		return time.Time{}, false
	}
	return s.broker.Next()
}

// nextJob leaves schedules to Advance.
func (s *recording) nextJob() (time.Time, bool) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return s.jobs.NextBegun()
	}
	return s.jobs.Next()
}

// drain says whether Drain is at work, which gives up what would go on for ever.
func (s *recording) drain(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = on
}

// runNext runs one task or job, or delivers one message, that is due. Whatever is due became so together, since the
// clock stops at each time at which something does: the task comes first. It reports false where nothing is due. pick
// chooses among what is due, nil takes the first.
func (s *recording) runNext(ctx context.Context, pick func(n int) int) bool {
	now := s.Now()
	var due []source
	for _, src := range s.sources() {
		if at, ok := src.next(); ok && !at.After(now) {
			due = append(due, src)
		}
	}
	switch {
	case len(due) == 0:
		return false
	case len(due) > 1 && pick != nil:
		return due[pick(len(due))].run(ctx, pick)
	}
	return due[0].run(ctx, pick)
}
