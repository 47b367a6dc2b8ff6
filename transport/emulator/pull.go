package emulator

import (
	"context"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/internal/broker"
	limits "github.com/typedtasks/typedtasks/internal/subscription"
)

const (
	maxPulled      = 1000     // messages of one answer
	maxPulledBytes = 10 << 20 // of their data
	maxPullWait    = 90 * time.Second
)

// Pull waits until there is a message, for 90 seconds at most, and answers an empty list shortly before the
// deadline of the call.
func (p *pubsub) Pull(ctx context.Context, r *pubsubpb.PullRequest) (*pubsubpb.PullResponse, error) {
	if _, err := p.pullable(r.Subscription); err != nil {
		return nil, err
	}
	if r.MaxMessages <= 0 {
		return nil, invalid("The value for max_messages is too small. You passed %d in the request, but the minimum value is 1.", r.MaxMessages)
	}
	leases, err := p.pull(ctx, r)
	if err != nil {
		return nil, p.pullError(err, r.Subscription)
	}
	if ctx.Err() != nil { // nobody reads the answer
		p.broker.Release(r.Subscription, ackIDs(leases)...)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &pubsubpb.PullResponse{ReceivedMessages: fromLeases(leases)}, nil
}

func (p *pubsub) pull(ctx context.Context, r *pubsubpb.PullRequest) ([]broker.Leased, error) {
	most := min(int(r.MaxMessages), maxPulled)
	wait := maxPullWait
	if at, ok := ctx.Deadline(); ok {
		left := time.Until(at)
		wait = min(wait, left-min(left/10, time.Second))
	}
	//lint:ignore SA1019 clients set it
	if r.ReturnImmediately || wait <= 0 {
		return p.broker.TryPull(r.Subscription, most, maxPulledBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return p.broker.Pull(ctx, r.Subscription, most, maxPulledBytes)
}

// pullable returns a subscription that can be pulled.
func (p *pubsub) pullable(name string) (*subscription, error) {
	s, err := p.catalog.findSubscription(name)
	switch {
	case err != nil:
		return nil, err
	case s.Detached:
		return nil, status.Error(codes.FailedPrecondition, textDetached)
	case s.PushConfig.PushEndpoint != "":
		return nil, status.Error(codes.FailedPrecondition, textPushed)
	}
	return s, nil
}

// pullError is what the service answers where the broker could not be pulled from: a subscription that was detached
// meanwhile is none to the broker.
func (p *pubsub) pullError(err error, name string) error {
	if _, changed := p.pullable(name); changed != nil {
		return changed
	}
	return brokerError(err, name)
}

// Seek makes messages published before a time acknowledged, and those after not.
func (p *pubsub) Seek(_ context.Context, r *pubsubpb.SeekRequest) (*pubsubpb.SeekResponse, error) {
	s, err := p.catalog.findSubscription(r.Subscription)
	if err != nil {
		return nil, err
	}
	switch target := r.Target.(type) {
	case *pubsubpb.SeekRequest_Snapshot:
		return nil, noSnapshots()
	case *pubsubpb.SeekRequest_Time:
		if !target.Time.IsValid() {
			return nil, invalid("SeekRequest.time is not a valid timestamp.")
		}
		if s.Detached {
			return nil, status.Error(codes.FailedPrecondition, textDetached)
		}
		if err := p.broker.Seek(s.Name, target.Time.AsTime()); err != nil {
			return nil, brokerError(err, s.Name)
		}
		return &pubsubpb.SeekResponse{}, nil
	default:
		return nil, invalid("SeekRequest: a time or a snapshot is required.")
	}
}

// Acknowledge answers acknowledgments of leases that have ended with an error only where delivery is exactly once.
func (p *pubsub) Acknowledge(_ context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	s, err := p.settling(r.Subscription, r.AckIds)
	if err != nil {
		return nil, err
	}
	if err := p.acknowledge(s.Name, r.AckIds).status(s); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ModifyAckDeadline likewise. No seconds at all give the message back.
func (p *pubsub) ModifyAckDeadline(_ context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	s, err := p.settling(r.Subscription, r.AckIds)
	if err != nil {
		return nil, err
	}
	if err := checkExtension(r.AckDeadlineSeconds); err != nil {
		return nil, err
	}
	if err := p.modify(s.Name, r.AckDeadlineSeconds, r.AckIds).status(s); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func checkExtension(seconds int32) error {
	if seconds < 0 || time.Duration(seconds)*time.Second > limits.MaxAckDeadline {
		return invalid("Invalid ack deadline given (ack_deadline_seconds=%d): it must be between 0 and 600 seconds.", seconds)
	}
	return nil
}

// settling returns the subscription that leases are to be of.
func (p *pubsub) settling(name string, ids []string) (*subscription, error) {
	s, err := p.catalog.findSubscription(name)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, invalid("The value for ack_ids is too small. You passed 0 in the request, but the minimum value is 1.")
	}
	return s, nil
}

func ackIDs(leases []broker.Leased) []string {
	ids := make([]string, len(leases))
	for i, l := range leases {
		ids[i] = l.AckID
	}
	return ids
}
