package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func flowLaws() []brokerLaw {
	return []brokerLaw{
		{"flow/messages", "ReceiveWith hands out as many messages at a time as MaxOutstandingMessages, and no more.", flowMessages},
		{"flow/bytes", "ReceiveWith hands out no more data at a time than MaxOutstandingBytes, a single larger message apart.", flowBytes},
		{"flow/extension", "A lease is extended for MaxExtension: what is handled for much longer comes again.", flowExtension},
		{"flow/zero", "The zero ReceiveSettings are those of Receive.", flowZero},
	}
}

// gauge holds handlers and tells how many it holds, and at most held.
type gauge struct {
	mu        sync.Mutex
	now, most int
	release   chan struct{}
}

func (g *gauge) handle(ctx context.Context, _ *transport.Message) error {
	g.mu.Lock()
	g.now++
	g.most = max(g.most, g.now)
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.now--
		g.mu.Unlock()
	}()
	select {
	case <-g.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gauge) read() (now, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most
}

// bounded receives n messages of the given size under s and records unless want are out at a time.
func (t *brokerTrial) bounded(s transport.ReceiveSettings, n, size, want int) {
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	g := &gauge{release: make(chan struct{})}
	box, r := t.receiveWith(subscription, s, g.handle)
	held := t.gate()
	go func() { // at the end of the case at the latest
		<-held.ch
		close(g.release)
	}()
	var all []string
	for i := range n {
		data := string(bytes.Repeat([]byte{byte('a' + i)}, size))
		all = append(all, data)
		t.publish(t.message(data))
	}
	t.eventually(fmt.Sprintf("%d messages are out", want), func() bool {
		now, _ := g.read()
		return now >= want
	})
	t.pass(t.Grace)
	if now, most := g.read(); now != want || most != want {
		t.errorf("%d messages are out, at most were %d; want %d", now, most, want)
	}
	held.open()
	box.exactly("each was published once", all...)
	if _, most := g.read(); most > want {
		t.errorf("%d messages were out at a time, want at most %d", most, want)
	}
	r.stop()
}

func flowMessages(t *brokerTrial) {
	t.bounded(transport.ReceiveSettings{MaxOutstandingMessages: 3}, 10, 10, 3)
}

func flowBytes(t *brokerTrial) {
	t.bounded(transport.ReceiveSettings{MaxOutstandingBytes: 2500}, 6, 1000, 2)
	t.subscribe(t.sub("single-sub"))
	box, _ := t.receiveWith("single-sub", transport.ReceiveSettings{MaxOutstandingBytes: 2500}, ack)
	t.publish(t.message(strings.Repeat("x", 5000)))
	if n := len(box.next().Data); n != 5000 {
		t.errorf("a message of 5000 bytes came as %d", n)
	}
}

func flowExtension(t *brokerTrial) {
	t.needsWaiting()
	t.needsBubble()
	s := t.sub(subscription)
	s.AckDeadline = 10 * time.Second
	t.subscribe(s)
	g := t.gate()
	box, _ := t.receiveWith(subscription, transport.ReceiveSettings{MaxExtension: time.Minute}, g.beforeReceiver(ack))
	t.publish(t.message("endless"))
	first, second := box.next(), box.next()
	if gap := second.at.Sub(first.at); gap < 50*time.Second || gap > 90*time.Second || second.ID != first.ID {
		t.errorf("message %q came again as %q after %s, want about a minute", first.ID, second.ID, gap)
	}
}

func flowZero(t *brokerTrial) {
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	g := t.gate()
	box, _ := t.receiveWith(subscription, transport.ReceiveSettings{}, g.beforeReceiver(ack))
	for i := range 20 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	for range 20 {
		box.next()
	}
	g.open()
	box.none("each was acknowledged")
}
