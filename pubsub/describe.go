package pubsub

import (
	"fmt"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Description is what a publisher or a subscriber is under the configuration of an App.
type Description struct {
	Topic   string // as derived where none was given; empty: each message brings its own
	Codec   tasks.Codec
	Raw     bool // the data is bytes that Codec does not touch
	Ordered bool

	// Subscription is a subscriber's, as [Sync] would make it; nil for a publisher.
	Subscription *transport.Subscription
}

// Describe tells what a publisher or a subscriber is under cfg, which has its defaults filled in, as App.Config
// returns it. It is for test kits and tools. The error says what is wrong with the definition's names, or that def is
// neither of the two.
func Describe(cfg tasks.Config, def tasks.Definition) (Description, error) {
	switch d := def.(type) {
	case interface{ definition() *publisher }:
		return d.definition().describe(cfg)
	case interface{ definition() *subscriber }:
		return d.definition().describe(cfg)
	}
	s := def.Spec()
	return Description{}, fmt.Errorf("pubsub: %s %q is neither a publisher nor a subscriber", s.Kind, s.Name)
}

func (d *publisher) describe(cfg tasks.Config) (Description, error) {
	topic, err := d.topicUnder(cfg)
	if d.dynamic && d.topic == "" && err != nil {
		topic, err = "", nil
	}
	if err != nil {
		return Description{}, fmt.Errorf("pubsub: publisher %q: %w", d.nameOf(), err)
	}
	return Description{Topic: topic, Codec: d.codecUnder(cfg), Raw: d.isRaw(), Ordered: d.ordered}, nil
}

func (d *subscriber) describe(cfg tasks.Config) (Description, error) {
	sub, err := d.subscriptionUnder(cfg)
	if err != nil {
		return Description{}, fmt.Errorf("pubsub: subscriber %q: %w", d.nameOf(), err)
	}
	return Description{Topic: sub.Topic, Codec: d.codecUnder(cfg), Raw: d.isRaw(), Ordered: d.ordered, Subscription: sub}, nil
}
