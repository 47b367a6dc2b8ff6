package broker

import (
	"fmt"
	"time"

	settings "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// UpdateSubscription changes the named fields to those of s, for what waits already too; the ack deadline holds for
// the leases that follow. ErrNotFound; ErrInvalid for a field that is none, or out of range.
func (b *Broker) UpdateSubscription(s *transport.Subscription, fields ...transport.SubscriptionField) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, err := b.find(transport.OpUpdate, s.Name)
	if err != nil {
		return err
	}
	next := *known.cfg
	for _, field := range fields {
		if !settings.SetField(&next, s, field) {
			return subError(transport.OpUpdate, s.Name, transport.KindInvalid, fmt.Errorf("%q is no field that can be changed", field))
		}
	}
	cfg, _, err := settings.Resolve(&next)
	if err != nil {
		return subError(transport.OpUpdate, s.Name, transport.KindInvalid, err)
	}
	known.keeper = false // it is somebody's
	known.reconfigure(cfg)
	return nil
}

// reconfigure puts settings into force that differ in neither topic nor filter nor ordering.
func (s *subscription) reconfigure(cfg *transport.Subscription) {
	now := s.b.now()
	s.expire(now)
	var waited []time.Duration
	failed := s.failed()
	for _, e := range failed {
		waited = append(waited, s.pause(e))
	}
	s.cfg = cfg
	for i, e := range failed {
		if e.state == left || e.state == dead {
			continue
		}
		if s.buryable(e) {
			if e.state == waiting {
				s.unqueue(e)
			}
			s.bury(e, now)
			continue
		}
		s.postpone(e, s.pause(e)-waited[i])
	}
	if !cfg.RetainAcked {
		s.dropRetained(len(s.kept))
	}
	s.kick(now)
}

// failed returns the entries that have failed and wait, or stand behind others.
func (s *subscription) failed() (list []*entry) {
	for _, e := range s.unacknowledged() {
		if e.failures > 0 && e.state != leased {
			list = append(list, e)
		}
	}
	return list
}

// postpone changes the time of an entry that is not leased.
func (s *subscription) postpone(e *entry, by time.Duration) {
	if by == 0 {
		return
	}
	e.at += int64(by)
	if e.state == waiting {
		e.ver++ // its place is no longer valid, whatever its time was
		s.waiting.forget()
		s.waiting.push(e)
	}
}
