// Package subscription is what a subscription's settings mean: defaults, ranges, and the pauses between deliveries.
package subscription

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
)

// Defaults and ranges of Pub/Sub, read 2026-11 from its reference.
const (
	DefaultAckDeadline = 10 * time.Second
	MinAckDeadline     = 10 * time.Second
	MaxAckDeadline     = 600 * time.Second

	DefaultRetention = 7 * 24 * time.Hour
	MinRetention     = 10 * time.Minute
	MaxRetention     = 31 * 24 * time.Hour

	DefaultExpiration = 31 * 24 * time.Hour
	MinExpiration     = 24 * time.Hour

	DefaultMinBackoff = 10 * time.Second
	MaxBackoff        = 600 * time.Second // the default of the maximum, too

	DefaultMaxAttempts = 5
	MinMaxAttempts     = 5
	MaxMaxAttempts     = 100
)

// Resolve returns a copy of s with its defaults filled in, and its filter. The error joins all that is wrong; a
// filter that does not parse is a *filter.Error with the position. It does not look at the form of names.
func Resolve(s *transport.Subscription) (*transport.Subscription, *filter.Filter, error) {
	r := Clone(s)
	fillIn(r)
	f, err := filter.Parse(r.Filter)
	return r, f, errors.Join(append(check(r), err)...)
}

// Clone returns a copy of s that shares nothing with it.
func Clone(s *transport.Subscription) *transport.Subscription {
	c := *s
	c.Labels = maps.Clone(s.Labels)
	c.Push = clone(s.Push)
	c.Retry = clone(s.Retry)
	c.DeadLetter = clone(s.DeadLetter)
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func fillIn(s *transport.Subscription) {
	s.AckDeadline = or(s.AckDeadline, DefaultAckDeadline)
	s.Retention = or(s.Retention, DefaultRetention)
	s.Expiration = or(s.Expiration, DefaultExpiration)
	if s.DeadLetter != nil {
		s.DeadLetter.MaxAttempts = or(s.DeadLetter.MaxAttempts, DefaultMaxAttempts)
	}
	if r := s.Retry; r != nil {
		r.Max = or(r.Max, max(MaxBackoff, r.Min)) // max: the minimum is named where it is what is wrong
		r.Min = or(r.Min, min(DefaultMinBackoff, r.Max))
	}
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// check returns what is out of range in s, whose defaults are filled in.
func check(s *transport.Subscription) (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.AckDeadline < MinAckDeadline || s.AckDeadline > MaxAckDeadline {
		fail("ack deadline %v is not between %v and %v", s.AckDeadline, MinAckDeadline, MaxAckDeadline)
	}
	if s.Retention < MinRetention || s.Retention > MaxRetention {
		fail("retention %v is not between %v and %v", s.Retention, MinRetention, MaxRetention)
	}
	if s.Expiration < MinExpiration && s.Expiration != transport.NeverExpires {
		fail("expiration %v is less than %v", s.Expiration, MinExpiration)
	}
	if r := s.Retry; r != nil {
		switch {
		case r.Min < 0 || r.Min > MaxBackoff:
			fail("minimum backoff %v is not between 0 and %v", r.Min, MaxBackoff)
		case r.Max < 0 || r.Max > MaxBackoff:
			fail("maximum backoff %v is not between 0 and %v", r.Max, MaxBackoff)
		case r.Min > r.Max:
			fail("minimum backoff %v is more than the maximum of %v", r.Min, r.Max)
		}
	}
	if d := s.DeadLetter; d != nil {
		if d.Topic == "" {
			fail("the dead-letter policy names no topic")
		}
		if d.MaxAttempts < MinMaxAttempts || d.MaxAttempts > MaxMaxAttempts {
			fail("%d delivery attempts are not between %d and %d", d.MaxAttempts, MinMaxAttempts, MaxMaxAttempts)
		}
	}
	if s.Push != nil && s.Push.Endpoint == "" {
		fail("the push configuration has no endpoint")
	}
	if s.Push != nil && s.ExactlyOnceDelivery {
		fail("exactly-once delivery is for pull subscriptions only")
	}
	return errs
}
