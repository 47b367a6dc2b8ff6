package transporttest

import (
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

func subscribeLaws() []brokerLaw {
	return []brokerLaw{
		{"subscribe/fan-out", "Each subscription of a topic gets each message, whatever the others do with it.", fanOut},
		{"subscribe/new", "A subscription sees what is published after it was made, and nothing from before.", subscribeNew},
		{"subscribe/topics", "A subscription gets the messages of its own topic alone.", subscribeTopics},
		{"filter/attributes", "A subscription with a filter gets the messages whose attributes match, and never sees the others.", filterAttributes},
		{"filter/backlog", "What does not match a subscription's filter counts as acknowledged.", filterBacklog},
		{"filter/refused", "A filter that does not parse answers ErrInvalid, and no subscription is made.", filterRefused},
	}
}

func fanOut(t *brokerTrial) {
	boxes := []*postbox{t.listen(t.sub("first-sub"), ack), t.listen(t.sub("second-sub"), ack)}
	if !t.Eager {
		t.listen(t.sub("unwilling-sub"), t.gate().beforeReceiver(ack))
	}
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint(i))
		t.publish(t.message(fmt.Sprint(i)))
	}
	for _, box := range boxes {
		box.exactly("each message was published once", want...)
	}
}

func subscribeNew(t *brokerTrial) {
	old := t.listen(t.sub("old-sub"), ack)
	t.publish(t.message("before"))
	young := t.listen(t.sub("new-sub"), ack)
	t.publish(t.message("after"))
	young.exactly("it is older than the subscription", "after")
	old.exactly("each message was published once", "before", "after")
}

func subscribeTopics(t *brokerTrial) {
	one := t.listen(t.sub("first-sub"), ack)
	two := t.listen(&transport.Subscription{Name: "second-sub", Topic: otherTopic}, ack)
	t.publish(t.message("one"))
	m := t.message("two")
	m.Topic = otherTopic
	t.publish(m)
	one.exactly("it was published to another topic", "one")
	two.exactly("it was published to another topic", "two")
}

func filterAttributes(t *brokerTrial) {
	filters := map[string][]string{ // by filter, the messages that match
		`attributes:region`:                                        {"emea", "us-east", "us-west"},
		`attributes.region = "emea"`:                               {"emea"},
		`attributes.region != "emea"`:                              {"us-east", "us-west", "none"},
		`hasPrefix(attributes.region, "us-")`:                      {"us-east", "us-west"},
		`NOT attributes:region`:                                    {"none"},
		`attributes:region AND -hasPrefix(attributes.region, "u")`: {"emea"},
		`(attributes.region = "emea" OR attributes.region = "us-west") AND NOT attributes:"x/y"`: {"emea"},
	}
	boxes := make(map[string]*postbox)
	for filter := range filters {
		s := t.sub(fmt.Sprintf("filter-%d", len(boxes)))
		s.Filter = filter
		boxes[filter] = t.listen(s, ack)
	}
	for data, attrs := range map[string]map[string]string{
		"emea": {"region": "emea"}, "us-east": {"region": "us-east"}, "us-west": {"region": "us-west", "x/y": ""}, "none": nil,
	} {
		m := t.message(data)
		m.Attributes = attrs
		t.publish(m)
	}
	for filter, want := range filters {
		boxes[filter].exactly("the filter is "+filter, want...)
	}
}

func filterBacklog(t *brokerTrial) {
	b := brokerAbility[transport.SubscriptionBacklogger](t)
	t.needsWaiting()
	s := t.sub(subscription)
	s.Filter = `attributes:wanted`
	t.subscribe(s)
	t.publish(t.message("unwanted"))
	m := t.message("wanted")
	m.Attributes = map[string]string{"wanted": "yes"}
	t.publish(m)
	t.wantBacklog(b, subscription, 1)
}

// wantBacklog records unless n messages are not acknowledged.
func (t *brokerTrial) wantBacklog(b transport.SubscriptionBacklogger, name string, n int) {
	ctx, cancel := t.context()
	defer cancel()
	if got, err := b.SubscriptionBacklog(ctx, name); err != nil || got != n {
		t.errorf("SubscriptionBacklog(%q) = %d, %q, want %d", name, got, text(err), n)
	}
}

func filterRefused(t *brokerTrial) {
	s := t.sub(subscription)
	for _, filter := range []string{`attributes.region = `, `(attributes:region`, `region = "emea" AND`} {
		s.Filter = filter
		t.wantError(t.trySubscribing(s), transport.ErrInvalid, "a subscription with the filter %s", filter)
	}
	s.Filter = ""
	t.subscribe(s) // its name is free
}

// trySubscribing declares or creates a subscription, its topic first.
func (t *brokerTrial) trySubscribing(s *transport.Subscription) error {
	if t.Eager {
		return brokerAbility[transport.SubscriptionDeclarer](t).DeclareSubscription(s)
	}
	t.topic(s.Topic)
	return t.create(s)
}
