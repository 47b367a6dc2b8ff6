package broker

import (
	"maps"
	"strconv"

	"github.com/typedtasks/typedtasks/transport"
)

// message is what was published. It does not change but for refs.
type message struct {
	id        uint64
	published int64
	data      string
	key       string
	attrs     map[string]string
	size      int32 // as transport.Message.Size counts
	refs      int32 // entries
}

func store(m *transport.Message) *message {
	return &message{data: string(m.Data), key: m.OrderingKey, attrs: maps.Clone(m.Attributes), size: int32(m.Size())}
}

// entry is a message in a subscription.
type entry struct {
	m          *message
	key        *key   // where the subscription is ordered and the message has one
	prev, next *entry // of the same key
	at         int64  // when it may be delivered; while leased, until when
	ver        uint32 // rises as a lease begins or ends: old ack ids and items of heaps do not match
	failures   int32
	state      state
	pushed     bool // leased by a push
}

// state is where an entry is.
type state uint8

const (
	waiting  state = iota // in the heap of those that wait
	parked                // behind another of its key
	leased                // in the heap of leases
	retained              // acknowledged, and kept
	left                  // acknowledged, dropped or deleted
	dead                  // left for the dead-letter topic
)

// ticket is a lease of an entry: what its holder knows of it.
type ticket struct {
	e       *entry
	m       *message
	ver     uint32
	attempt int   // from 1
	until   int64 // when it was said to end
	cfg     *transport.Subscription
}

// lent is the ticket for e, which has just been leased.
func (e *entry) lent(s *subscription) ticket {
	return ticket{e: e, m: e.m, ver: e.ver, attempt: int(e.failures) + 1, until: e.at, cfg: s.cfg}
}

// message makes a copy for the handler. The mutex is not held.
func (t *ticket) message() *transport.Message {
	m := &transport.Message{
		OrderingKey:  t.m.key,
		Data:         []byte(t.m.data),
		Attributes:   maps.Clone(t.m.attrs),
		ID:           formatID(t.m.id),
		PublishTime:  instant(t.m.published),
		Subscription: t.cfg.Name,
	}
	if t.cfg.DeadLetter != nil {
		m.DeliveryAttempt = t.attempt
	}
	return m
}

func formatID(id uint64) string { return strconv.FormatUint(id, 10) }
