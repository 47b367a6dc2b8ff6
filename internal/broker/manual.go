package broker

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Ran is what RunNext did.
type Ran struct {
	Subscription, MessageID string
	Attempt                 int   // the attempt's number, from 1
	Err                     error // nil: it was acknowledged
	DeadLettered            bool  // it went to the dead-letter topic: no attempt follows
}

// Next returns when a push is due next in manual mode, in the past if one is due already. It reports false when none
// will be as things stand.
func (b *Broker) Next() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, first := b.now(), int64(never)
	for _, s := range b.pushed() {
		s.prune(now)
		if e := s.waiting.top(); e != nil {
			first = min(first, e.at)
		}
	}
	if first == never {
		return time.Time{}, false
	}
	return instant(first), true
}

// RunNext makes one push that is due, in the caller's goroutine. It reports false where none is. pick chooses among
// n that are due, ordered by time and then by age; nil takes the first. The Pusher's context derives from ctx.
func (b *Broker) RunNext(ctx context.Context, pick func(n int) int) (ran Ran, ok bool) {
	b.mu.Lock()
	c, ok := b.choose(b.now(), pick)
	if !ok {
		b.mu.Unlock()
		return Ran{}, false
	}
	t := c.s.leaseToPush(c.e, b.now())
	b.mu.Unlock()
	ran = Ran{Subscription: t.cfg.Name, MessageID: formatID(t.m.id), Attempt: t.attempt, Err: errGoexit}
	defer func() { // where the handler ends the goroutine, too
		b.mu.Lock()
		defer b.mu.Unlock()
		if late := c.s.conclude(&t, ran.Err); late && ran.Err == nil {
			ran.Err = errDeadline
		}
		ran.DeadLettered = t.e.state == dead
	}()
	ran.Err = b.push(ctx, &t)
	return ran, true
}

// pushed returns the subscriptions that RunNext pushes.
func (b *Broker) pushed() (list []*subscription) {
	if b.cfg.Push == nil || b.stage != open {
		return nil
	}
	for _, s := range b.subs {
		if s.cfg.Push != nil {
			list = append(list, s)
		}
	}
	return list
}

// due is an entry that may be pushed.
type due struct {
	s *subscription
	e *entry
}

func byAge(a, b due) int {
	return cmp.Or(cmp.Compare(a.e.at, b.e.at), cmp.Compare(a.e.m.id, b.e.m.id), cmp.Compare(a.s.serial, b.s.serial))
}

func (b *Broker) choose(now int64, pick func(n int) int) (due, bool) {
	var all []due
	for _, s := range b.pushed() {
		s.expire(now)
		switch e := s.next(now); {
		case e == nil:
		case pick == nil:
			all = append(all, due{s, e})
		default:
			all = s.appendDue(all, 0, now)
		}
	}
	switch {
	case len(all) == 0:
		return due{}, false
	case pick == nil:
		return slices.MinFunc(all, byAge), true
	default:
		return nth(all, pick(len(all))), true
	}
}

// appendDue appends what is due in the part of the heap under i. What is due is at its top.
func (s *subscription) appendDue(all []due, i int, now int64) []due {
	if i >= len(s.waiting.items) || s.waiting.items[i].at > now {
		return all
	}
	if it := &s.waiting.items[i]; it.valid() && !s.outdated(it.e, now) {
		all = append(all, due{s, it.e})
	}
	for kid := 4*i + 1; kid <= 4*i+4; kid++ {
		all = s.appendDue(all, kid, now)
	}
	return all
}

// nth returns what would be at i if all were sorted, in linear time as a rule: a test may have many messages.
func nth(all []due, i int) due {
	for {
		pivot := all[len(all)/2]
		var before, after []due
		for _, d := range all {
			switch c := byAge(d, pivot); {
			case c < 0:
				before = append(before, d)
			case c > 0:
				after = append(after, d)
			}
		}
		switch {
		case i < len(before):
			all = before
		case i == len(before):
			return pivot
		default:
			all, i = after, i-len(before)-1
		}
	}
}
