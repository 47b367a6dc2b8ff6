package emulator

import (
	"maps"
	"slices"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// Topics and subscriptions are kept in the data file, messages are not.

func (s *store) topic(t *topic) {
	if s != nil {
		s.append(topicToRecord(t))
	}
}

func (s *store) topicDeleted(name string) {
	if s != nil {
		s.append(newRecord(topicDeletedRecord, name))
	}
}

func (s *store) subscription(sub *subscription) {
	if s != nil {
		s.append(subscriptionToRecord(sub))
	}
}

func (s *store) subscriptionDeleted(name string) {
	if s != nil {
		s.append(newRecord(subscriptionDeletedRecord, name))
	}
}

func topicToRecord(t *topic) record {
	return newRecord(topicRecord, marshal(t.Topic), marshal(t.policy))
}

func subscriptionToRecord(s *subscription) record {
	return newRecord(subscriptionRecord, marshal(s.Subscription), marshal(s.policy))
}

// readOfPubsub takes a record about a topic or a subscription.
func (s *saved) readOfPubsub(kind recordKind, f *fields) {
	switch kind {
	case topicRecord:
		t := &topic{Topic: &pubsubpb.Topic{}}
		t.policy = f.withPolicy(t.Topic)
		s.topics[t.Name] = t
	case subscriptionRecord:
		sub := &subscription{Subscription: &pubsubpb.Subscription{}}
		sub.policy = f.withPolicy(sub.Subscription)
		s.subscriptions[sub.Name] = sub
	case topicDeletedRecord:
		delete(s.topics, f.string())
	case subscriptionDeletedRecord:
		delete(s.subscriptions, f.string())
	}
}

// withPolicy reads a resource, and its policy where it has one.
func (f *fields) withPolicy(m proto.Message) (policy *iampb.Policy) {
	f.bad = f.bad || proto.Unmarshal(f.text(), m) != nil
	if text := f.text(); len(text) > 0 {
		policy = &iampb.Policy{}
		f.bad = f.bad || proto.Unmarshal(text, policy) != nil
	}
	return policy
}

// save puts topics and subscriptions as they are.
func (p *pubsub) save(put func([]byte) error) error {
	p.catalog.mu.RLock()
	defer p.catalog.mu.RUnlock()
	for _, t := range p.catalog.topics {
		if err := put(topicToRecord(t)); err != nil {
			return err
		}
	}
	for _, s := range p.catalog.subscriptions {
		if err := put(subscriptionToRecord(s)); err != nil {
			return err
		}
	}
	return nil
}

// restore makes topics and subscriptions what was saved. Nothing may run yet.
func (p *pubsub) restore(from *saved) error {
	for _, name := range slices.Sorted(maps.Keys(from.topics)) {
		t := from.topics[name]
		if err := p.broker.CreateTopic(&transport.Topic{Name: name, Labels: t.Labels}); err != nil {
			return err
		}
		p.catalog.topics[name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(from.subscriptions)) {
		s := from.subscriptions[name]
		if err := p.restoreSubscription(s.Subscription); err != nil {
			return err
		}
		p.catalog.subscriptions[name] = s
	}
	return nil
}

func (p *pubsub) restoreSubscription(s *pubsubpb.Subscription) error {
	if s.Detached {
		return nil
	}
	if s.Topic != deletedTopic {
		return p.broker.CreateSubscription(toBroker(s))
	}
	if err := p.broker.CreateTopic(&transport.Topic{Name: deletedTopic}); err != nil { // to be deleted again
		return err
	}
	if err := p.broker.CreateSubscription(toBroker(s)); err != nil {
		return err
	}
	return p.broker.DeleteTopic(deletedTopic)
}
