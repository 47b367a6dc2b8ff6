package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/typedtasks/typedtasks/transport"
)

// atOnce is how many resources are looked up and changed at a time: more would only meet the project's quota.
const atOnce = 8

// outcome is what became of one resource.
type outcome struct {
	changes []Change
	err     error

	raced    bool     // another deploy was faster: look again
	replaced []Change // in place of changes, once that ends well: what had been there was deleted
}

// each runs f for n resources of a kind, a few at a time, and notes their outcomes in order. Once ctx has ended it
// begins with no further one.
func (s *syncing) each(ctx context.Context, kind string, n int, f func(i int) outcome) {
	outcomes := make([]outcome, n)
	begun := 0
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		begun++
		group.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = f(i)
		})
	}
	group.Wait()
	for _, o := range outcomes[:begun] {
		s.plan.Changes = append(s.plan.Changes, o.changes...)
		if o.err != nil {
			s.errs = append(s.errs, o.err)
		}
	}
	if left := n - begun; left > 0 {
		s.errs = append(s.errs, fmt.Errorf("%d of %d %ss were not begun: %w", left, n, kind, ctx.Err()))
	}
}

func one(verb, kind, name, why string) outcome {
	return outcome{changes: []Change{{verb, kind, name, why}}}
}

// failed is an outcome whose error names the resource, whatever the broker's says.
func failed(kind, name string, err error) outcome {
	o := one(Failed, kind, name, err.Error())
	if e, ok := errors.AsType[*transport.Error](err); !ok || !strings.Contains(e.Resource, name) {
		err = fmt.Errorf("%s %q: %w", kind, name, err)
	}
	o.err = err
	return o
}

func (s *syncing) topics(ctx context.Context) {
	s.each(ctx, "topic", len(s.wanted.topics), func(i int) outcome { return s.topic(ctx, s.wanted.topics[i]) })
}

// topic creates one that is missing.
func (s *syncing) topic(ctx context.Context, id string) outcome {
	have, err := s.admin.Topic(ctx, id)
	if err == nil {
		s.found(id, have.Name)
		return one(Unchanged, "topic", id, "")
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
			return one(verb, "topic", id, "")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[id] = true
	return failed("topic", id, err)
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
	s.each(ctx, "obsolete subscription", len(s.obsolete), func(i int) outcome {
		sub := s.obsolete[i]
		if sub.Labels[labelKeeps] == deadLetters {
			return s.keepOnly(ctx, sub, "no subscriber declares it, and it keeps dead letters: ")
		}
		why := "no subscriber declares it; " + s.loss(ctx, sub)
		if !s.dryRun {
			if err := s.admin.DeleteSubscription(ctx, sub.Name); err != nil && !errors.Is(err, transport.ErrNotFound) {
				return failed("subscription", sub.Name, err)
			}
		}
		return one(Deleted, "subscription", sub.Name, why)
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
