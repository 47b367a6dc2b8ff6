package jobs

import "time"

const (
	// lookEvery is how long the timer sleeps at the most: package time's timers neither count while the machine
	// sleeps, nor know of a wall clock that is set.
	lookEvery = 10 * time.Minute
	// notTakenPause is how long what was not taken rests.
	notTakenPause = 100 * time.Millisecond
)

// kick begins the attempt that is due, if one is, and otherwise sees to it that the timer fires when one is. It is
// called after every change of j that may make an attempt due.
func (s *Jobs) kick(j *job, now time.Time) {
	if s.cfg.Manual || s.stage != open || j.gone || j.running() {
		return
	}
	at, ok := j.due()
	switch {
	case !ok:
	case at.After(now):
		s.arm(at, now)
	default:
		if a, ok := s.begin(j, now); ok {
			go s.work(a)
		}
	}
}

// wake is what the timer calls.
func (s *Jobs) wake() {
	s.mu.Lock()
	defer s.unlock()
	s.armed = time.Time{}
	now := s.Now()
	if s.seen.Sub(now) > lookEvery { // the clock was set back
		for _, j := range s.jobs {
			s.reset(j, now)
		}
	}
	s.seen = now
	for _, j := range s.jobs {
		s.kick(j, now)
	}
}

// reset is for a clock that was set back: the schedule goes on from now, and what waits does not wait on.
func (s *Jobs) reset(j *job, now time.Time) {
	if !j.next.IsZero() {
		j.next = j.after(now)
	}
	if j.cur != nil && !j.running() {
		j.cur.at = now
	}
	if !j.asked.IsZero() {
		j.asked = now.In(j.zone)
	}
	s.tell(j)
}

// arm sets the timer to fire at the time at. One that fires earlier is left alone: it finds nothing and is set again.
func (s *Jobs) arm(at, now time.Time) {
	if most := now.Add(lookEvery); at.After(most) {
		at = most
	}
	switch {
	case !s.armed.IsZero() && !at.Before(s.armed):
		return
	case s.timer == nil:
		s.timer = s.clock.AfterFunc(at.Sub(now), s.wake)
	default:
		s.timer.Reset(at.Sub(now))
	}
	s.armed = at
}

func (s *Jobs) disarm() {
	if !s.armed.IsZero() {
		s.armed = time.Time{}
		s.timer.Stop()
	}
}
