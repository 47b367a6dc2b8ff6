package broker

import (
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// Publish takes ms, in their order: all of them or none. The ids are decimal numbers that rise from one message to
// the next. ErrNotFound where there is no such topic (see Config.AutoCreate), ErrCapacity, ErrClosed after
// Shutdown. Whether a message is acceptable is its caller's to check.
func (b *Broker) Publish(name string, ms []*transport.Message) (ids []string, err error) {
	stored := make([]*message, len(ms)) // copies, before anybody has to wait for them
	for i, m := range ms {
		stored[i] = store(m)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	switch {
	case b.stage == closed:
		return nil, topicError(transport.OpPublish, name, transport.KindClosed, nil)
	case t == nil && b.cfg.AutoCreate:
		t = b.makeTopic(name)
	case t == nil:
		return nil, topicError(transport.OpPublish, name, transport.KindNotFound, nil)
	}
	now := b.now()
	goals, err := b.plan(t, stored, now)
	if err != nil {
		return nil, topicError(transport.OpPublish, name, transport.KindCapacity, err)
	}
	ids = make([]string, len(stored))
	for i, m := range stored {
		b.stamp(m, now)
		ids[i] = formatID(m.id)
	}
	for _, g := range goals {
		g.s.insert(g.m)
	}
	t.kick(now)
	return ids, nil
}

// goal is a message on its way into a subscription.
type goal struct {
	m *message
	s *subscription
}

// plan finds out where ms go, and whether there is room for them.
func (b *Broker) plan(t *topic, ms []*message, now int64) ([]goal, error) {
	goals := make([]goal, 0, len(ms)*len(t.subs))
	bytes := int64(0)
	for _, m := range ms {
		before := len(goals)
		for _, s := range t.subs {
			if s.filter.Match(m.attrs) {
				goals = append(goals, goal{m, s})
			}
		}
		if len(goals) > before {
			bytes += int64(m.size)
		}
	}
	if !b.room(len(goals), bytes) {
		b.tidy(bytes, now)
	}
	switch {
	case b.room(len(goals), bytes):
		return goals, nil
	case b.backlog+len(goals) > b.cfg.Capacity:
		return nil, fmt.Errorf("%d messages wait to be acknowledged, and %d more would pass the limit of %d: %s",
			b.backlog, len(goals), b.cfg.Capacity, makeRoom)
	default:
		return nil, fmt.Errorf("%d bytes wait to be acknowledged, and %d more would pass the limit of %d: %s",
			b.bytes, bytes, b.cfg.CapacityBytes, makeRoom)
	}
}

const makeRoom = "consume what waits, delete subscriptions that nobody consumes, or raise the capacity"

func (b *Broker) room(entries int, bytes int64) bool {
	return b.backlog+entries <= b.cfg.Capacity && b.bytes+bytes <= b.cfg.CapacityBytes
}

// tidy drops what is past its retention, and then of what is acknowledged as much as stands in the way.
func (b *Broker) tidy(bytes, now int64) {
	for _, s := range b.subs {
		s.prune(now)
	}
	for _, s := range b.subs {
		for len(s.kept) > 0 && b.bytes+bytes > b.cfg.CapacityBytes {
			s.dropRetained(1)
		}
	}
}

// stamp gives m its id and its time.
func (b *Broker) stamp(m *message, now int64) {
	b.lastID++
	m.id, m.published = b.lastID, now
}

// insert gives s an entry for m.
func (s *subscription) insert(m *message) {
	if m.refs == 0 {
		s.b.bytes += int64(m.size)
	}
	m.refs++
	s.b.backlog++
	s.backlog++
	e := &entry{m: m, at: m.published}
	if s.cfg.Ordered && m.key != "" {
		s.join(e)
	}
	s.wait(e, e.at)
}

// release is called as an entry of m goes.
func (b *Broker) release(m *message) {
	if m.refs--; m.refs == 0 {
		b.bytes -= int64(m.size)
	}
}

// kick gets what was published going.
func (t *topic) kick(now int64) {
	for _, s := range t.subs {
		s.kick(now)
	}
}
