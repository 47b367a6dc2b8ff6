package tasktest

import (
	"context"
	"time"
)

// next tells when something is due next, a task or a message, in the past if it is due already. It reports false
// where nothing will be.
func (s *recording) next() (time.Time, bool) {
	task, tasks := s.Engine.Next()
	message, messages := s.nextMessage()
	if !tasks || messages && message.Before(task) {
		return message, messages
	}
	return task, tasks
}

func (s *recording) nextMessage() (time.Time, bool) {
	if s.served.Load() == 0 {
		return time.Time{}, false
	}
	return s.broker.Next()
}

// drain says whether Drain is at work, which gives up what would go on for ever.
func (s *recording) drain(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = on
}

// runNext runs one task or delivers one message, the one that has been due for longer; of two that became due
// together, the task. It reports false where nothing is due. pick chooses among what is due, nil takes the first.
func (s *recording) runNext(ctx context.Context, pick func(n int) int) bool {
	now := s.Now()
	task, tasks := s.Engine.Next()
	message, messages := s.nextMessage()
	tasks, messages = tasks && !task.After(now), messages && !message.After(now)
	if tasks && messages {
		messages = message.Before(task)
		if pick != nil {
			messages = pick(2) == 1
		}
		tasks = !messages
	}
	switch {
	case tasks:
		_, ran := s.Engine.RunNext(ctx, pick)
		return ran
	case messages:
		_, ran := s.broker.RunNext(ctx, pick)
		return ran
	}
	return false
}
