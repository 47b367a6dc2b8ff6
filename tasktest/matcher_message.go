package tasktest

import (
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// WithAttribute accepts messages that have the attribute with this value.
func WithAttribute(key, value string) Matcher { return attributeMatcher{key, value} }

// WithOrderingKey accepts messages of the ordering key; empty: those without one.
func WithOrderingKey(key string) Matcher { return orderingMatcher(key) }

// OnTopic accepts messages that went to the topic. An id matches a full name that ends with it.
func OnTopic(name string) Matcher { return topicMatcher(name) }

type (
	attributeMatcher struct{ key, value string }
	orderingMatcher  string
	topicMatcher     string
)

func (m attributeMatcher) String() string {
	return fmt.Sprintf("WithAttribute(%q, %q)", m.key, m.value)
}

func (m attributeMatcher) prepare(about *subject) (test, error) {
	if !about.messages {
		return nil, errors.New("WithAttribute is for messages: a task has headers, which WithHeader asks for")
	}
	return func(e *entry, _ any) []miss {
		got, ok := e.message.Attributes[m.key]
		if !ok {
			return missIf(true, "attribute "+m.key, "got none, want %q", m.value)
		}
		return missIf(got != m.value, "attribute "+m.key, "got %q, want %q", got, m.value)
	}, nil
}

func (m orderingMatcher) String() string { return fmt.Sprintf("WithOrderingKey(%q)", string(m)) }

func (m orderingMatcher) prepare(about *subject) (test, error) {
	if !about.messages {
		return nil, errors.New("WithOrderingKey is for messages: tasks keep no order")
	}
	return func(e *entry, _ any) []miss {
		got := e.message.OrderingKey
		return missIf(got != string(m), "ordering key", "got %q, want %q", got, string(m))
	}, nil
}

func (m topicMatcher) String() string { return fmt.Sprintf("OnTopic(%q)", string(m)) }

func (m topicMatcher) prepare(about *subject) (test, error) {
	if !about.messages {
		return nil, errors.New("OnTopic is for messages: a task is on a queue, which OnQueue asks for")
	}
	return func(e *entry, _ any) []miss {
		got := e.message.Topic
		return missIf(!sameTopic(got, string(m)), "topic", "got %q, want %q", got, string(m))
	}, nil
}

// sameTopic compares ids, and projects where both names have one.
func sameTopic(a, b string) bool {
	if transport.ResourceID(a) == a || transport.ResourceID(b) == b {
		return transport.ResourceID(a) == transport.ResourceID(b)
	}
	return a == b
}
