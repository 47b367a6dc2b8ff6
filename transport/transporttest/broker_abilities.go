package transporttest

import (
	"context"
	"reflect"

	"github.com/typedtasks/typedtasks/transport"
)

func brokerAbilityLaws() []brokerLaw {
	return []brokerLaw{
		{"abilities/broker-decorated", "A decorator with Unwrap shows the abilities of its broker, all but BatchPublisher.", brokerDecorated},
	}
}

// brokerDecorator is what middleware around a broker looks like.
type brokerDecorator struct{ transport.Broker }

func (d brokerDecorator) Unwrap() transport.Broker { return d.Broker }

func brokerDecorated(t *brokerTrial) {
	sameBrokerAbility[transport.BrokerAdmin](t)
	sameBrokerAbility[transport.Receiver](t)
	sameBrokerAbility[transport.FlowReceiver](t)
	sameBrokerAbility[transport.SubscriptionDeclarer](t)
	sameBrokerAbility[transport.SubscriptionBacklogger](t)
	sameBrokerAbility[transport.DeadLetterGranter](t)
	sameBrokerAbility[transport.Server](t)
	sameBrokerAbility[transport.Clock](t)
	_, err := transport.BrokerAs[transport.BatchPublisher](brokerDecorator{t.Broker})
	t.wantError(err, transport.ErrUnsupported, "a decorator asked for transport.BatchPublisher, which would bypass its Publish")
}

func sameBrokerAbility[A any](t *brokerTrial) {
	_, bare := transport.BrokerAs[A](t.Broker)
	_, wrapped := transport.BrokerAs[A](brokerDecorator{t.Broker})
	if (bare == nil) != (wrapped == nil) {
		t.errorf("%s: the broker answers %q, a decorator of it %q", reflect.TypeFor[A](), text(bare), text(wrapped))
	}
}

func brokerCloseLaws() []brokerLaw {
	return []brokerLaw{
		{"closed/publish", "A closed broker answers ErrClosed to Publish; closing it again does no harm.", closedPublish},
		{"closed/batch", "A closed broker answers ErrClosed for each message of a batch.", closedBatch},
		{"closed/receive", "A closed broker answers ErrClosed to Receive.", closedReceive},
	}
}

// close ends the broker, or skips the case.
func (t *brokerTrial) close() {
	if t.Close == nil {
		t.skipf("needs a broker that can be closed: there is no BrokerDriver.Close")
	}
	t.closed.Store(true)
	t.wantError(t.Close(), nil, "Close")
}

func closedPublish(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	t.publish(t.message("before"))
	if t.Eager {
		box.exactly("it was published once", "before")
	} else {
		box.next()
	}
	t.close()
	for range 2 {
		_, err := t.attempt(t.message("late"))
		t.wantError(err, transport.ErrClosed, "Publish after Close")
		t.wantError(t.Close(), nil, "Close again")
	}
	box.none("the broker was closed")
}

func closedBatch(t *brokerTrial) {
	b := brokerAbility[transport.BatchPublisher](t)
	t.publish(t.message("before"))
	t.close()
	ctx, cancel := t.context()
	defer cancel()
	rs := b.PublishBatch(ctx, []*transport.Message{t.message("one"), t.message("two")})
	if len(rs) != 2 {
		t.fatalf("%d results for 2 messages", len(rs))
	}
	for i, r := range rs {
		t.wantError(r.Err, transport.ErrClosed, "result %d of PublishBatch after Close", i)
	}
}

func closedReceive(t *brokerTrial) {
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	t.publish(t.message("waiting"))
	t.close()
	box := t.postbox()
	ctx, cancel := context.WithTimeout(t.tb.Context(), t.Patience)
	defer cancel()
	t.wantError(t.receiveReturns(ctx, subscription, box.recording(ack)), transport.ErrClosed, "Receive after Close")
	box.none("the broker was closed")
}
