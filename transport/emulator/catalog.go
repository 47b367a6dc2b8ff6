package emulator

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

// catalog holds topics and subscriptions as clients see them. A change holds mu from the check to the end, with
// the broker and the journal under it, so that all three see changes in one order.
type catalog struct {
	mu            sync.RWMutex
	topics        map[string]*topic
	subscriptions map[string]*subscription
}

// topic is a topic as it stands. It is replaced, never changed.
type topic struct {
	*pubsubpb.Topic
	policy *iampb.Policy
}

// subscription is a subscription as it stands. It is replaced, never changed.
type subscription struct {
	*pubsubpb.Subscription // every default resolved
	policy                 *iampb.Policy
}

func newCatalog() *catalog {
	return &catalog{topics: make(map[string]*topic), subscriptions: make(map[string]*subscription)}
}

// topic returns a topic, nil if it does not exist.
func (c *catalog) topic(name string) *topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.topics[name]
}

// subscription returns a subscription, nil if it does not exist.
func (c *catalog) subscription(name string) *subscription {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.subscriptions[name]
}

// findTopic is topic with the errors of the service.
func (c *catalog) findTopic(name string) (*topic, error) {
	if err := checkTopicName(name); err != nil {
		return nil, err
	}
	if t := c.topic(name); t != nil {
		return t, nil
	}
	return nil, noResource(name)
}

// findSubscription is subscription with the errors of the service.
func (c *catalog) findSubscription(name string) (*subscription, error) {
	if err := checkSubscriptionName(name); err != nil {
		return nil, err
	}
	if s := c.subscription(name); s != nil {
		return s, nil
	}
	return nil, noResource(name)
}

// topicsOf returns the topics of a project whose names come after a name, in order of names.
func (c *catalog) topicsOf(project, after string) []*topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return inOrder(c.topics, after, func(t *topic) bool { return strings.HasPrefix(t.Name, project+topicsPart) })
}

// subscriptionsOf likewise.
func (c *catalog) subscriptionsOf(project, after string) []*subscription {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return inOrder(c.subscriptions, after, func(s *subscription) bool { return strings.HasPrefix(s.Name, project+subscriptionsPart) })
}

// subscribers returns the subscriptions of a topic that get its messages, in order of names.
func (c *catalog) subscribers(topic, after string) []*subscription {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return inOrder(c.subscriptions, after, func(s *subscription) bool { return s.Topic == topic && !s.Detached })
}

// inOrder returns what is listed of all whose names come after a name, in order of names.
func inOrder[T any](all map[string]T, after string, listed func(T) bool) []T {
	var found []T
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name > after && listed(all[name]) {
			found = append(found, all[name])
		}
	}
	return found
}
