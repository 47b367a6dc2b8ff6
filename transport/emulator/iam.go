package emulator

import (
	"context"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GetIamPolicy returns what was set. Nobody is kept from anything by it.
func (s *server) GetIamPolicy(_ context.Context, r *iampb.GetIamPolicyRequest) (*iampb.Policy, error) {
	if err := checkQueueName(r.Resource); err != nil {
		return nil, err
	}
	q, err := s.queues.find(r.Resource)
	if err != nil {
		return nil, err
	}
	return orNoPolicy(q.policy), nil
}

// SetIamPolicy replaces the policy, unless its etag is that of an older one.
func (s *server) SetIamPolicy(ctx context.Context, r *iampb.SetIamPolicyRequest) (*iampb.Policy, error) {
	if err := checkQueueName(r.Resource); err != nil {
		return nil, err
	}
	if r.Policy == nil {
		return nil, invalid("SetIamPolicyRequest.policy is required.")
	}
	p, err := s.setPolicy(r.Resource, r.Policy)
	if err != nil {
		return nil, err
	}
	return p, s.store.sync(ctx)
}

func (s *server) setPolicy(name string, p *iampb.Policy) (*iampb.Policy, error) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	q := s.queues.live[name]
	if q == nil {
		return nil, status.Error(codes.NotFound, textNoQueue)
	}
	p, err := nextPolicy(q.policy, p)
	if err != nil {
		return nil, err
	}
	q = &queue{Queue: q.Queue, policy: p}
	s.queues.live[name] = q
	s.store.queue(q)
	return p, nil
}

// TestIamPermissions grants everything on queues that exist, and nothing on others.
func (s *server) TestIamPermissions(_ context.Context, r *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
	if err := checkQueueName(r.Resource); err != nil {
		return nil, err
	}
	answer := &iampb.TestIamPermissionsResponse{}
	if s.queues.get(r.Resource) != nil {
		answer.Permissions = r.Permissions
	}
	return answer, nil
}
