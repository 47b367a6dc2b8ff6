package backoff

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"
)

// Delay returns how long to wait before retry n (from 1; less counts as 1): Initial * Multiplier^(n-1),
// capped at Maximum, jittered and capped again. Unset fields count as 1 s, 60 s and 2.0. It is never negative
// and never above Maximum, for any n; without Jitter it depends on p and n alone and never falls as n grows.
//
// Values that Validate refuses do no harm: a negative duration or a NaN counts as unset, a Multiplier below 1
// as 1, a Jitter outside 0 to 1 as the nearer of the two.
func (p Policy) Delay(n int) time.Duration {
	return p.delay(n, rand.Float64)
}

// delay is Delay with its source of randomness, which returns numbers in [0, 1), as a parameter.
func (p Policy) delay(n int, random func() float64) time.Duration {
	maximum := cmp.Or(max(p.Maximum, 0), DefaultMaximum)
	initial := cmp.Or(max(p.Initial, 0), DefaultInitial)
	// In floating point, what is too large is +Inf and capped like the rest.
	d := min(float64(initial)*math.Pow(p.multiplier(), float64(max(n, 1)-1)), float64(maximum))
	if p.Jitter > 0 { // false for NaN
		jitter := min(p.Jitter, 1)
		d *= 1 - jitter + 2*jitter*random()
	}
	if d >= float64(maximum) { // which may be 1<<63, one more than a Duration holds
		return maximum
	}
	return time.Duration(math.Round(d))
}

func (p Policy) multiplier() float64 {
	if p.Multiplier == 0 || math.IsNaN(p.Multiplier) {
		return DefaultMultiplier
	}
	return max(p.Multiplier, 1)
}
