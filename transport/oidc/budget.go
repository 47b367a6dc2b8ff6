package oidc

import "time"

// How many fetches unknown keys may cause: these at once, and one more per interval.
const (
	unknownBurst    = 3
	unknownInterval = 10 * time.Second
)

// budget counts fetches against a burst and a rate. The zero value has all of the burst.
type budget struct {
	whole time.Time // when all of it is there again
}

// spend takes one, and reports whether there was one.
func (b *budget) spend(now time.Time) bool {
	whole := b.whole
	if whole.Before(now) {
		whole = now
	}
	whole = whole.Add(unknownInterval)
	if whole.Sub(now) > unknownBurst*unknownInterval {
		return false
	}
	b.whole = whole
	return true
}
