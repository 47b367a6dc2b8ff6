package transporttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func receiveLaws() []brokerLaw {
	return []brokerLaw{
		{"receive/ack", "A message that was handled is acknowledged: it does not come again.", receiveAck},
		{"receive/nack", "A message whose handler returned an error comes again, until one returns nil.", receiveNack},
		{"receive/panic", "A handler that panics has not handled the message, and harms no other.", receivePanic},
		{"receive/at-once", "Messages are handled several at a time: a slow one keeps no other waiting.", receiveAtOnce},
		{"receive/lease", "A message's lease is extended for as long as its handler runs: it does not come twice.", receiveLease},
		{"receive/shared", "Several receivers of one subscription share its messages.", receiveShared},
		{"receive/missing", "Receive from a subscription that does not exist answers ErrNotFound.", receiveMissing},
		{"receive/backlog", "The backlog counts what is not acknowledged, what is being handled included.", receiveBacklog},
	}
}

func receiveAck(t *brokerTrial) {
	t.needsWaiting()
	box := t.listen(t.sub(subscription), ack)
	for i := range 10 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	for range 10 {
		box.next()
	}
	t.pass(time.Hour)
	box.none("it was acknowledged")
}

func receiveNack(t *brokerTrial) {
	t.needsWaiting()
	box := t.listen(t.sub(subscription), nackFirst(3))
	ids := map[string]int{t.publish(t.message("one")): 4, t.publish(t.message("two")): 4}
	for range 8 {
		ids[box.next().ID]--
	}
	for id, left := range ids {
		if left != 0 {
			t.errorf("message %q came %d times, want 4", id, 4-left)
		}
	}
	box.none("it was acknowledged")
}

func receivePanic(t *brokerTrial) {
	t.needsWaiting()
	refuse := nackFirst(1)
	box := t.listen(t.sub(subscription), func(ctx context.Context, m *transport.Message) error {
		if refuse(ctx, m) != nil && string(m.Data) == "explosive" {
			panic("a bug in a handler")
		}
		return nil
	})
	t.publish(t.message("explosive"))
	t.publish(t.message("harmless"))
	box.exactly("it was acknowledged", "explosive", "harmless", "explosive")
}

func receiveAtOnce(t *brokerTrial) {
	t.needsWaiting()
	g := t.gate()
	box := t.listen(t.sub(subscription), g.beforeReceiver(ack))
	for i := range 10 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	for range 10 {
		box.next() // none of them has been handled
	}
	g.open()
	box.none("it was acknowledged")
}

func receiveLease(t *brokerTrial) {
	t.needsWaiting()
	t.needsBubble()
	s := t.sub(subscription)
	s.AckDeadline = 10 * time.Second
	box := t.listen(s, func(context.Context, *transport.Message) error {
		<-time.After(5 * time.Minute)
		return nil
	})
	t.publish(t.message("slow"))
	box.next()
	t.pass(6 * time.Minute)
	box.none("its handler took five minutes and succeeded")
}

func receiveShared(t *brokerTrial) {
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	var mu sync.Mutex
	handled := make(map[string]int)
	count := func(_ context.Context, m *transport.Message) error {
		mu.Lock()
		defer mu.Unlock()
		handled[string(m.Data)]++
		return nil
	}
	t.receive(subscription, count)
	t.receive(subscription, count)
	for i := range 20 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	t.eventually("every message was handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(handled) == 20
	})
	t.pass(t.Grace)
	mu.Lock()
	defer mu.Unlock()
	for data, n := range handled {
		if n != 1 {
			t.errorf("message %q was handled %d times", data, n)
		}
	}
}

func receiveMissing(t *brokerTrial) {
	t.needsWaiting()
	ctx, cancel := t.context()
	defer cancel()
	err := t.receiveReturns(ctx, "never-made", ack)
	t.wantError(err, transport.ErrNotFound, "Receive from a subscription that does not exist")
}

func receiveBacklog(t *brokerTrial) {
	b := brokerAbility[transport.SubscriptionBacklogger](t)
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	t.wantBacklog(b, subscription, 0)
	for i := range 3 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	t.wantBacklog(b, subscription, 3)
	g := t.gate()
	box, _ := t.receive(subscription, g.beforeReceiver(ack))
	for range 3 {
		box.next()
	}
	t.wantBacklog(b, subscription, 3)
	g.open()
	ctx, cancel := t.context()
	defer cancel()
	t.eventually("nothing is left", func() bool {
		n, err := b.SubscriptionBacklog(ctx, subscription)
		return n == 0 && err == nil
	})
	_, err := b.SubscriptionBacklog(ctx, "never-made")
	t.wantError(err, transport.ErrNotFound, "SubscriptionBacklog of a subscription that does not exist")
}
