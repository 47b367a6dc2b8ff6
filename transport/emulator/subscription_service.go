package emulator

import (
	"context"
	"maps"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// CreateSubscription implements pubsubpb.SubscriberServer, as the methods that follow.
func (p *pubsub) CreateSubscription(ctx context.Context, r *pubsubpb.Subscription) (*pubsubpb.Subscription, error) {
	if err := checkSubscriptionName(r.Name); err != nil {
		return nil, err
	}
	if err := checkTopicName(r.Topic); err != nil {
		return nil, err
	}
	r.State, r.Detached, r.TopicMessageRetentionDuration = pubsubpb.Subscription_ACTIVE, false, nil // output only
	r.AnalyticsHubSubscriptionInfo, r.Tags = nil, nil
	if err := completeSubscription(r); err != nil {
		return nil, err
	}
	if err := p.createSubscription(r); err != nil {
		return nil, err
	}
	p.log.Debug("subscription created", "subscription", r.Name, "topic", r.Topic)
	return p.answer(r), p.store.sync(ctx)
}

func (p *pubsub) createSubscription(s *pubsubpb.Subscription) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	if p.catalog.subscriptions[s.Name] != nil {
		return resourceExists(s.Name)
	}
	if err := p.needTopic(s.Topic); err != nil {
		return err
	}
	if err := p.needDeadLetterTopic(s); err != nil {
		return err
	}
	if err := p.broker.CreateSubscription(toBroker(s)); err != nil {
		return brokerError(err, s.Topic)
	}
	p.putSubscription(&subscription{Subscription: s})
	return nil
}

func (p *pubsub) needDeadLetterTopic(s *pubsubpb.Subscription) error {
	if s.DeadLetterPolicy == nil {
		return nil
	}
	return p.needTopic(s.DeadLetterPolicy.DeadLetterTopic)
}

// putSubscription makes s what clients see. p.catalog.mu is held.
func (p *pubsub) putSubscription(s *subscription) {
	p.catalog.subscriptions[s.Name] = s
	p.store.subscription(s)
}

// answer is a subscription as clients see it: with what its topic adds.
func (p *pubsub) answer(s *pubsubpb.Subscription) *pubsubpb.Subscription {
	t := p.catalog.topic(s.Topic)
	if t == nil || t.MessageRetentionDuration == nil {
		return s
	}
	s = proto.CloneOf(s)
	s.TopicMessageRetentionDuration = t.MessageRetentionDuration
	return s
}

func (p *pubsub) GetSubscription(_ context.Context, r *pubsubpb.GetSubscriptionRequest) (*pubsubpb.Subscription, error) {
	s, err := p.catalog.findSubscription(r.Subscription)
	if err != nil {
		return nil, err
	}
	return p.answer(s.Subscription), nil
}

func (p *pubsub) UpdateSubscription(ctx context.Context, r *pubsubpb.UpdateSubscriptionRequest) (*pubsubpb.Subscription, error) {
	if err := checkSubscriptionName(r.Subscription.GetName()); err != nil {
		return nil, err
	}
	touched, err := subscriptionUpdates().check(r.UpdateMask)
	if err != nil {
		return nil, err
	}
	return p.changeSubscription(ctx, r.Subscription.Name, touched, func(s *pubsubpb.Subscription) error {
		return applyMask(s, r.Subscription, r.UpdateMask)
	})
}

// ModifyPushConfig also turns a subscription that is pushed into one that is pulled, by a config that is empty.
func (p *pubsub) ModifyPushConfig(ctx context.Context, r *pubsubpb.ModifyPushConfigRequest) (*emptypb.Empty, error) {
	if err := checkSubscriptionName(r.Subscription); err != nil {
		return nil, err
	}
	if r.PushConfig == nil {
		return nil, invalid("ModifyPushConfigRequest.push_config is required; an empty one makes it a pull subscription.")
	}
	_, err := p.changeSubscription(ctx, r.Subscription, []string{"push_config"}, func(s *pubsubpb.Subscription) error {
		attributes := maps.Clone(s.PushConfig.Attributes)
		s.PushConfig = proto.CloneOf(r.PushConfig)
		if s.PushConfig.Attributes == nil {
			s.PushConfig.Attributes = attributes
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// changeSubscription replaces a subscription by a changed copy, and returns it once that is stored.
func (p *pubsub) changeSubscription(ctx context.Context, name string, touched []string, do func(*pubsubpb.Subscription) error) (*pubsubpb.Subscription, error) {
	s, err := p.replaceSubscription(name, touched, do)
	if err != nil {
		return nil, err
	}
	p.log.Debug("subscription updated", "subscription", name, "fields", touched)
	return p.answer(s), p.store.sync(ctx)
}

func (p *pubsub) replaceSubscription(name string, touched []string, do func(*pubsubpb.Subscription) error) (*pubsubpb.Subscription, error) {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	old := p.catalog.subscriptions[name]
	if old == nil {
		return nil, noResource(name)
	}
	s := &subscription{Subscription: proto.CloneOf(old.Subscription), policy: old.policy}
	if err := do(s.Subscription); err != nil {
		return nil, err
	}
	if err := completeSubscription(s.Subscription); err != nil {
		return nil, err
	}
	if err := p.needDeadLetterTopic(s.Subscription); err != nil {
		return nil, err
	}
	if !s.Detached {
		if err := p.broker.UpdateSubscription(toBroker(s.Subscription), toFields(touched)...); err != nil {
			return nil, brokerError(err, name)
		}
	}
	p.putSubscription(s)
	if s.PushConfig.PushEndpoint != "" {
		p.flows.end(name, status.Error(codes.FailedPrecondition, textPushed))
	}
	return s.Subscription, nil
}

func (p *pubsub) ListSubscriptions(_ context.Context, r *pubsubpb.ListSubscriptionsRequest) (*pubsubpb.ListSubscriptionsResponse, error) {
	if err := checkProject(r.Project); err != nil {
		return nil, err
	}
	l := listing{what: "subscriptions\x00" + r.Project, size: r.PageSize, token: r.PageToken, now: p.now()}
	found, next, err := onePage(l, func(after string) []*subscription { return p.catalog.subscriptionsOf(r.Project, after) })
	if err != nil {
		return nil, err
	}
	answer := &pubsubpb.ListSubscriptionsResponse{NextPageToken: next}
	for _, s := range found {
		answer.Subscriptions = append(answer.Subscriptions, p.answer(s.Subscription))
	}
	return answer, nil
}

// DeleteSubscription drops what waits in the subscription with it.
func (p *pubsub) DeleteSubscription(ctx context.Context, r *pubsubpb.DeleteSubscriptionRequest) (*emptypb.Empty, error) {
	if err := checkSubscriptionName(r.Subscription); err != nil {
		return nil, err
	}
	if err := p.deleteSubscription(r.Subscription); err != nil {
		return nil, err
	}
	p.log.Debug("subscription deleted", "subscription", r.Subscription)
	return &emptypb.Empty{}, p.store.sync(ctx)
}

func (p *pubsub) deleteSubscription(name string) error {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	old := p.catalog.subscriptions[name]
	if old == nil {
		return noResource(name)
	}
	if !old.Detached {
		if err := p.broker.DeleteSubscription(name); err != nil {
			return brokerError(err, name)
		}
	}
	delete(p.catalog.subscriptions, name)
	p.store.subscriptionDeleted(name)
	p.flows.end(name, noResource(name))
	return nil
}
