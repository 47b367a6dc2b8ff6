package emulator

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/broker"
)

const (
	streamBatch      = 100 // messages of one answer, so that several streams share what there is
	streamBatchBytes = 1 << 20

	// heartbeat is how often a client that pings is sent something. Go's takes an answer that comes within the same
	// instant as its ping for none, and opens another stream if nothing follows within 15 seconds.
	heartbeat = 10 * time.Second

	// lastWords is how long a client may take to extend what it has received, which Go's does every 100 ms.
	lastWords = time.Second

	textStreamTime = "the stream has been open for as long as it may: open another"
)

// stream is one StreamingPull.
type stream struct {
	*pubsub
	pubsubpb.Subscriber_StreamingPullServer
	subscription string
	pings        bool // the client wants an answer to its pings
	flow         *flow
	seconds      atomic.Int32 // of a lease

	sending sync.Mutex
}

// StreamingPull sends messages as they come until the client has enough.
func (p *pubsub) StreamingPull(grpc pubsubpb.Subscriber_StreamingPullServer) error {
	first, err := grpc.Recv()
	if err != nil {
		return err
	}
	if _, err := p.pullable(first.Subscription); err != nil {
		return err
	}
	if first.StreamAckDeadlineSeconds == 0 {
		return invalid("StreamingPullRequest.stream_ack_deadline_seconds must be set in the first request of a stream.")
	}
	ctx, cancel := context.WithCancelCause(grpc.Context())
	defer cancel(nil)
	if p.streamTime > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, p.streamTime, status.Error(codes.Unavailable, textStreamTime))
		defer stop()
	}
	s := &stream{
		pubsub: p, Subscriber_StreamingPullServer: grpc,
		subscription: first.Subscription, pings: first.ProtocolVersion > 0,
		flow: newFlow(p.now, first.MaxOutstandingMessages, first.MaxOutstandingBytes, cancel),
	}
	p.flows.enter(s.subscription, s.flow)
	defer func() {
		if !p.streams.start(s.leave) {
			p.flows.leave(s.subscription, s.flow)
		}
	}()
	if err := s.handle(first); err != nil {
		return err
	}
	if !p.streams.start(func() { cancel(s.receive()) }) { // it ends when this returns
		return status.Error(codes.Unavailable, textStopping)
	}
	return s.deliver(ctx)
}

// leave ends what the stream leaves behind. What its client has not been heard of within a while has not reached it
// and comes again, as if it had not been sent; where delivery is exactly once, only at the end of its lease.
func (s *stream) leave() {
	defer s.flows.leave(s.subscription, s.flow)
	if s.exactlyOnce() || len(s.flow.unreceived()) == 0 {
		return
	}
	while := time.NewTimer(lastWords)
	defer while.Stop()
	select {
	case <-while.C:
		s.broker.Release(s.subscription, s.flow.unreceived()...)
	case <-s.streams.stopping:
	}
}

// deliver sends messages until ctx ends, and returns why it has.
func (s *stream) deliver(ctx context.Context) error {
	for {
		leases, err := s.pull(ctx)
		switch {
		case ctx.Err() != nil:
			s.broker.Release(s.subscription, ackIDs(leases)...)
			return endOf(ctx)
		case err != nil:
			return s.pullError(err, s.subscription)
		case len(leases) > 0:
			d := time.Duration(s.seconds.Load()) * time.Second
			s.broker.ModifyAckDeadline(s.subscription, d, ackIDs(leases)...)
			s.flow.take(leases, s.now().Add(d))
		case !s.pings:
			continue
		}
		if err := s.send(&pubsubpb.StreamingPullResponse{ReceivedMessages: fromLeases(leases)}); err != nil {
			s.broker.Release(s.subscription, ackIDs(leases)...)
			return err
		}
	}
}

// pull waits for messages and for room for them, but no longer than until it is time for a sign of life.
func (s *stream) pull(ctx context.Context) ([]broker.Leased, error) {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	messages, bytes, err := s.flow.wait(ctx, streamBatch, streamBatchBytes)
	if err != nil {
		return nil, nil
	}
	return s.broker.Pull(ctx, s.subscription, int(messages), int(bytes))
}

// endOf is how a stream ends whose ctx has ended.
func endOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, io.EOF) { // the client sends nothing any more
		return nil
	}
	if s, ok := status.FromError(cause); ok {
		return s.Err()
	}
	return status.FromContextError(cause).Err()
}

// receive handles requests until there is none, or a bad one.
func (s *stream) receive() error {
	for {
		r, err := s.Recv()
		if err != nil {
			return err
		}
		if err := s.checkLater(r); err != nil {
			return err
		}
		if err := s.handle(r); err != nil {
			return err
		}
	}
}

// checkLater refuses what only the first request may say.
func (s *stream) checkLater(r *pubsubpb.StreamingPullRequest) error {
	switch {
	case r.Subscription != "":
		return invalid("StreamingPullRequest.subscription must not be set after the first request of a stream.")
	case r.MaxOutstandingMessages != 0 || r.MaxOutstandingBytes != 0:
		return invalid("StreamingPullRequest: flow control must not be set after the first request of a stream.")
	case r.ProtocolVersion != 0:
		return invalid("StreamingPullRequest.protocol_version must not be set after the first request of a stream.")
	}
	return nil
}

// handle does what a request asks for.
func (s *stream) handle(r *pubsubpb.StreamingPullRequest) error {
	if len(r.ModifyDeadlineAckIds) != len(r.ModifyDeadlineSeconds) {
		return invalid("StreamingPullRequest: %d modify_deadline_ack_ids, but %d modify_deadline_seconds.",
			len(r.ModifyDeadlineAckIds), len(r.ModifyDeadlineSeconds))
	}
	if d := r.StreamAckDeadlineSeconds; d != 0 {
		if !isAckDeadline(d) {
			return invalid("Invalid stream ack deadline given (stream_ack_deadline_seconds=%d): it must be between 10 and 600 seconds.", d)
		}
		s.seconds.Store(d)
	}
	acked := s.acknowledge(s.subscription, r.AckIds)
	modified, err := s.modifyEach(r)
	if err != nil {
		return err
	}
	answer := &pubsubpb.StreamingPullResponse{}
	if s.exactlyOnce() {
		confirm(answer, acked, modified)
	} else if err := cmp.Or(acked.foreignError(), modified.foreignError()); err != nil {
		return err
	}
	ping := s.pings && r.Subscription == "" && len(r.AckIds) == 0 && len(r.ModifyDeadlineAckIds) == 0
	if !ping && proto.Size(answer) == 0 {
		return nil
	}
	return s.send(answer)
}

// modifyEach extends leases, each by its own time.
func (s *stream) modifyEach(r *pubsubpb.StreamingPullRequest) (all outcome, err error) {
	bySeconds := make(map[int32][]string)
	for i, id := range r.ModifyDeadlineAckIds {
		seconds := r.ModifyDeadlineSeconds[i]
		if err := checkExtension(seconds); err != nil {
			return all, err
		}
		bySeconds[seconds] = append(bySeconds[seconds], id)
	}
	for seconds, ids := range bySeconds {
		all.add(s.modify(s.subscription, seconds, ids))
	}
	return all, nil
}

// confirm tells a client of an exactly-once subscription what has become of its requests.
func confirm(answer *pubsubpb.StreamingPullResponse, acked, modified outcome) {
	if len(acked.done)+len(acked.failed()) > 0 {
		answer.AcknowledgeConfirmation = &pubsubpb.StreamingPullResponse_AcknowledgeConfirmation{
			AckIds: acked.done, InvalidAckIds: acked.failed(),
		}
	}
	if len(modified.done)+len(modified.failed()) > 0 {
		answer.ModifyAckDeadlineConfirmation = &pubsubpb.StreamingPullResponse_ModifyAckDeadlineConfirmation{
			AckIds: modified.done, InvalidAckIds: modified.failed(),
		}
	}
}

func (s *stream) exactlyOnce() bool {
	sub := s.catalog.subscription(s.subscription)
	return sub != nil && sub.EnableExactlyOnceDelivery
}

// send sends an answer with what clients want to know of the subscription each time.
func (s *stream) send(r *pubsubpb.StreamingPullResponse) error {
	sub := s.catalog.subscription(s.subscription)
	if sub == nil {
		return noResource(s.subscription)
	}
	r.SubscriptionProperties = &pubsubpb.StreamingPullResponse_SubscriptionProperties{
		ExactlyOnceDeliveryEnabled: sub.EnableExactlyOnceDelivery, MessageOrderingEnabled: sub.EnableMessageOrdering,
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.Send(r)
}
