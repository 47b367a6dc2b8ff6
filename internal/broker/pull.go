package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Leased is a message with the lease under which it was pulled.
type Leased struct {
	AckID   string
	Message *transport.Message
}

// Pull leases up to max messages for the subscription's ack deadline, and waits for the first one until ctx ends,
// which is no error. maxBytes bounds their data, 0: not; the first one may be larger. ErrNotFound where there is no
// such subscription, or it is deleted meanwhile; ErrClosed from Shutdown on; ErrInvalid for a max below 1.
func (b *Broker) Pull(ctx context.Context, sub string, max, maxBytes int) ([]Leased, error) {
	p := pull{max: max, maxBytes: maxBytes}
	s, err := b.source(sub, &p)
	if err != nil {
		return nil, err
	}
	tickets, err := s.await(ctx, p)
	return s.list(tickets), err
}

// TryPull is a Pull that does not wait.
func (b *Broker) TryPull(sub string, max, maxBytes int) ([]Leased, error) {
	p := pull{max: max, maxBytes: maxBytes}
	s, err := b.source(sub, &p)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	tickets, err := s.take(p)
	b.mu.Unlock()
	return s.list(tickets), err
}

// pull says what is wanted.
type pull struct {
	max, maxBytes int
	hold          time.Duration // how long the leases last; 0: the ack deadline
	handled       bool          // by a Receive, which Shutdown waits for
}

func (b *Broker) source(sub string, p *pull) (*subscription, error) {
	if p.max < 1 {
		return nil, subError(transport.OpReceive, sub, transport.KindInvalid, fmt.Errorf("at most %d messages are asked for, not 1 or more", p.max))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(transport.OpReceive, sub)
}

// await takes what there is, and waits for it until ctx ends.
func (s *subscription) await(ctx context.Context, p pull) ([]ticket, error) {
	for ctx.Err() == nil {
		s.b.mu.Lock()
		tickets, err := s.take(p)
		if len(tickets) > 0 || err != nil {
			s.b.mu.Unlock()
			return tickets, err
		}
		ready := make(chan struct{})
		s.waiters = append(s.waiters, ready)
		s.kick(s.b.now()) // for the timer
		s.b.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			s.stopWaiting(ready)
		}
	}
	return nil, nil
}

// stopWaiting withdraws a waiter. One that was woken hands on what it was woken for.
func (s *subscription) stopWaiting(w chan struct{}) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if i := slices.Index(s.waiters, w); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
	}
	s.kick(s.b.now())
}

// take leases what may be delivered now.
func (s *subscription) take(p pull) (tickets []ticket, err error) {
	switch {
	case s.gone:
		return nil, subError(transport.OpReceive, s.cfg.Name, transport.KindNotFound, nil)
	case s.b.stage != open:
		return nil, subError(transport.OpReceive, s.cfg.Name, transport.KindClosed, nil)
	}
	now := s.b.now()
	deadline := now + int64(s.cfg.AckDeadline)
	if p.hold > 0 {
		deadline = now + int64(p.hold)
	}
	s.expire(now)
	for bytes := 0; len(tickets) < p.max; {
		e := s.next(now)
		if e == nil {
			break
		}
		bytes += len(e.m.data)
		if len(tickets) > 0 && p.maxBytes > 0 && bytes > p.maxBytes {
			break
		}
		s.lease(e, deadline)
		if !p.handled {
			if s.pulled == nil {
				s.pulled = map[uint64]*entry{}
			}
			s.pulled[e.m.id] = e
		}
		tickets = append(tickets, e.lent(s))
	}
	if p.handled {
		s.b.busy += len(tickets)
	}
	s.kick(now)
	return tickets, nil
}

func (s *subscription) list(tickets []ticket) []Leased {
	var list []Leased
	for i := range tickets {
		t := &tickets[i]
		list = append(list, Leased{AckID: t.ackID(s.serial), Message: t.message()})
	}
	return list
}

func (s *subscription) wakeAll() {
	for _, w := range s.waiters {
		close(w)
	}
	s.waiters = nil
}
