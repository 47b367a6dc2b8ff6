package transporttest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// postbox records the messages that a receiver gets.
type postbox struct {
	t       *brokerTrial
	mu      sync.Mutex
	arrived []letter
	total   int
	more    chan struct{}
}

// hectic is from how many messages on each takes the receiver some time: a driver that wrongly brings the same
// ones again and again must not keep a bubble's clock from going on.
const hectic = 2000

// letter is a message as it came, copied.
type letter struct {
	transport.Message
	at    time.Time
	ended error // its context's error when it arrived
}

func (t *brokerTrial) postbox() *postbox { return &postbox{t: t, more: make(chan struct{}, 1)} }

// recording puts each message into the postbox before h gets it.
func (b *postbox) recording(h receiver) receiver {
	return func(ctx context.Context, m *transport.Message) error {
		l := letter{Message: *m, at: time.Now(), ended: ctx.Err()}
		l.Data, l.Attributes = bytes.Clone(m.Data), maps.Clone(m.Attributes)
		b.mu.Lock()
		b.arrived = append(b.arrived, l)
		b.total++
		brake := b.total > hectic
		b.mu.Unlock()
		offer(b.more, struct{}{})
		if brake {
			select {
			case <-time.After(b.t.Patience / 4):
			case <-b.t.over.ch:
			}
		}
		return h(ctx, m)
	}
}

// next returns the oldest message that was not looked at yet. It gives up if none comes.
func (b *postbox) next() letter {
	timeout := time.NewTimer(b.t.Patience)
	defer timeout.Stop()
	for {
		if l, ok := b.take(); ok {
			return l
		}
		select {
		case <-b.more:
		case <-timeout.C:
			b.t.fatalf("no message came within %s", b.t.Patience)
		}
	}
}

// nextData is next, for what it holds.
func (b *postbox) nextData() string { return string(b.next().Data) }

func (b *postbox) take() (letter, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.arrived) == 0 {
		return letter{}, false
	}
	l := b.arrived[0]
	b.arrived = b.arrived[1:]
	return l, true
}

// none records a message that was not looked at, or that comes while none should.
func (b *postbox) none(because string) {
	b.t.pass(b.t.Grace)
	for {
		l, ok := b.take()
		if !ok {
			return
		}
		b.t.errorf("unexpected message %s (id %s, attempt %d): %s", brief(l.Data), l.ID, l.DeliveryAttempt, because)
	}
}

// exactly records unless these messages come, in any order, and no other.
func (b *postbox) exactly(because string, want ...string) {
	missing := make(map[string]int)
	for _, data := range want {
		missing[data]++
	}
	for range want {
		data := b.nextData()
		if missing[data]--; missing[data] < 0 {
			b.t.errorf("unexpected message %q: %s", data, because)
		}
	}
	b.none(because)
}

var errNack = errors.New("not now")

// ack takes every message.
func ack(context.Context, *transport.Message) error { return nil }

// nack takes none.
func nack(context.Context, *transport.Message) error { return errNack }

// nackFirst refuses the first n deliveries of each message, told apart by its data.
func nackFirst(n int) receiver {
	var mu sync.Mutex
	seen := make(map[string]int)
	return func(_ context.Context, m *transport.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[string(m.Data)]++; seen[string(m.Data)] <= n {
			return errNack
		}
		return nil
	}
}

// beforeReceiver makes h wait for the gate.
func (g *gate) beforeReceiver(h receiver) receiver {
	return func(ctx context.Context, m *transport.Message) error {
		select {
		case <-g.ch:
			return h(ctx, m)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
