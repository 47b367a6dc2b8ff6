package transporttest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func deadLetterLaws() []brokerLaw {
	return []brokerLaw{
		{"dead-letter/once", "A message that was refused MaxAttempts times goes to the dead-letter topic, once, and does not come again.", deadLetterOnce},
		{"dead-letter/message", "It goes there with its data, attributes and ordering key, and attributes that say where from.", deadLetterMessage},
		{"dead-letter/default", "MaxAttempts of 0 means 5.", deadLetterDefault},
		{"dead-letter/spared", "A message that is taken at its last attempt goes nowhere.", deadLetterSpared},
		{"dead-letter/order", "In an ordered subscription a message that went to the dead-letter topic lets the next of its key through.", deadLetterOrder},
		{"dead-letter/many", "Exactly the messages that failed every time go there, whatever happens around them.", deadLetterMany},
	}
}

const (
	deadTopic = "conformance-dead"
	deadSub   = "conformance-dead-sub"
)

func (t *brokerTrial) needsDeadLetter() {
	t.needsWaiting()
	if t.NoDeadLetter {
		t.skipf("needs dead-letter policies that are kept to: BrokerDriver.NoDeadLetter is set")
	}
}

// mortal is a subscription with a dead-letter topic, and dead what arrives there.
func (t *brokerTrial) mortal(attempts int, change func(*transport.Subscription), h receiver) (box, dead *postbox) {
	t.needsDeadLetter()
	dead = t.listen(&transport.Subscription{Name: deadSub, Topic: deadTopic}, ack)
	s := t.sub(subscription)
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: deadTopic, MaxAttempts: attempts}
	if change != nil {
		change(s)
	}
	return t.listen(s, h), dead
}

func deadLetterOnce(t *brokerTrial) {
	box, dead := t.mortal(6, nil, nack)
	id := t.publish(t.message("doomed"))
	for i := range 6 {
		if m := box.next(); m.DeliveryAttempt != i+1 || m.ID != id {
			t.errorf("delivery %d of message %q: attempt %d of message %q", i+1, id, m.DeliveryAttempt, m.ID)
		}
	}
	dead.exactly("it was dead-lettered once", "doomed")
	box.none("it was dead-lettered")
	dead.none("it was dead-lettered once")
}

func deadLetterMessage(t *brokerTrial) {
	box, dead := t.mortal(5, nil, nack)
	m := t.keyed("key", "doomed\x00\xff")
	m.Attributes = map[string]string{"k": "v", "empty": ""}
	t.publish(m)
	source := box.next()
	got := dead.next()
	if string(got.Data) != "doomed\x00\xff" || got.OrderingKey != "key" || got.DeliveryAttempt != 0 {
		t.errorf("the dead letter is %q under key %q, attempt %d", got.Data, got.OrderingKey, got.DeliveryAttempt)
	}
	if empty, ok := got.Attributes["empty"]; got.Attributes["k"] != "v" || !ok || empty != "" {
		t.errorf("the dead letter's attributes are %q, want also %q", got.Attributes, m.Attributes)
	}
	const prefix = "CloudPubSubDeadLetterSource"
	if n, err := strconv.Atoi(got.Attributes[prefix+"DeliveryCount"]); err != nil || n != 5 {
		t.errorf("%sDeliveryCount is %q, want 5", prefix, got.Attributes[prefix+"DeliveryCount"])
	}
	if s := got.Attributes[prefix+"Subscription"]; s != subscription {
		t.errorf("%sSubscription is %q, want %q", prefix, s, subscription)
	}
	if _, ok := got.Attributes[prefix+"SubscriptionProject"]; !ok {
		t.errorf("%sSubscriptionProject is missing", prefix)
	}
	at, err := time.Parse(time.RFC3339Nano, got.Attributes[prefix+"TopicPublishTime"])
	if err != nil || at.Sub(source.PublishTime).Abs() > time.Second {
		t.errorf("%sTopicPublishTime is %q, want %s", prefix, got.Attributes[prefix+"TopicPublishTime"], source.PublishTime)
	}
}

func deadLetterDefault(t *brokerTrial) {
	box, dead := t.mortal(0, nil, nack)
	t.publish(t.message("doomed"))
	dead.exactly("it was dead-lettered once", "doomed")
	n := 0
	for _, ok := box.take(); ok; _, ok = box.take() {
		n++
	}
	if n != 5 {
		t.errorf("it came %d times, want 5", n)
	}
}

func deadLetterSpared(t *brokerTrial) {
	box, dead := t.mortal(5, nil, nackFirst(4))
	t.publish(t.message("spared"))
	for range 5 {
		box.next()
	}
	box.none("it was acknowledged")
	dead.none("it was acknowledged")
}

func deadLetterOrder(t *brokerTrial) {
	box, dead := t.mortal(5, func(s *transport.Subscription) { s.Ordered = true }, func(_ context.Context, m *transport.Message) error {
		if string(m.Data) == "doomed" {
			return errNack
		}
		return nil
	})
	for _, data := range []string{"before", "doomed", "after"} {
		t.publish(t.keyed("key", data))
	}
	for i, want := range []string{"before", "doomed", "doomed", "doomed", "doomed", "doomed", "after"} {
		if got := box.nextData(); got != want {
			t.errorf("message %d of the key is %q, want %q", i, got, want)
		}
	}
	dead.exactly("it was dead-lettered once", "doomed")
}

func deadLetterMany(t *brokerTrial) {
	refuse := nackFirst(4)
	_, dead := t.mortal(5, nil, func(ctx context.Context, m *transport.Message) error {
		if m.Attributes["fate"] == "doomed" {
			return errNack
		}
		return refuse(ctx, m)
	})
	var want []string
	for i := range 60 {
		m := t.message(fmt.Sprint(i))
		m.Attributes = map[string]string{"fate": "spared"}
		if i%3 == 0 {
			m.Attributes["fate"] = "doomed"
			want = append(want, fmt.Sprint(i))
		}
		t.publish(m)
	}
	dead.exactly("only every third fails for ever", want...)
}
