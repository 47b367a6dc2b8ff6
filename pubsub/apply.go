package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/transport"
)

func (s *syncing) topics(ctx context.Context) {
	s.run.Each(ctx, "topic", len(s.wanted.topics), func(i int) converge.Outcome { return s.topic(ctx, s.wanted.topics[i]) })
}

// topic creates one that is missing.
func (s *syncing) topic(ctx context.Context, id string) converge.Outcome {
	have, err := s.admin.Topic(ctx, id)
	if err == nil {
		s.found(id, have.Name)
		return converge.One(Unchanged, "topic", id, "")
	}
	if errors.Is(err, transport.ErrNotFound) {
		if err = nil; !s.dryRun {
			err = s.admin.CreateTopic(ctx, &transport.Topic{Name: id, Labels: map[string]string{labelManaged: managedBy}})
		}
		if verb := Created; err == nil || errors.Is(err, transport.ErrExists) {
			if err != nil { // another deploy was faster
				verb = Unchanged
			}
			if transport.ResourceID(id) == id {
				s.found(id, id)
			}
			return converge.One(verb, "topic", id, "")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[id] = true
	return converge.Failed("topic", id, err)
}

func (s *syncing) found(topic, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named[topic] = name
}

// topicAs is how the broker calls a wanted topic, to compare it with one that a subscription has: by id in its own
// project, by full name elsewhere. Where that is not known, it cannot be told from one of the same id.
func (s *syncing) topicAs(wanted, have string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name := s.named[wanted]; {
	case name != "":
		return name
	case transport.ResourceID(wanted) == transport.ResourceID(have):
		return have
	}
	return wanted
}

// brokenTopic is a topic of sub that could be neither found nor made, empty if there is none.
func (s *syncing) brokenTopic(sub *transport.Subscription) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken[sub.Topic]:
		return sub.Topic
	case sub.DeadLetter != nil && s.broken[sub.DeadLetter.Topic]:
		return sub.DeadLetter.Topic
	}
	return ""
}

// deleteObsolete deletes the App's subscriptions that no subscriber declares any more. What keeps dead letters stays,
// and is no App's from then on.
func (s *syncing) deleteObsolete(ctx context.Context) {
	s.run.Each(ctx, "obsolete subscription", len(s.obsolete), func(i int) converge.Outcome {
		sub := s.obsolete[i]
		if sub.Labels[labelKeeps] == deadLetters {
			return s.keepOnly(ctx, sub, "no subscriber declares it, and it keeps dead letters: ")
		}
		if !converge.MayDestroy(ctx, "subscription", sub.Name) {
			return converge.Unconfirmed("subscription", sub.Name, ErrBlocked)
		}
		why := "no subscriber declares it; " + s.loss(ctx, sub)
		if !s.dryRun {
			if err := s.admin.DeleteSubscription(ctx, sub.Name); err != nil && !errors.Is(err, transport.ErrNotFound) {
				return converge.Failed("subscription", sub.Name, err)
			}
		}
		return converge.One(Deleted, "subscription", sub.Name, why)
	})
}

// loss says what goes with a subscription.
func (s *syncing) loss(ctx context.Context, sub *transport.Subscription) string {
	lost := fmt.Sprintf("what waits in it is lost (up to %s of messages)", span(resolved(sub).Retention))
	if b, err := transport.BrokerAs[transport.SubscriptionBacklogger](s.cfg.Broker); err == nil {
		switch n, err := b.SubscriptionBacklog(ctx, sub.Name); {
		case err != nil:
		case n == 0:
			lost = "nothing waits in it"
		case n == 1:
			lost = "1 message that waits in it is lost"
		default:
			lost = fmt.Sprintf("%d messages that wait in it are lost", n)
		}
	}
	return lost
}

// topicSibling is the subscription that goes by a topic's name.
func topicSibling(topic string) string {
	if transport.ResourceID(topic) == topic {
		return topic
	}
	return strings.Replace(topic, "/topics/", "/subscriptions/", 1)
}
