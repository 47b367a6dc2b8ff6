package broker

import (
	"math"
	"time"
)

// never is later than every time that occurs.
const never = math.MaxInt64

// kick gets somebody to deliver what may be delivered now, and otherwise sees to it that the timer fires when
// there is something to do. It is called after every change that may make a delivery possible, or impossible.
func (s *subscription) kick(now int64) {
	if s.gone {
		return
	}
	at := int64(never) // when the next delivery is possible
	if push := s.mayPush(); push || len(s.waiters) > 0 && s.b.stage == open {
		s.prune(now)
		if e := s.waiting.top(); e != nil {
			at = e.at
		}
		if at <= now {
			s.rouse(push)
			at = never // whoever delivers it kicks again
		}
	}
	if e := s.leases.top(); e != nil {
		at = min(at, e.at)
	}
	s.arm(at, now)
}

// rouse wakes one who waits, and starts one who pushes; the first to come gets what there is.
func (s *subscription) rouse(push bool) {
	if len(s.waiters) > 0 {
		close(s.waiters[0])
		s.waiters = append(s.waiters[:0], s.waiters[1:]...)
	}
	if push && s.starting == 0 { // one that starts gets the next going
		s.starting++
		go s.work()
	}
}

// mayPush reports whether another push may begin.
func (s *subscription) mayPush() bool {
	return s.cfg.Push != nil && s.b.cfg.Push != nil && !s.b.cfg.Manual &&
		s.b.stage == open && s.slots < s.b.cfg.MaxOutstandingPushes
}

// wake is what the timer calls.
func (s *subscription) wake() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.armed = 0
	if s.gone {
		return
	}
	now := s.b.now()
	s.expire(now)
	s.kick(now)
}

// arm sets the timer to fire at the time at, or stops it for never. One that fires earlier is left alone: it finds
// nothing and is set again.
func (s *subscription) arm(at, now int64) {
	switch {
	case at == never || s.b.stage == closed:
		s.disarm()
	case s.armed != 0 && s.armed <= at:
	case s.timer == nil:
		s.armed = at
		s.timer = s.b.clock.AfterFunc(time.Duration(at-now), s.wake)
	default:
		s.armed = at
		s.timer.Reset(time.Duration(at - now))
	}
}

func (s *subscription) disarm() {
	if s.armed != 0 {
		s.armed = 0
		s.timer.Stop()
	}
}
