package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

// DeclareSubscription implements [transport.SubscriptionDeclarer]. A dead-letter topic that no subscription without a
// filter reads gets one of its own name that never expires; it goes when such a one is declared, if nothing is in it.
// A subscription whose topic, filter or ordering differs from what was declared before is replaced, and what waits in
// it is lost.
//
// [transport.ErrInvalid]. [transport.ErrExists] for a subscription of another App, going by the label typedtasks-app:
// one that is pulled, until it is deleted; one that is pushed, for as long as somebody serves its endpoint.
func (t *Transport) DeclareSubscription(s *transport.Subscription) error {
	s, err := local(transport.OpCreate, s)
	if err != nil {
		return err
	}
	t.declaring.Lock()
	defer t.declaring.Unlock()
	if err := t.checkOwner(s); err != nil {
		return err
	}
	return t.broker.PutSubscription(s)
}

// appLabel names the App that a subscription belongs to. Package pubsub sets it.
const appLabel = "typedtasks-app"

// checkOwner answers ErrExists where a subscription belongs to an App that another one would take it from.
func (t *Transport) checkOwner(s *transport.Subscription) error {
	known, err := t.broker.Subscription(s.Name)
	if err != nil {
		return nil // there is none
	}
	owner, taker := known.Labels[appLabel], s.Labels[appLabel]
	if owner == "" || taker == "" || owner == taker {
		return nil
	}
	if known.Push != nil {
		if s.Push != nil && s.Push.Endpoint == known.Push.Endpoint {
			return nil // which one serves at a time
		}
		if t.engine.Handler(known.Push.Endpoint) == nil {
			return nil // the owner was shut down
		}
	}
	err = fmt.Errorf("it belongs to the App %q, and %q would take its messages: name another subscription, or delete this one first", owner, taker)
	return &transport.Error{Op: transport.OpCreate, Resource: fmt.Sprintf("subscription %q", s.Name), Kind: transport.KindExists, Err: err}
}

// Topic implements [transport.BrokerAdmin].
func (t *Transport) Topic(_ context.Context, name string) (*transport.Topic, error) {
	return t.broker.Topic(transport.ResourceID(name))
}

// CreateTopic implements [transport.BrokerAdmin].
func (t *Transport) CreateTopic(_ context.Context, topic *transport.Topic) error {
	named := *topic
	named.Name = transport.ResourceID(topic.Name)
	if err := transport.CheckTopic(named.Name); err != nil {
		return &transport.Error{Op: transport.OpCreate, Resource: fmt.Sprintf("topic %q", topic.Name), Kind: transport.KindInvalid, Err: err}
	}
	return t.broker.CreateTopic(&named)
}

// Subscription implements [transport.BrokerAdmin]. Defaults are filled in.
func (t *Transport) Subscription(_ context.Context, name string) (*transport.Subscription, error) {
	return t.broker.Subscription(transport.ResourceID(name))
}

// Subscriptions implements [transport.BrokerAdmin], by name.
func (t *Transport) Subscriptions(ctx context.Context) iter.Seq2[*transport.Subscription, error] {
	return func(yield func(*transport.Subscription, error) bool) {
		for _, s := range t.broker.Subscriptions() {
			if err := ctx.Err(); err != nil {
				yield(nil, &transport.Error{Op: transport.OpList, Resource: "subscriptions", Err: err})
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// CreateSubscription implements [transport.BrokerAdmin].
func (t *Transport) CreateSubscription(_ context.Context, s *transport.Subscription) error {
	s, err := local(transport.OpCreate, s)
	if err != nil {
		return err
	}
	if err := t.checkDeadLetter(s); err != nil {
		return err
	}
	return t.broker.CreateSubscription(s)
}

// UpdateSubscription implements [transport.BrokerAdmin]. New settings hold for what waits already, too.
func (t *Transport) UpdateSubscription(_ context.Context, s *transport.Subscription, fields ...transport.SubscriptionField) error {
	c := *s
	if !slices.Contains(fields, transport.FieldDeadLetter) {
		c.DeadLetter = nil // not looked at
	}
	c.Topic = "unchanged"
	s, err := local(transport.OpUpdate, &c)
	if err != nil {
		return err
	}
	if err := t.checkDeadLetter(s); err != nil {
		return err
	}
	return t.broker.UpdateSubscription(s, fields...)
}

// checkDeadLetter answers ErrNotFound for a dead-letter topic that does not exist.
func (t *Transport) checkDeadLetter(s *transport.Subscription) error {
	if s.DeadLetter == nil {
		return nil
	}
	_, err := t.broker.Topic(s.DeadLetter.Topic)
	return err
}

// DeleteSubscription implements [transport.BrokerAdmin]. What is being delivered is not waited for.
func (t *Transport) DeleteSubscription(_ context.Context, name string) error {
	return t.broker.DeleteSubscription(transport.ResourceID(name))
}

// local is s with ids for names, which it checks.
func local(op string, s *transport.Subscription) (*transport.Subscription, error) {
	c := *s
	c.Name, c.Topic = transport.ResourceID(s.Name), transport.ResourceID(s.Topic)
	names := []string{c.Name, c.Topic}
	if s.DeadLetter != nil {
		policy := *s.DeadLetter
		policy.Topic = transport.ResourceID(policy.Topic)
		c.DeadLetter = &policy
		names = append(names, policy.Topic)
	}
	for _, name := range names {
		if err := transport.CheckTopic(name); err != nil {
			return nil, &transport.Error{Op: op, Resource: fmt.Sprintf("subscription %q", s.Name), Kind: transport.KindInvalid, Err: err}
		}
	}
	return &c, nil
}
