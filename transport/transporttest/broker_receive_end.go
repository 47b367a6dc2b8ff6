package transporttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func receiveEndLaws() []brokerLaw {
	return []brokerLaw{
		{"receive/waits", "When its context ends, Receive takes no more, waits for the handlers in flight, and returns nil.", receiveWaits},
		{"receive/contexts", "The contexts of handlers in flight do not end with that of Receive.", receiveContexts},
		{"receive/last-words", "What a handler in flight decides after the context of Receive has ended still holds.", receiveLastWords},
		{"receive/ended", "A Receive whose context has ended hands out nothing and returns nil.", receiveEnded},
		{"receive/again", "What one Receive did not handle goes to the next.", receiveAgain},
		{"receive/gives-back", "When Receive returns it has given back what it held: the next one gets it at once.", receiveGivesBack},
	}
}

// waitForGivenBack is for cases that wait for what an earlier Receive gave back.
func (t *brokerTrial) waitForGivenBack() {
	t.patience += t.GiveBack
	t.Patience += t.GiveBack
}

func receiveWaits(t *brokerTrial) {
	t.needsWaiting()
	g := t.gate()
	t.subscribe(t.sub(subscription))
	var running atomic.Int32
	box, r := t.receive(subscription, func(ctx context.Context, m *transport.Message) error {
		running.Add(1)
		defer running.Add(-1)
		return g.beforeReceiver(ack)(ctx, m)
	})
	t.publish(t.message("running"))
	box.next()
	r.cancel()
	t.pass(t.unit)
	select {
	case <-r.returned:
		t.errorf("Receive returned while a handler was running (error %q)", text(r.err))
	default:
	}
	t.publish(t.message("late"))
	box.none("the context of Receive had ended")
	g.open()
	r.stop()
	if n := running.Load(); n != 0 {
		t.errorf("Receive returned while %d handlers were running", n)
	}
}

func receiveContexts(t *brokerTrial) {
	t.needsWaiting()
	g := t.gate()
	ended := make(chan error, 1)
	t.subscribe(t.sub(subscription))
	box, r := t.receive(subscription, func(ctx context.Context, _ *transport.Message) error {
		select {
		case <-g.ch:
		case <-ctx.Done():
		}
		offer(ended, ctx.Err())
		return nil
	})
	t.publish(t.message("running"))
	box.next()
	r.cancel()
	t.pass(t.Grace)
	g.open()
	r.stop()
	select {
	case err := <-ended:
		t.wantError(err, nil, "the context of the handler")
	case <-time.After(t.Patience):
		t.errorf("the handler did not come to its end")
	}
}

func receiveLastWords(t *brokerTrial) {
	t.needsWaiting()
	t.waitForGivenBack()
	g := t.gate()
	t.subscribe(t.sub(subscription))
	box, r := t.receive(subscription, g.beforeReceiver(func(_ context.Context, m *transport.Message) error {
		if string(m.Data) == "refused" {
			return errNack
		}
		return nil
	}))
	t.publish(t.message("taken"))
	t.publish(t.message("refused"))
	box.next()
	box.next()
	r.cancel()
	t.pass(t.unit)
	g.open()
	r.stop()
	again, _ := t.receive(subscription, ack)
	again.exactly("one was acknowledged, one was not", "refused")
}

func receiveEnded(t *brokerTrial) {
	t.needsWaiting()
	t.waitForGivenBack()
	t.subscribe(t.sub(subscription))
	t.publish(t.message("waiting"))
	ctx, cancel := context.WithCancel(t.tb.Context())
	cancel()
	box := t.postbox()
	t.wantError(t.receiveReturns(ctx, subscription, box.recording(ack)), nil, "Receive with an ended context")
	box.none("the context had ended")
	again, _ := t.receive(subscription, ack)
	again.exactly("it was published once", "waiting")
}

func receiveAgain(t *brokerTrial) {
	t.needsWaiting()
	t.waitForGivenBack()
	t.subscribe(t.sub(subscription))
	want := make(map[string]bool)
	for i := range 30 {
		want[fmt.Sprint(i)] = true
		t.publish(t.message(fmt.Sprint(i)))
	}
	acked := t.postbox()
	for range 3 { // the process is restarted
		var n atomic.Int32
		stopping := t.gate()
		_, r := t.receive(subscription, func(ctx context.Context, m *transport.Message) error {
			if n.Add(1) <= 5 {
				return acked.recording(ack)(ctx, m)
			}
			return stopping.beforeReceiver(nack)(ctx, m)
		})
		for range 5 {
			delete(want, acked.nextData())
		}
		r.cancel()
		stopping.open()
		r.stop()
	}
	if len(want) != 15 {
		t.errorf("15 of 30 messages were acknowledged, of which %d are different", 30-len(want))
	}
	rest, _ := t.receive(subscription, ack)
	rest.exactly("it was acknowledged", slices.Collect(maps.Keys(want))...)
}

func receiveGivesBack(t *brokerTrial) {
	t.needsWaiting()
	t.needsBubble()
	t.subscribe(t.sub(subscription))
	g := t.gate()
	box, r := t.receiveWith(subscription, transport.ReceiveSettings{MaxOutstandingMessages: 2}, g.beforeReceiver(nack))
	for i := range 6 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	box.next()
	box.next()
	r.cancel()
	t.pass(t.unit)
	g.open()
	r.stop()
	stopped := time.Now()
	again, _ := t.receive(subscription, ack)
	for range 6 {
		if m := again.next(); m.at.Sub(stopped) > t.unit {
			t.errorf("message %q came %s after Receive had returned", m.Data, m.at.Sub(stopped))
		}
	}
	again.none("each was published once")
}
