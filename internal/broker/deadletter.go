package broker

import (
	"maps"
	"strconv"
	"time"
)

// What dead letters tell of where they come from, as attributes.
const (
	AttributeDeliveryCount = "CloudPubSubDeadLetterSourceDeliveryCount"
	AttributeSubscription  = "CloudPubSubDeadLetterSourceSubscription"
	AttributeProject       = "CloudPubSubDeadLetterSourceSubscriptionProject"
	AttributePublishTime   = "CloudPubSubDeadLetterSourceTopicPublishTime"
)

// bury moves e, which is neither leased nor in the heap of those that wait, to the dead-letter topic, if it has
// failed as often as it may. It reports whether it did.
func (s *subscription) bury(e *entry, now int64) bool {
	if !s.buryable(e) {
		return false
	}
	t := s.b.topics[s.cfg.DeadLetter.Topic]
	letter := s.deadLetter(e)
	s.leave(e, dead)
	s.b.stamp(letter, now)
	for _, s := range t.subs {
		if s.filter.Match(letter.attrs) {
			s.insert(letter)
		}
	}
	t.kick(now)
	return true
}

// buryable reports whether e is to go to the dead-letter topic. Where there is none, it stays: nothing is lost.
func (s *subscription) buryable(e *entry) bool {
	policy := s.cfg.DeadLetter
	return policy != nil && int(e.failures) >= policy.MaxAttempts && s.b.topics[policy.Topic] != nil
}

func (s *subscription) deadLetter(e *entry) *message {
	attrs := maps.Clone(e.m.attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs[AttributeDeliveryCount] = strconv.Itoa(int(e.failures))
	attrs[AttributeSubscription], attrs[AttributeProject] = s.b.cfg.Describe(s.cfg.Name)
	attrs[AttributePublishTime] = instant(e.m.published).Format(time.RFC3339Nano)
	m := &message{data: e.m.data, key: e.m.key, attrs: attrs}
	m.size = int32(len(m.data) + len(m.key))
	for k, v := range attrs {
		m.size += int32(len(k) + len(v))
	}
	return m
}
