package emulator

import (
	"context"
	"strings"

	"cloud.google.com/go/iam/apiv1/iampb"
)

// pubsubPolicies keeps the policies of topics and subscriptions. Nobody is kept from anything by them.
type pubsubPolicies struct {
	iampb.UnimplementedIAMPolicyServer
	*pubsub
}

// GetIamPolicy returns what was set.
func (p *pubsubPolicies) GetIamPolicy(_ context.Context, r *iampb.GetIamPolicyRequest) (*iampb.Policy, error) {
	policy, err := p.policy(r.Resource)
	if err != nil {
		return nil, err
	}
	return orNoPolicy(policy), nil
}

func (p *pubsubPolicies) policy(resource string) (*iampb.Policy, error) {
	if strings.Contains(resource, subscriptionsPart) {
		s, err := p.catalog.findSubscription(resource)
		if err != nil {
			return nil, err
		}
		return s.policy, nil
	}
	t, err := p.catalog.findTopic(resource)
	if err != nil {
		return nil, err
	}
	return t.policy, nil
}

// SetIamPolicy replaces the policy, unless its etag is that of an older one.
func (p *pubsubPolicies) SetIamPolicy(ctx context.Context, r *iampb.SetIamPolicyRequest) (*iampb.Policy, error) {
	if _, err := p.policy(r.Resource); err != nil {
		return nil, err
	}
	if r.Policy == nil {
		return nil, invalid("SetIamPolicyRequest.policy is required.")
	}
	next, err := p.setPolicy(r.Resource, r.Policy)
	if err != nil {
		return nil, err
	}
	return next, p.store.sync(ctx)
}

func (p *pubsubPolicies) setPolicy(resource string, policy *iampb.Policy) (next *iampb.Policy, err error) {
	p.catalog.mu.Lock()
	defer p.catalog.mu.Unlock()
	if s := p.catalog.subscriptions[resource]; s != nil {
		if next, err = nextPolicy(s.policy, policy); err == nil {
			p.putSubscription(&subscription{Subscription: s.Subscription, policy: next})
		}
		return next, err
	}
	if t := p.catalog.topics[resource]; t != nil {
		if next, err = nextPolicy(t.policy, policy); err == nil {
			p.putTopic(&topic{Topic: t.Topic, policy: next})
		}
		return next, err
	}
	return nil, noResource(resource) // deleted meanwhile
}

// TestIamPermissions grants everything on resources that exist, and nothing on others.
func (p *pubsubPolicies) TestIamPermissions(_ context.Context, r *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
	if checkTopicName(r.Resource) != nil && checkSubscriptionName(r.Resource) != nil {
		return nil, badName(r.Resource)
	}
	answer := &iampb.TestIamPermissionsResponse{}
	if _, err := p.policy(r.Resource); err == nil {
		answer.Permissions = r.Permissions
	}
	return answer, nil
}
