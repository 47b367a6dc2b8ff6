package transporttest

import (
	"context"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func redeliveryLaws() []brokerLaw {
	return []brokerLaw{
		{"redelivery/at-once", "Without a retry policy a message that was refused comes again at once.", redeliveryAtOnce},
		{"redelivery/policy", "With a retry policy the pauses before redeliveries begin with Min and double up to Max.", redeliveryPolicy},
		{"redelivery/others", "A message that pauses keeps no other waiting.", redeliveryOthers},
		{"redelivery/no-attempt", "Without a dead-letter policy DeliveryAttempt stays 0.", redeliveryNoAttempt},
		{"redelivery/attempts", "With a dead-letter policy DeliveryAttempt counts from 1, for each message and subscription by itself.", redeliveryAttempts},
	}
}

func redeliveryAtOnce(t *brokerTrial) {
	t.needsWaiting()
	box := t.listen(t.sub(subscription), nackFirst(5))
	t.publish(t.message("again"))
	first := box.next()
	for range 5 {
		box.next()
	}
	if took := time.Since(first.at); t.Bubble && took > t.unit {
		t.errorf("five redeliveries took %s", took)
	}
}

func (t *brokerTrial) needsRetryPolicy() {
	t.needsWaiting()
	if t.NoRetryPolicy {
		t.skipf("needs retry policies that are kept to: BrokerDriver.NoRetryPolicy is set")
	}
}

// wantPauses publishes a message that is refused and records unless it comes again after each of these pauses.
func (t *brokerTrial) wantPauses(box *postbox, pauses ...time.Duration) {
	t.publish(t.message(fmt.Sprint(pauses)))
	before := box.next()
	for i, want := range pauses {
		m := box.next()
		if got := m.at.Sub(before.at); got < want || t.Bubble && got > want+t.unit/10 {
			t.errorf("pause %d was %s, want %s", i+1, got, want)
		}
		before = m
	}
}

func redeliveryPolicy(t *brokerTrial) {
	t.needsRetryPolicy()
	s := t.sub(subscription)
	u := t.unit
	s.Retry = &transport.BackoffRange{Min: 2 * u, Max: 10 * u}
	box := t.listen(s, nackFirst(5))
	t.wantPauses(box, 2*u, 4*u, 8*u, 10*u, 10*u)
	box.none("it was acknowledged")
}

func redeliveryOthers(t *brokerTrial) {
	t.needsRetryPolicy()
	s := t.sub(subscription)
	s.Retry = &transport.BackoffRange{Min: 100 * t.unit, Max: 600 * time.Second}
	box := t.listen(s, func(_ context.Context, m *transport.Message) error {
		if string(m.Data) == "pausing" {
			return errNack
		}
		return nil
	})
	t.publish(t.message("pausing"))
	pausing := box.next()
	for i := range 3 {
		t.publish(t.message(fmt.Sprint(i)))
		if m := box.next(); string(m.Data) != fmt.Sprint(i) || m.at.Sub(pausing.at) > 50*t.unit {
			t.errorf("message %q came %s after the one that pauses, want message %d at once", m.Data, m.at.Sub(pausing.at), i)
		}
	}
}

func redeliveryNoAttempt(t *brokerTrial) {
	t.needsWaiting()
	box := t.listen(t.sub(subscription), nackFirst(2))
	t.publish(t.message("again"))
	for range 3 {
		if m := box.next(); m.DeliveryAttempt != 0 {
			t.errorf("DeliveryAttempt is %d", m.DeliveryAttempt)
		}
	}
}

func redeliveryAttempts(t *brokerTrial) {
	t.needsDeadLetter()
	s := t.sub(subscription)
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: deadTopic, MaxAttempts: 10}
	box := t.listen(s, nackFirst(3))
	other := t.sub(subscription + "-2")
	other.DeadLetter = s.DeadLetter
	unhurt := t.listen(other, ack)
	attempts := make(map[string]int)
	for _, data := range []string{"one", "two"} {
		t.publish(t.message(data))
	}
	for range 8 {
		m := box.next()
		if attempts[m.ID]++; m.DeliveryAttempt != attempts[m.ID] {
			t.errorf("message %q came for the %dth time as attempt %d", m.Data, attempts[m.ID], m.DeliveryAttempt)
		}
	}
	for range 2 {
		if m := unhurt.next(); m.DeliveryAttempt != 1 {
			t.errorf("in the other subscription message %q came as attempt %d, want 1", m.Data, m.DeliveryAttempt)
		}
	}
}
