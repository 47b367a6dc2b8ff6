package subscription

import (
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Push backoff, which holds where a push subscription has no retry policy.
const (
	MinPushBackoff = 100 * time.Millisecond
	MaxPushBackoff = 60 * time.Second
)

// Pause returns how long a message waits after its nth failure, n from 1: the minimum, doubled with each failure up
// to the maximum, without jitter. Pub/Sub pauses a whole push subscription, and this is for one message.
func Pause(s *transport.Subscription, n int) time.Duration {
	switch {
	case s.Retry != nil:
		return double(s.Retry.Min, s.Retry.Max, n-1)
	case s.Push != nil:
		return double(MinPushBackoff, MaxPushBackoff, n-1)
	default:
		return 0
	}
}

func double(d, most time.Duration, times int) time.Duration {
	if times >= 63 || d > most>>times {
		return most
	}
	return d << times
}
