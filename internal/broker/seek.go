package broker

import (
	"slices"
	"time"
)

// Seek makes what was published before t count as acknowledged, and what was published since as not, as far as it
// is still there: acknowledged messages are kept where the subscription says so, and come again as if for the first
// time. Leases of what was published since t go on.
func (b *Broker) Seek(sub string, t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.find(OpSeek, sub)
	if err != nil {
		return err
	}
	now := b.now()
	s.expire(now)
	s.acknowledgeBefore(t, now)
	s.restoreSince(t, now)
	s.kick(now)
	return nil
}

func (s *subscription) acknowledgeBefore(t time.Time, now int64) {
	for _, e := range s.unacknowledged() {
		if !instant(e.m.published).Before(t) {
			continue
		}
		switch e.state {
		case waiting:
			s.unqueue(e)
		case leased:
			s.unlease(e)
		}
		s.retire(e, now)
	}
}

func (s *subscription) restoreSince(t time.Time, now int64) {
	var lined []*entry
	restored := 0
	s.kept = slices.DeleteFunc(s.kept, func(e *entry) bool {
		if instant(e.m.published).Before(t) || s.outdated(e, now) {
			return false
		}
		restored++
		e.failures, e.at, e.state = 0, e.m.published, parked
		if s.cfg.Ordered && e.m.key != "" {
			lined = append(lined, e)
			return true
		}
		s.wait(e, e.at)
		return true
	})
	s.backlog += restored
	s.b.backlog += restored
	s.b.retained -= restored
	if len(lined) > 0 {
		s.reline(lined)
	}
}
