package transporttest

import (
	"context"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func subscriptionUpdateLaws() []brokerLaw {
	return []brokerLaw{
		{"update/field", "UpdateSubscription changes the fields that it names, and no other.", updateField},
		{"update/several", "UpdateSubscription changes several fields at once.", updateSeveral},
		{"update/clear", "A named field whose value is zero goes back to what it is without being set.", updateClear},
		{"update/invalid", "A value out of range, and a field that cannot change, answer ErrInvalid and change nothing.", updateInvalid},
		{"update/backlog", "An update keeps the backlog.", updateBacklog},
		{"update/retry", "A new retry policy holds for what waits, from the next refusal on.", updateRetry},
		{"update/dead-letter", "A new dead-letter policy holds for what waits.", updateDeadLetter},
	}
}

// fields are those that can be changed, each with what copies it from one subscription to another.
func fields() map[transport.SubscriptionField]func(to, from *transport.Subscription) {
	return map[transport.SubscriptionField]func(to, from *transport.Subscription){
		transport.FieldLabels:      func(to, from *transport.Subscription) { to.Labels = from.Labels },
		transport.FieldPush:        func(to, from *transport.Subscription) { to.Push = from.Push },
		transport.FieldRetry:       func(to, from *transport.Subscription) { to.Retry = from.Retry },
		transport.FieldAckDeadline: func(to, from *transport.Subscription) { to.AckDeadline = from.AckDeadline },
		transport.FieldRetention:   func(to, from *transport.Subscription) { to.Retention = from.Retention },
		transport.FieldRetainAcked: func(to, from *transport.Subscription) { to.RetainAcked = from.RetainAcked },
		transport.FieldExpiration:  func(to, from *transport.Subscription) { to.Expiration = from.Expiration },
		transport.FieldExactlyOnce: func(to, from *transport.Subscription) { to.ExactlyOnceDelivery = from.ExactlyOnceDelivery },
		transport.FieldDeadLetter:  func(to, from *transport.Subscription) { to.DeadLetter = from.DeadLetter },
	}
}

// other differs from settings and pushSettings in every field that can change.
func other(name string) *transport.Subscription {
	return &transport.Subscription{
		Name: name, Topic: topic, Filter: `attributes:region`, Ordered: true,
		Labels: map[string]string{"team": "blue"},
		Push:   &transport.PushConfig{Endpoint: "https://conformance.test/elsewhere", ServiceAccount: "other@conformance.iam.gserviceaccount.com", Audience: "https://other.test"},
		Retry:  &transport.BackoffRange{Min: 30 * time.Second, Max: 400 * time.Second}, AckDeadline: 45 * time.Second,
		Retention: 48 * time.Hour, Expiration: 72 * time.Hour,
		DeadLetter: &transport.DeadLetterPolicy{Topic: otherTopic, MaxAttempts: 9},
	}
}

func (t *brokerTrial) update(s *transport.Subscription, fields ...transport.SubscriptionField) error {
	ctx, cancel := t.context()
	defer cancel()
	return t.Admin.UpdateSubscription(ctx, s, fields...)
}

func updateField(t *brokerTrial) {
	t.needsAdmin()
	t.topic(otherTopic)
	n := 0
	for field, copyField := range fields() {
		n++
		was := settings(fmt.Sprintf("sub-%d", n))
		if field == transport.FieldPush {
			was = pushSettings(was.Name)
		}
		t.subscribe(was)
		to := other(was.Name)
		t.wantError(t.update(to, field), nil, "UpdateSubscription of %s", field)
		copyField(was, to)
		t.wantSettings(was)
	}
}

func updateSeveral(t *brokerTrial) {
	t.needsAdmin()
	t.topic(otherTopic)
	want := settings(subscription)
	t.subscribe(settings(subscription))
	to := other(subscription)
	t.wantError(t.update(to, transport.FieldAckDeadline, transport.FieldRetry, transport.FieldLabels, transport.FieldDeadLetter), nil, "UpdateSubscription")
	want.AckDeadline, want.Retry, want.Labels, want.DeadLetter = to.AckDeadline, to.Retry, to.Labels, to.DeadLetter
	t.wantSettings(want)
}

func updateClear(t *brokerTrial) {
	t.needsAdmin()
	n := 0
	for field, copyField := range fields() {
		n++
		was := settings(fmt.Sprintf("sub-%d", n))
		if field == transport.FieldPush {
			was = pushSettings(was.Name)
		}
		t.subscribe(was)
		zero := &transport.Subscription{Name: was.Name, Topic: topic}
		t.wantError(t.update(zero, field), nil, "UpdateSubscription of %s to nothing", field)
		copyField(was, zero)
		t.wantSettings(was)
	}
}

func updateInvalid(t *brokerTrial) {
	t.needsAdmin()
	t.needsChecks()
	t.subscribe(settings(subscription))
	for field, change := range map[transport.SubscriptionField]func(*transport.Subscription){
		transport.FieldAckDeadline: func(s *transport.Subscription) { s.AckDeadline = time.Second },
		transport.FieldRetention:   func(s *transport.Subscription) { s.Retention = time.Second },
		transport.FieldExpiration:  func(s *transport.Subscription) { s.Expiration = time.Hour },
		transport.FieldRetry:       func(s *transport.Subscription) { s.Retry.Max = time.Hour },
		transport.FieldDeadLetter:  func(s *transport.Subscription) { s.DeadLetter.MaxAttempts = 1 },
		"filter":                   func(s *transport.Subscription) { s.Filter = `attributes:other` },
		"topic":                    func(s *transport.Subscription) { s.Topic = otherTopic },
		"enable_message_ordering":  func(s *transport.Subscription) { s.Ordered = false },
		"no_such_field":            func(*transport.Subscription) {},
	} {
		s := settings(subscription)
		change(s)
		t.wantError(t.update(s, field), transport.ErrInvalid, "UpdateSubscription of %s", field)
	}
	t.wantSettings(settings(subscription))
}

func updateBacklog(t *brokerTrial) {
	t.needsAdmin()
	t.subscribe(t.sub(subscription))
	t.publish(t.message("waiting"))
	to := other(subscription)
	to.Push = nil
	t.wantError(t.update(to, transport.FieldAckDeadline, transport.FieldLabels, transport.FieldRetention), nil, "UpdateSubscription")
	box, _ := t.receive(subscription, ack)
	box.exactly("it was published once", "waiting")
}

func updateRetry(t *brokerTrial) {
	t.needsAdmin()
	t.needsRetryPolicy()
	s := t.sub(subscription)
	s.Retry = &transport.BackoffRange{Min: t.unit, Max: t.unit}
	t.subscribe(s)
	refuse := nackFirst(2)
	updated := t.gate()
	box, _ := t.receive(subscription, updated.beforeReceiver(refuse))
	u := t.unit
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Retry = &transport.BackoffRange{Min: 5 * u, Max: 5 * u}
		t.wantError(t.update(s, transport.FieldRetry), nil, "UpdateSubscription")
		updated.open()
	}()
	t.wantPauses(box, 5*u, 5*u)
	<-done
}

func updateDeadLetter(t *brokerTrial) {
	t.needsAdmin()
	t.needsDeadLetter()
	dead := t.listen(&transport.Subscription{Name: deadSub, Topic: deadTopic}, ack)
	t.subscribe(t.sub(subscription))
	t.publish(t.message("waiting"))
	s := t.sub(subscription)
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: deadTopic, MaxAttempts: 5}
	t.wantError(t.update(s, transport.FieldDeadLetter), nil, "UpdateSubscription")
	t.receive(subscription, func(context.Context, *transport.Message) error { return errNack })
	dead.exactly("it was dead-lettered once", "waiting")
}
