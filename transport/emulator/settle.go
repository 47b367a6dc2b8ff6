package emulator

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// How the service tells which leases of a call had ended, where delivery is exactly once. Google's clients read it.
const (
	textAckIDs     = "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement ids have expired or the acknowledgement ids were malformed."
	reasonAckIDs   = "EXACTLY_ONCE_ACKID_FAILURE"
	permanentAckID = "PERMANENT_FAILURE_INVALID_ACK_ID"
	pubsubDomain   = "pubsub.googleapis.com"
)

// outcome is what has become of a call about leases.
type outcome struct {
	done    []string
	expired []string
	foreign []string // no ids of ours
}

// acknowledge is Acknowledge, unary or on a stream.
func (p *pubsub) acknowledge(subscription string, ids []string) outcome {
	errs := p.broker.Acknowledge(subscription, ids...)
	p.flows.release(subscription, ids)
	return outcomeOf(ids, errs)
}

// modify is ModifyAckDeadline, unary or on a stream.
func (p *pubsub) modify(subscription string, seconds int32, ids []string) outcome {
	d := time.Duration(seconds) * time.Second
	errs := p.broker.ModifyAckDeadline(subscription, d, ids...)
	if seconds == 0 {
		p.flows.release(subscription, ids)
	} else {
		p.flows.extend(subscription, ids, p.now().Add(d))
	}
	return outcomeOf(ids, errs)
}

func outcomeOf(ids []string, errs []error) (o outcome) {
	for i, id := range ids {
		switch err := errs[i]; {
		case err == nil:
			o.done = append(o.done, id)
		case errors.Is(err, transport.ErrInvalid):
			o.foreign = append(o.foreign, id)
		default:
			o.expired = append(o.expired, id)
		}
	}
	return o
}

func (o *outcome) add(other outcome) {
	o.done = append(o.done, other.done...)
	o.expired = append(o.expired, other.expired...)
	o.foreign = append(o.foreign, other.foreign...)
}

// failed are the ids that were settled in vain.
func (o outcome) failed() []string { return slices.Concat(o.expired, o.foreign) }

// status is what a unary call answers.
func (o outcome) status(s *subscription) error {
	if s.EnableExactlyOnceDelivery {
		return o.exactly()
	}
	return o.foreignError()
}

// foreignError is the answer to ids that nobody was given.
func (o outcome) foreignError() error {
	if len(o.foreign) == 0 {
		return nil
	}
	return invalid("You have passed an invalid ack ID to the server (ack_id=%s).", o.foreign[0])
}

func (o outcome) exactly() error {
	failed := o.failed()
	if len(failed) == 0 {
		return nil
	}
	info := &errdetails.ErrorInfo{Reason: reasonAckIDs, Domain: pubsubDomain, Metadata: make(map[string]string, len(failed))}
	for _, id := range failed {
		info.Metadata[id] = permanentAckID
	}
	s := status.New(codes.InvalidArgument, textAckIDs)
	if detailed, err := s.WithDetails(info); err == nil {
		s = detailed
	}
	return s.Err()
}
