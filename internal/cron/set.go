package cron

import (
	"iter"
	"math/bits"
)

// set are numbers from 0 to 63.
type set uint64

// setOf is from lo to hi.
func setOf(lo, hi int) (s set) {
	for n := lo; n <= hi; n++ {
		s.add(n)
	}
	return s
}

func (s *set) add(n int)     { *s |= 1 << n }
func (s set) has(n int) bool { return s&(1<<n) != 0 }
func (s set) least() int     { return bits.TrailingZeros64(uint64(s)) }

// all yields the numbers upwards.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(s.least()) {
				return
			}
		}
	}
}
