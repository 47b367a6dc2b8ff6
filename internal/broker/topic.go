package broker

import (
	"maps"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

// DeletedTopic is the topic of a subscription whose topic was deleted.
const DeletedTopic = "_deleted-topic_"

type topic struct {
	name   string
	labels map[string]string
	subs   []*subscription // in the order of their creation
}

// CreateTopic makes a topic, or answers ErrExists.
func (b *Broker) CreateTopic(t *transport.Topic) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[t.Name] != nil {
		return topicError(transport.OpCreate, t.Name, transport.KindExists, nil)
	}
	b.makeTopic(t.Name).labels = maps.Clone(t.Labels)
	return nil
}

// Topic returns a topic, or ErrNotFound.
func (b *Broker) Topic(name string) (*transport.Topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		return nil, topicError(transport.OpGet, name, transport.KindNotFound, nil)
	}
	return t.public(), nil
}

// Topics returns all topics by name.
func (b *Broker) Topics() []*transport.Topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*transport.Topic, 0, len(b.topics))
	for _, t := range b.topics {
		list = append(list, t.public())
	}
	slices.SortFunc(list, func(a, b *transport.Topic) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// UpdateTopic replaces the labels of a topic, or answers ErrNotFound.
func (b *Broker) UpdateTopic(t *transport.Topic) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.topics[t.Name]
	if known == nil {
		return topicError(transport.OpUpdate, t.Name, transport.KindNotFound, nil)
	}
	known.labels = maps.Clone(t.Labels)
	return nil
}

// DeleteTopic removes a topic, or answers ErrNotFound. Its subscriptions stay, with the topic [DeletedTopic], and
// go on delivering what they have.
func (b *Broker) DeleteTopic(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		return topicError(transport.OpDelete, name, transport.KindNotFound, nil)
	}
	delete(b.topics, name)
	for _, s := range t.subs {
		cfg := *s.cfg
		cfg.Topic = DeletedTopic
		s.cfg = &cfg
	}
	return nil
}

// TopicSubscriptions returns the names of a topic's subscriptions, sorted, or ErrNotFound.
func (b *Broker) TopicSubscriptions(name string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		return nil, topicError(transport.OpList, name, transport.KindNotFound, nil)
	}
	names := make([]string, len(t.subs))
	for i, s := range t.subs {
		names[i] = s.cfg.Name
	}
	slices.Sort(names)
	return names, nil
}

// makeTopic returns the topic of that name, which it makes if need be.
func (b *Broker) makeTopic(name string) *topic {
	t := b.topics[name]
	if t == nil {
		t = &topic{name: name}
		b.topics[name] = t
	}
	return t
}

func (t *topic) public() *transport.Topic {
	return &transport.Topic{Name: t.name, Labels: maps.Clone(t.labels)}
}
