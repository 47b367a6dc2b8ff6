package tasktest

import (
	"context"
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// project is where all that a platform would name in full is said to be.
const project = "tasktest"

// Publish records what the broker accepts.
func (s *recording) Publish(ctx context.Context, m *transport.Message) (string, error) {
	f := s.nextFault()
	if f.err != nil && !f.committed {
		return "", f.err
	}
	if err := m.Check(); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", publishError(m, err)
	}
	at := s.Now()
	ids, err := s.broker.Publish(transport.ResourceID(m.Topic), []*transport.Message{m})
	if err != nil {
		return "", err
	}
	e := messageEntry(origin.From(ctx).Name, m, s.carried(m), ids[0], at)
	e.by = s.running(ctx)
	s.add(e)
	if f.err != nil {
		return "", f.err
	}
	return ids[0], nil
}

// PublishBatch publishes one by one, so that faults fall on single messages. What follows a failed one under its
// ordering key is not tried.
func (s *recording) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	type line struct{ topic, key string }
	broken := map[line]error{}
	results := make([]transport.Result, len(ms))
	for i, m := range ms {
		l := line{transport.ResourceID(m.Topic), m.OrderingKey}
		if err := broken[l]; err != nil {
			results[i].Err = publishError(m, fmt.Errorf("an earlier message of ordering key %q failed: %w", m.OrderingKey, err))
			continue
		}
		results[i].Receipt.ID, results[i].Err = s.Publish(ctx, m)
		if err := results[i].Err; err != nil && m.OrderingKey != "" {
			broken[l] = err
		}
	}
	return results
}

func publishError(m *transport.Message, err error) error {
	return &transport.Error{Op: transport.OpPublish, Resource: fmt.Sprintf("topic %q", m.Topic), Err: err}
}

// running is the task, if any, whose run ctx belongs to.
func (s *recording) running(ctx context.Context) *entry {
	meta, ok := tasks.MetadataFrom(ctx)
	if !ok || meta.Queue == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[taskID{meta.Queue, meta.ID}]
}

// pulled stands in for the push endpoint of a subscription that is pulled.
const pulled = "pulled"

// DeclareSubscription makes the subscription, its topic and its dead-letter topic. One that is pulled gets its
// messages as a push does, for as long as it may take.
func (s *recording) DeclareSubscription(declared *transport.Subscription) error {
	sub := *declared
	sub.Topic = transport.ResourceID(sub.Topic)
	if sub.DeadLetter != nil {
		policy := *sub.DeadLetter
		policy.Topic = transport.ResourceID(policy.Topic)
		sub.DeadLetter = &policy
	}
	if sub.Push == nil {
		sub.Push = &transport.PushConfig{Endpoint: pulled}
		sub.ExactlyOnceDelivery, sub.AckDeadline = false, max(sub.AckDeadline, subscription.MaxAckDeadline)
	}
	return s.broker.PutSubscription(&sub)
}

// push is the broker's Pusher.
func (s *recording) push(ctx context.Context, sub *transport.Subscription, m *transport.Message) error {
	url := sub.Push.Endpoint
	if url == pulled {
		if url = s.endpoint(sub.Name); url == "" {
			return s.settle(sub.Name, sub, m, fmt.Errorf("no subscriber of subscription %q is registered", sub.Name))
		}
	}
	h := s.Handler(url)
	if h == nil {
		return s.settle(url, sub, m, fmt.Errorf("nobody serves %s", url))
	}
	id, published := m.ID, m.PublishTime // m is the handler's
	status, _, err := serving.Call(ctx, h, &transport.Delivery{Task: transport.Task{URL: url}, Attempt: 1, Message: m})
	m = &transport.Message{ID: id, PublishTime: published}
	if serving.Acknowledges(status) {
		return s.settle(url, sub, m, nil)
	}
	if err == nil {
		err = fmt.Errorf("answered with %d", status)
	}
	return s.settle(url, sub, m, err)
}

// attempted is a message of a subscription.
type attempted struct{ subscription, id string }

// mostAttempts is how often Drain lets a message fail that nothing else ends: as often as any dead-letter policy
// may say.
const mostAttempts = subscription.MaxMaxAttempts

// settle returns what the broker is to be told of an attempt that ended with err. A message that Drain gives up is
// acknowledged.
func (s *recording) settle(url string, sub *transport.Subscription, m *transport.Message, err error) error {
	name, now := s.name(url), s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	key := attempted{sub.Name, m.ID}
	if err == nil {
		delete(s.failures, key)
		return nil
	}
	s.failures[key]++
	n := s.failures[key]
	g := GivenUp{Task: name, ID: m.ID, Subscription: sub.Name, Attempts: n, Err: err, at: now}
	tooOld := now.Add(subscription.Pause(sub, n)).Sub(m.PublishTime) >= sub.Retention
	switch {
	case sub.DeadLetter != nil && n >= sub.DeadLetter.MaxAttempts: // the broker forwards it
		g.DeadLetter = sub.DeadLetter.Topic
	case tooOld: // the broker drops it
	case s.draining && sub.DeadLetter == nil && n >= mostAttempts:
		err = nil
	default:
		return err
	}
	delete(s.failures, key)
	s.giveUp(g)
	return err
}

// mostGivenUp is how many messages and runs of jobs that were given up are kept, as of tasks.
const mostGivenUp = 1000

func (s *recording) giveUp(g GivenUp) {
	if s.lost = append(s.lost, g); len(s.lost) > mostGivenUp {
		s.lost = s.lost[1:]
	}
}

// describeSource is what dead letters tell of the subscription that they come from.
func describeSource(name string) (id, inProject string) {
	if parts := strings.Split(name, "/"); len(parts) == 4 {
		return parts[3], parts[1]
	}
	return name, project
}
