package pubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// labelKeeps marks what keeps dead letters: [Sync] never deletes it.
const (
	labelKeeps  = "typedtasks-keeps"
	deadLetters = "dead-letters"
)

// desired is what an App's code says.
type desired struct {
	topics        []string
	keepers       []*transport.Subscription // of dead-letter topics that no subscriber reads
	subscriptions []*transport.Subscription // of subscribers, in the order of registration

	owner map[string]string // subscription -> its subscriber's name
}

// want collects what the code says. It fails rather than leave out what is registered: that would be deleted.
func want(app *tasks.App) (desired, error) {
	cfg := app.Config()
	account := ""
	if a, err := transport.BrokerAs[transport.PushAuthorizer](cfg.Broker); err == nil {
		account = a.PushServiceAccount()
	}
	d := desired{owner: map[string]string{}}
	found := false
	var errs []error
	for def := range app.Definitions() {
		spec := def.Spec()
		if spec.Kind != tasks.KindPublisher && spec.Kind != tasks.KindSubscriber {
			continue
		}
		found = true
		bound, _ := def.(interface {
			App(context.Context) (*tasks.App, error)
			Resolved(*tasks.App) any
		})
		switch at := bound.Resolved(app).(type) {
		case *outlet:
			d.addTopic(at.topic)
		case *inlet:
			errs = append(errs, d.addSubscription(spec.Name, at.subscription, account))
		default:
			_, err := bound.App(app.Context(context.Background())) // none while it is being registered
			errs = append(errs, fmt.Errorf("%s %q: %w", spec.Kind, spec.Name, cmp.Or(err, tasks.ErrNotRegistered)))
		}
	}
	if !found {
		return d, fmt.Errorf("%w: the App %q has neither publishers nor subscribers: register them first", ErrNothingToSync, cfg.Name)
	}
	errs = append(errs, d.addKeepers())
	return d, errors.Join(errs...)
}

func (d *desired) addSubscription(owner string, given *transport.Subscription, account string) error {
	sub := *given
	if sub.Push != nil && sub.Push.ServiceAccount == "" && account != "" {
		push := *sub.Push
		push.ServiceAccount = account
		sub.Push = &push
	}
	d.addTopic(sub.Topic)
	d.subscriptions = append(d.subscriptions, &sub)
	if other, taken := d.owner[sub.Name]; taken {
		return fmt.Errorf("subscribers %q and %q have the same subscription %q: each would get a part of its messages", other, owner, sub.Name)
	}
	d.owner[sub.Name] = owner
	return nil
}

// addKeepers adds the dead-letter topics, and sees that each has a subscription that keeps everything: a subscriber's,
// else one of its own.
func (d *desired) addKeepers() error {
	readers := map[string][]*transport.Subscription{} // by topic, those that get everything
	for _, sub := range d.subscriptions {
		if sub.Filter == "" {
			readers[sub.Topic] = append(readers[sub.Topic], sub)
		}
	}
	var errs []error
	done := map[string]bool{}
	for _, sub := range d.subscriptions {
		if sub.DeadLetter == nil || done[sub.DeadLetter.Topic] {
			continue
		}
		topic := sub.DeadLetter.Topic
		done[topic] = true
		d.addTopic(topic)
		for _, reader := range readers[topic] {
			reader.Labels = withLabels(reader.Labels, map[string]string{labelKeeps: deadLetters})
			if reader.Expiration == 0 {
				reader.Expiration = transport.NeverExpires
			}
		}
		if len(readers[topic]) > 0 {
			continue
		}
		k := keeperOf(topicSibling(topic), topic)
		if owner, taken := d.owner[k.Name]; taken {
			errs = append(errs, fmt.Errorf("subscriber %q: its subscription %q has the name of the one that keeps the dead letters of topic %q: choose another with pubsub.Subscription", owner, k.Name, topic))
		}
		d.keepers = append(d.keepers, k)
	}
	return errors.Join(errs...)
}

// keeperOf is a subscription that keeps dead letters. It is no App's, and so never obsolete.
func keeperOf(name, topic string) *transport.Subscription {
	return &transport.Subscription{
		Name: name, Topic: topic, Labels: map[string]string{labelManaged: managedBy, labelKeeps: deadLetters},
		Retention: 31 * 24 * time.Hour, Expiration: transport.NeverExpires,
	}
}

func (d *desired) addTopic(id string) {
	if id != "" && !slices.Contains(d.topics, id) {
		d.topics = append(d.topics, id)
	}
}

// names are the ids of all subscriptions.
func (d *desired) names() map[string]bool {
	names := map[string]bool{}
	for _, sub := range slices.Concat(d.keepers, d.subscriptions) {
		names[transport.ResourceID(sub.Name)] = true
	}
	return names
}
