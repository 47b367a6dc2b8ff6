package broker

import (
	"time"

	settings "github.com/typedtasks/typedtasks/internal/subscription"
)

// wait puts e where it waits to be delivered at the time at or later. It is new, or its lease has ended.
func (s *subscription) wait(e *entry, at int64) {
	e.at, e.state = at, parked
	if e.key != nil {
		s.offer(e.key)
		return
	}
	e.state = waiting
	s.waiting.push(e)
}

// next returns the entry that may be delivered now, nil if there is none. It stays where it is.
func (s *subscription) next(now int64) *entry {
	s.prune(now)
	if e := s.waiting.top(); e != nil && e.at <= now {
		return e
	}
	return nil
}

// lease lets e out until deadline.
func (s *subscription) lease(e *entry, deadline int64) {
	e.ver++
	s.waiting.forget()
	e.state, e.at = leased, deadline
	s.leases.push(e)
	if e.key != nil {
		e.key.out = e
	}
}

// unlease ends e's lease. What becomes of e is the caller's.
func (s *subscription) unlease(e *entry) {
	e.ver++
	s.leases.forget()
	if e.pushed {
		e.pushed = false
		s.slots--
	} else {
		delete(s.pulled, e.m.id)
	}
	if e.key != nil {
		e.key.out = nil
	}
}

// ack ends e's lease for good.
func (s *subscription) ack(e *entry, now int64) {
	s.unlease(e)
	s.retire(e, now)
}

// giveBack ends e's lease as if it had not been. The next may begin at the time at.
func (s *subscription) giveBack(e *entry, at int64) {
	s.unlease(e)
	s.wait(e, at)
}

// fail ends e's lease with a failure. It reports whether e went to the dead-letter topic.
func (s *subscription) fail(e *entry, now int64) bool {
	s.unlease(e)
	e.failures++
	if s.bury(e, now) {
		return true
	}
	s.wait(e, now+int64(s.pause(e)))
	return false
}

func (s *subscription) pause(e *entry) time.Duration {
	cfg := s.cfg
	if cfg.Push != nil && s.b.cfg.Push == nil {
		pulled := *cfg // by whoever it is that delivers it
		pulled.Push = nil
		cfg = &pulled
	}
	return settings.Pause(cfg, int(e.failures))
}

// expire fails what is leased for too long.
func (s *subscription) expire(now int64) {
	for {
		e := s.leases.top()
		if e == nil || e.at > now {
			return
		}
		s.fail(e, now)
	}
}

// prune drops what has been there for too long, as far as it is next.
func (s *subscription) prune(now int64) {
	for {
		e := s.waiting.top()
		if e == nil || !s.outdated(e, now) {
			return
		}
		s.unqueue(e)
		s.leave(e, left)
	}
}

// outdated reports whether e has been there for too long.
func (s *subscription) outdated(e *entry, now int64) bool {
	return now-e.m.published >= int64(s.cfg.Retention)
}

// unqueue takes a waiting entry out of its heap.
func (s *subscription) unqueue(e *entry) {
	e.ver++
	s.waiting.forget()
	e.state = parked
}

// retire is for an entry that is acknowledged, and neither leased nor in the heap of those that wait.
func (s *subscription) retire(e *entry, now int64) {
	if !s.cfg.RetainAcked {
		s.leave(e, left)
		return
	}
	s.part(e, retained)
	b := s.b
	b.retained++
	s.kept = append(s.kept, e)
	tooOld := 0
	for tooOld < len(s.kept) && s.outdated(s.kept[tooOld], now) {
		tooOld++
	}
	s.dropRetained(max(tooOld, min(b.backlog+b.retained-b.cfg.Capacity, len(s.kept))))
}

// leave drops e, which is neither leased nor in the heap of those that wait.
func (s *subscription) leave(e *entry, how state) {
	s.part(e, how)
	s.b.release(e.m)
}

// part takes e out of the backlog.
func (s *subscription) part(e *entry, how state) {
	e.state = how
	s.backlog--
	s.b.backlog--
	if e.key != nil {
		s.quit(e)
	}
}

// dropRetained drops the n entries that were acknowledged first.
func (s *subscription) dropRetained(n int) {
	if n <= 0 {
		return
	}
	for _, e := range s.kept[:n] {
		e.state = left
		s.b.release(e.m)
	}
	clear(s.kept[:n])
	s.b.retained -= n
	if s.kept = s.kept[n:]; len(s.kept) == 0 {
		s.kept = nil
	}
}
