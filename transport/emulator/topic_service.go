package emulator

import (
	"context"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/transport"
)

// maxResourcesPage is the most topics or subscriptions of a page.
const maxResourcesPage = 1000

// CreateTopic implements pubsubpb.PublisherServer, as the methods that follow.
func (p *pubsub) CreateTopic(ctx context.Context, r *pubsubpb.Topic) (*pubsubpb.Topic, error) {
	if err := completeTopic(r); err != nil {
		return nil, err
	}
	if err := p.createTopic(r); err != nil {
		return nil, err
	}
	return r, p.store.sync(ctx)
}

func (p *pubsub) createTopic(t *pubsubpb.Topic) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	if p.catalog.topics[t.Name] != nil {
		return resourceExists(t.Name)
	}
	return p.addTopic(t)
}

// addTopic adds a topic that does not exist. p.catalog.mu is held.
func (p *pubsub) addTopic(t *pubsubpb.Topic) error {
	if err := p.broker.CreateTopic(&transport.Topic{Name: t.Name, Labels: t.Labels}); err != nil {
		return brokerError(err, t.Name)
	}
	p.putTopic(&topic{Topic: t})
	p.log.Debug("topic created", "topic", t.Name)
	return nil
}

// needTopic makes sure that a topic exists. p.catalog.mu is held.
func (p *pubsub) needTopic(name string) error {
	if p.catalog.topics[name] != nil {
		return nil
	}
	if !p.onDemand {
		return noResource(name)
	}
	return p.addTopic(newTopic(name))
}

// declareTopics makes the topics that do not exist.
func (p *pubsub) declareTopics(names []string) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	for _, name := range names {
		if p.catalog.topics[name] == nil {
			if err := p.addTopic(newTopic(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// putTopic makes t what clients see. p.catalog.mu is held.
func (p *pubsub) putTopic(t *topic) {
	p.catalog.topics[t.Name] = t
	p.store.topic(t)
}

func (p *pubsub) GetTopic(_ context.Context, r *pubsubpb.GetTopicRequest) (*pubsubpb.Topic, error) {
	t, err := p.catalog.findTopic(r.Topic)
	if err != nil {
		return nil, err
	}
	return t.Topic, nil
}

func (p *pubsub) UpdateTopic(ctx context.Context, r *pubsubpb.UpdateTopicRequest) (*pubsubpb.Topic, error) {
	if err := checkTopicName(r.Topic.GetName()); err != nil {
		return nil, err
	}
	if _, err := topicUpdates().check(r.UpdateMask); err != nil {
		return nil, err
	}
	t, err := p.updateTopic(r)
	if err != nil {
		return nil, err
	}
	return t, p.store.sync(ctx)
}

func (p *pubsub) updateTopic(r *pubsubpb.UpdateTopicRequest) (*pubsubpb.Topic, error) {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	old := p.catalog.topics[r.Topic.Name]
	if old == nil {
		return nil, noResource(r.Topic.Name)
	}
	t := &topic{Topic: proto.CloneOf(old.Topic), policy: old.policy}
	if err := applyMask(t.Topic, r.Topic, r.UpdateMask); err != nil {
		return nil, err
	}
	if err := completeTopic(t.Topic); err != nil {
		return nil, err
	}
	if err := p.broker.UpdateTopic(&transport.Topic{Name: t.Name, Labels: t.Labels}); err != nil {
		return nil, brokerError(err, t.Name)
	}
	p.putTopic(t)
	return t.Topic, nil
}

func (p *pubsub) ListTopics(_ context.Context, r *pubsubpb.ListTopicsRequest) (*pubsubpb.ListTopicsResponse, error) {
	if err := checkProject(r.Project); err != nil {
		return nil, err
	}
	l := listing{what: "topics\x00" + r.Project, size: r.PageSize, token: r.PageToken, now: p.now()}
	found, next, err := onePage(l, func(after string) []*topic { return p.catalog.topicsOf(r.Project, after) })
	if err != nil {
		return nil, err
	}
	answer := &pubsubpb.ListTopicsResponse{NextPageToken: next}
	for _, t := range found {
		answer.Topics = append(answer.Topics, t.Topic)
	}
	return answer, nil
}

func (p *pubsub) ListTopicSubscriptions(_ context.Context, r *pubsubpb.ListTopicSubscriptionsRequest) (*pubsubpb.ListTopicSubscriptionsResponse, error) {
	if _, err := p.catalog.findTopic(r.Topic); err != nil {
		return nil, err
	}
	l := listing{what: "subscribers\x00" + r.Topic, size: r.PageSize, token: r.PageToken, now: p.now()}
	found, next, err := onePage(l, func(after string) []*subscription { return p.catalog.subscribers(r.Topic, after) })
	if err != nil {
		return nil, err
	}
	answer := &pubsubpb.ListTopicSubscriptionsResponse{NextPageToken: next}
	for _, s := range found {
		answer.Subscriptions = append(answer.Subscriptions, s.Name)
	}
	return answer, nil
}

// DeleteTopic leaves the topic's subscriptions, with what waits in them.
func (p *pubsub) DeleteTopic(ctx context.Context, r *pubsubpb.DeleteTopicRequest) (*emptypb.Empty, error) {
	if err := checkTopicName(r.Topic); err != nil {
		return nil, err
	}
	if err := p.deleteTopic(r.Topic); err != nil {
		return nil, err
	}
	p.log.Debug("topic deleted", "topic", r.Topic)
	return &emptypb.Empty{}, p.store.sync(ctx)
}

func (p *pubsub) deleteTopic(name string) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	if err := p.broker.DeleteTopic(name); err != nil {
		return brokerError(err, name)
	}
	delete(p.catalog.topics, name)
	p.store.topicDeleted(name)
	for _, old := range inOrder(p.catalog.subscriptions, "", func(s *subscription) bool { return s.Topic == name }) {
		s := &subscription{Subscription: proto.CloneOf(old.Subscription), policy: old.policy}
		s.Topic = deletedTopic
		p.putSubscription(s)
	}
	return nil
}

// DetachSubscription drops what waits in a subscription, which stays to be looked at and deleted.
func (p *pubsub) DetachSubscription(ctx context.Context, r *pubsubpb.DetachSubscriptionRequest) (*pubsubpb.DetachSubscriptionResponse, error) {
	if err := checkSubscriptionName(r.Subscription); err != nil {
		return nil, err
	}
	if err := p.detach(r.Subscription); err != nil {
		return nil, err
	}
	p.log.Debug("subscription detached", "subscription", r.Subscription)
	return &pubsubpb.DetachSubscriptionResponse{}, p.store.sync(ctx)
}

func (p *pubsub) detach(name string) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	old := p.catalog.subscriptions[name]
	if old == nil {
		return noResource(name)
	}
	if old.Detached {
		return nil
	}
	if err := p.broker.DeleteSubscription(name); err != nil {
		return brokerError(err, name)
	}
	s := &subscription{Subscription: proto.CloneOf(old.Subscription), policy: old.policy}
	s.Detached = true
	p.putSubscription(s)
	p.flows.end(name, status.Error(codes.FailedPrecondition, textDetached))
	return nil
}
