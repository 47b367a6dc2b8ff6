package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	settings "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// Acknowledge settles leases for good. It returns one error for each: nil, ErrNotFound for a lease that was settled
// or has run out, ErrInvalid for what is no ack id. ErrNotFound for all where there is no such subscription.
func (b *Broker) Acknowledge(sub string, ackIDs ...string) []error {
	return b.settle(OpAcknowledge, sub, ackIDs, (*subscription).ack)
}

// ModifyAckDeadline lets leases end d from now, 0 to 600 s; 0 is a nack. Its errors are those of Acknowledge, and
// ErrInvalid for a d out of range.
func (b *Broker) ModifyAckDeadline(sub string, d time.Duration, ackIDs ...string) []error {
	if d < 0 || d > settings.MaxAckDeadline {
		err := subError(OpModify, sub, transport.KindInvalid, fmt.Errorf("%v is not between 0 and %v", d, settings.MaxAckDeadline))
		return sameError(err, len(ackIDs))
	}
	if d == 0 {
		return b.settle(OpModify, sub, ackIDs, func(s *subscription, e *entry, now int64) { s.fail(e, now) })
	}
	return b.settle(OpModify, sub, ackIDs, func(s *subscription, e *entry, now int64) {
		if at := now + int64(d); at != e.at {
			e.at = at
			s.leases.forget()
			s.leases.push(e)
		}
	})
}

// Release gives leases back as if they had not been taken: no attempt is counted, and there is no pause. Its errors
// are those of Acknowledge.
func (b *Broker) Release(sub string, ackIDs ...string) []error {
	return b.settle(OpModify, sub, ackIDs, (*subscription).giveBack)
}

func (b *Broker) settle(op, sub string, ackIDs []string, how func(*subscription, *entry, int64)) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.find(op, sub)
	if err != nil {
		return sameError(err, len(ackIDs))
	}
	now := b.now()
	s.expire(now)
	errs := make([]error, len(ackIDs))
	for i, ackID := range ackIDs {
		serial, id, ver, ok := parseAckID(ackID)
		if !ok {
			errs[i] = subError(op, sub, transport.KindInvalid, fmt.Errorf("%q is no ack id", ackID))
			continue
		}
		e := s.pulled[id]
		if serial != s.serial || e == nil || e.ver != ver {
			errs[i] = subError(op, sub, transport.KindNotFound, errLease)
			continue
		}
		how(s, e, now)
	}
	s.kick(now)
	return errs
}

func sameError(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// ackID names a lease: the subscription, the message, and which of the message's leases it is.
func (t *ticket) ackID(serial uint64) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendUint(b, serial, 10)
	b = strconv.AppendUint(append(b, '-'), t.m.id, 10)
	b = strconv.AppendUint(append(b, '-'), uint64(t.ver), 10)
	return string(b)
}

func parseAckID(s string) (serial, id uint64, ver uint32, ok bool) {
	var parts [3]uint64
	for i := range parts {
		part, rest, more := strings.Cut(s, "-")
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil || more != (i < len(parts)-1) {
			return 0, 0, 0, false
		}
		parts[i], s = n, rest
	}
	return parts[0], parts[1], uint32(parts[2]), parts[2] <= 1<<32-1
}
