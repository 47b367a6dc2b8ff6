package transporttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/typedtasks/typedtasks/transport"
)

func orderLaws() []brokerLaw {
	return []brokerLaw{
		{"order/key", "An ordered subscription hands out the messages of a key in the order of publication, one after the other.", orderKey},
		{"order/nack", "After a message that was refused the rest of its key waits; it comes again first. Other keys go on.", orderNack},
		{"order/keys", "Keys do not wait for each other, nor do messages without one.", orderKeys},
		{"order/free", "A subscription that is not ordered makes no message wait for another of its key.", orderFree},
		{"order/restart", "The next Receive goes on where the last one ended, in order.", orderRestart},
	}
}

// sequence records what was handled of each key, and complains when two of one key are handled at the same time.
type sequence struct {
	t       *brokerTrial
	mu      sync.Mutex
	running map[string]int
	acked   map[string][]string
}

func (t *brokerTrial) sequence() *sequence {
	return &sequence{t: t, running: make(map[string]int), acked: make(map[string][]string)}
}

func (s *sequence) through(h receiver) receiver {
	return func(ctx context.Context, m *transport.Message) error {
		data := string(m.Data)
		s.mu.Lock()
		s.running[m.OrderingKey]++
		if s.running[m.OrderingKey] > 1 {
			s.t.errorf("message %q of key %q was handed out while another of its key was handled", data, m.OrderingKey)
		}
		s.mu.Unlock()
		err := h(ctx, m)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running[m.OrderingKey]--
		if err == nil {
			s.acked[m.OrderingKey] = append(s.acked[m.OrderingKey], data)
		}
		return err
	}
}

func (s *sequence) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, acked := range s.acked {
		n += len(acked)
	}
	return n
}

// wantInOrder waits for each key's messages and records unless they were acknowledged in this order.
func (s *sequence) wantInOrder(want map[string][]string) {
	total := 0
	for _, ms := range want {
		total += len(ms)
	}
	s.t.eventually("every message was acknowledged", func() bool { return s.count() >= total })
	s.t.pass(s.t.Grace)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, ms := range want {
		if !slices.Equal(s.acked[key], ms) {
			s.t.errorf("key %q: acknowledged in the order %q, published in %q", key, s.acked[key], ms)
		}
	}
}

// publishKeys publishes n messages of each key, in turns.
func (t *brokerTrial) publishKeys(keys []string, from, n int, into map[string][]string) {
	for i := from; i < from+n; i++ {
		for _, key := range keys {
			data := fmt.Sprintf("%s%d", key, i)
			t.publish(t.keyed(key, data))
			into[key] = append(into[key], data)
		}
	}
}

func (t *brokerTrial) ordered(name string) *transport.Subscription {
	s := t.sub(name)
	s.Ordered = true
	return s
}

func orderKey(t *brokerTrial) {
	t.needsWaiting()
	seq := t.sequence()
	t.listen(t.ordered(subscription), seq.through(func(context.Context, *transport.Message) error {
		t.pass(t.unit / 25)
		return nil
	}))
	want := make(map[string][]string)
	t.publishKeys([]string{"a", "b", "c", "d"}, 0, 10, want)
	seq.wantInOrder(want)
}

func orderNack(t *brokerTrial) {
	t.needsWaiting()
	seq := t.sequence()
	others := t.gate()
	refuse := nackFirst(3)
	var mu sync.Mutex
	left := 10 // of key b
	box := t.listen(t.ordered(subscription), seq.through(func(ctx context.Context, m *transport.Message) error {
		switch {
		case m.OrderingKey == "b":
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				others.open()
			}
		case string(m.Data) == "a0" || string(m.Data) == "a5":
			if err := refuse(ctx, m); err != nil {
				return err
			}
			return others.beforeReceiver(ack)(ctx, m)
		}
		return nil
	}))
	want := make(map[string][]string)
	t.publishKeys([]string{"a", "b"}, 0, 10, want)
	seq.wantInOrder(want)
	var came []string
	for l, ok := box.take(); ok; l, ok = box.take() {
		if l.OrderingKey == "a" {
			came = append(came, string(l.Data))
		}
	}
	if got, want := strings.Join(came, " "), "a0 a0 a0 a0 a1 a2 a3 a4 a5 a5 a5 a5 a6 a7 a8 a9"; got != want {
		t.errorf("key \"a\" came as %s, want %s", got, want)
	}
}

func orderKeys(t *brokerTrial) {
	t.needsWaiting()
	g := t.gate()
	box := t.listen(t.ordered(subscription), g.beforeReceiver(ack))
	for _, m := range []*transport.Message{t.keyed("a", "a0"), t.keyed("a", "a1"), t.keyed("b", "b0"), t.message("free 0"), t.message("free 1")} {
		t.publish(m)
	}
	var came []string
	for range 4 {
		came = append(came, box.nextData())
	}
	slices.Sort(came)
	if want := []string{"a0", "b0", "free 0", "free 1"}; !slices.Equal(came, want) {
		t.errorf("at first came %q, want %q", came, want)
	}
	box.none("the message before it, of its key, is being handled")
	g.open()
	box.exactly("it is the last", "a1")
}

func orderFree(t *brokerTrial) {
	t.needsWaiting()
	g := t.gate()
	box := t.listen(t.sub(subscription), g.beforeReceiver(ack))
	for i := range 5 {
		t.publish(t.keyed("key", fmt.Sprint(i)))
	}
	for range 5 {
		box.next()
	}
	g.open()
	box.none("each was acknowledged")
}

func orderRestart(t *brokerTrial) {
	t.needsWaiting()
	t.waitForGivenBack()
	seq := t.sequence()
	t.subscribe(t.ordered(subscription))
	refuse := nackFirst(1)
	want := make(map[string][]string)
	for i := range 4 {
		t.publishKeys([]string{"a", "b"}, 5*i, 5, want)
		box, r := t.receive(subscription, seq.through(refuse))
		for range 4 {
			box.next()
		}
		r.stop()
	}
	t.receive(subscription, seq.through(refuse))
	seq.wantInOrder(want)
}
