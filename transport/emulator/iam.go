package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
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
	return policyOf(q), nil
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
	if len(p.Etag) > 0 && !bytes.Equal(p.Etag, policyOf(q).Etag) {
		return nil, status.Error(codes.Aborted, "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
	}
	p = proto.CloneOf(p)
	p.Etag = nil
	sum := sha256.Sum256([]byte(marshal(p)))
	p.Etag = sum[:8]
	q = &queue{Queue: q.Queue, policy: p}
	s.queues.live[name] = q
	s.store.queue(q)
	return p, nil
}

func policyOf(q *queue) *iampb.Policy {
	if q.policy != nil {
		return q.policy
	}
	return &iampb.Policy{Etag: []byte{0, 0x20, 0x01}} // "ACAB", as Google answers where none was set
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
