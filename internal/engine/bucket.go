package engine

import (
	"math"

	"github.com/typedtasks/typedtasks/transport"
)

// bucket is a token bucket, kept as the moment when it will be full again: exact at any rate, and no float
// accumulates. Times are Unix nanoseconds.
type bucket struct {
	interval int64 // between tokens; 0: no limit
	burst    int64 // tokens when full
	full     int64
}

const maxInterval = int64(365 * 24 * 3600e9) // slower is as good as stopped, and cannot overflow

func newBucket(q transport.QueueConfig) bucket {
	if math.IsInf(q.MaxDispatchesPerSecond, 1) || q.MaxDispatchesPerSecond <= 0 {
		return bucket{}
	}
	interval := int64(min(math.Ceil(1e9/q.MaxDispatchesPerSecond), float64(maxInterval)))
	return bucket{interval: interval, burst: min(int64(q.Burst()), math.MaxInt64/4/interval)}
}

// next returns the earliest time at which there is a token.
func (b *bucket) next() int64 { return b.full - (b.burst-1)*b.interval }

// take uses a token at the time now, no earlier than next.
func (b *bucket) take(now int64) {
	if b.interval > 0 {
		b.full = max(b.full, now) + b.interval
	}
}

// inherit starts b with the tokens that old has left, as far as they fit.
func (b *bucket) inherit(old bucket, now int64) {
	if b.interval == 0 || old.interval == 0 || old.full <= now {
		return
	}
	left := float64(old.burst) - float64(old.full-now)/float64(old.interval)
	if missing := float64(b.burst) - left; missing > 0 {
		b.full = now + int64(missing*float64(b.interval))
	}
}
