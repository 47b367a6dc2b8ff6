package pubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
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

	quarantines []string // topics of publishers that quarantined deliveries go to
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
			if spec.Payload == reflect.TypeFor[tasks.Quarantined]() && at.topic != "" {
				d.quarantines = append(d.quarantines, at.topic)
			}
		case *inlet:
			d.addSubscription(spec.Name, at.subscription, account)
			errs = append(errs, reachable(cfg, spec.Name, at.subscription))
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

func (d *desired) addSubscription(owner string, given *transport.Subscription, account string) {
	sub := *given
	if sub.Push != nil && sub.Push.ServiceAccount == "" && account != "" {
		push := *sub.Push
		push.ServiceAccount = account
		sub.Push = &push
	}
	d.addTopic(sub.Topic)
	d.subscriptions = append(d.subscriptions, &sub)
	d.owner[sub.Name] = owner
}

// ownerOf finds whose subscription that is, by its id or its full name: the project that an id is of is not known here.
func (d *desired) ownerOf(name string) (owner string, taken bool) {
	for known, owner := range d.owner {
		oneIsShort := transport.ResourceID(known) == known || transport.ResourceID(name) == name
		if known == name || oneIsShort && transport.ResourceID(known) == transport.ResourceID(name) {
			return owner, true
		}
	}
	return "", false
}

// reachable refuses to have messages pushed to the endpoint that stands in for none.
func reachable(cfg tasks.Config, name string, sub *transport.Subscription) error {
	if sub.Push == nil || cfg.Audience != "" || cfg.Endpoint != "http://localhost" {
		return nil
	}
	if _, err := transport.BrokerAs[transport.SubscriptionDeclarer](cfg.Broker); err == nil {
		return nil // it pushes in this process
	}
	return fmt.Errorf("subscriber %q is pushed to, and Config.Endpoint is empty: set the URL where pushes arrive, or let it pull with pubsub.Pull", name)
}

// addKeepers adds the dead-letter topics, and sees that each, and each topic for quarantine, has a subscription that
// keeps everything: a subscriber's, else one of its own.
func (d *desired) addKeepers() error {
	readers := map[string][]*transport.Subscription{} // by topic, those that get everything
	for _, sub := range d.subscriptions {
		if sub.Filter == "" {
			readers[sub.Topic] = append(readers[sub.Topic], sub)
		}
	}
	var errs []error
	done := map[string]bool{}
	for _, topic := range d.kept() {
		if done[topic] {
			continue
		}
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
		if owner, taken := d.ownerOf(k.Name); taken {
			errs = append(errs, fmt.Errorf("subscriber %q: its subscription %q has the name of the one that keeps the dead letters of topic %q: choose another with pubsub.Subscription", owner, k.Name, topic))
		}
		d.keepers = append(d.keepers, k)
	}
	return errors.Join(errs...)
}

// kept lists the topics of which nothing may be lost.
func (d *desired) kept() []string {
	var topics []string
	for _, sub := range d.subscriptions {
		if sub.DeadLetter != nil {
			topics = append(topics, sub.DeadLetter.Topic)
		}
	}
	return append(topics, d.quarantines...)
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
