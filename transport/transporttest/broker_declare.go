package transporttest

import (
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func declareLaws() []brokerLaw {
	return []brokerLaw{
		{"declare/made", "A declared subscription exists, as do its topic and its dead-letter topic.", declareMade},
		{"declare/again", "Declaring a subscription again gives it the new settings and keeps its backlog.", declareAgain},
		{"declare/invalid", "Declaring a subscription that is not valid answers ErrInvalid and makes none.", declareInvalid},
		{"declare/kept", "What the caller does to a subscription after declaring it changes nothing.", declareKept},
	}
}

// declarer finds the ability, and the one to see what came of it.
func (t *brokerTrial) declarer() transport.SubscriptionDeclarer {
	d := brokerAbility[transport.SubscriptionDeclarer](t)
	t.needsWaiting()
	return d
}

func declareMade(t *brokerTrial) {
	d := t.declarer()
	t.wantError(d.DeclareSubscription(settings(subscription)), nil, "DeclareSubscription")
	t.wantSettings(settings(subscription))
	ctx, cancel := t.context()
	defer cancel()
	for _, name := range []string{topic, deadTopic} {
		_, err := t.Admin.Topic(ctx, name)
		t.wantError(err, nil, "Topic(%q) after a subscription that names it was declared", name)
	}
	t.publish(&transport.Message{Topic: topic, Attributes: map[string]string{"region": "emea"}})
	box, _ := t.receive(subscription, ack)
	box.exactly("it was published once", "")
}

func declareAgain(t *brokerTrial) {
	d := t.declarer()
	t.wantError(d.DeclareSubscription(t.sub(subscription)), nil, "DeclareSubscription")
	t.publish(t.message("waiting"))
	s := t.sub(subscription)
	s.AckDeadline, s.Labels = 30*time.Second, map[string]string{"app": "shop"}
	for range 2 {
		t.wantError(d.DeclareSubscription(s), nil, "DeclareSubscription again")
	}
	t.wantSettings(s)
	box, _ := t.receive(subscription, ack)
	box.exactly("it was published once", "waiting")
}

func declareInvalid(t *brokerTrial) {
	d := t.declarer()
	ctx, cancel := t.context()
	defer cancel()
	for what, change := range map[string]func(*transport.Subscription){
		"a filter that does not parse": func(s *transport.Subscription) { s.Filter = "attributes" },
		"a name that is none":          func(s *transport.Subscription) { s.Name = "no name" },
		"a topic that is none":         func(s *transport.Subscription) { s.Topic = "no topic" },
		"an ack deadline of a second":  func(s *transport.Subscription) { s.AckDeadline = time.Second },
	} {
		s := settings(subscription)
		change(s)
		t.wantError(d.DeclareSubscription(s), transport.ErrInvalid, "DeclareSubscription with %s", what)
		_, err := t.Admin.Subscription(ctx, subscription)
		t.wantError(err, transport.ErrNotFound, "Subscription after %s", what)
	}
}

func declareKept(t *brokerTrial) {
	d := t.declarer()
	s := settings(subscription)
	t.wantError(d.DeclareSubscription(s), nil, "DeclareSubscription")
	s.Labels["app"], s.Retry.Min, s.DeadLetter.MaxAttempts, s.Topic = "other", time.Second, 99, otherTopic
	t.wantSettings(settings(subscription))
}
