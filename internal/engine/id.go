package engine

import (
	"strconv"
	"strings"
)

// A generated id is the number of a slab's place and of its tenant, scrambled: it leads to the task without a
// map, does not come again, and looks like the numbers that Cloud Tasks makes.
type scrambler struct{ key uint64 }

const idLen = 19 // at least; the greatest number has one digit more

const (
	mulA, mulAInverse uint64 = 0x9e3779b97f4a7c15, 0xf1de83e19937733d
	mulB, mulBInverse uint64 = 0xbf58476d1ce4e5b9, 0x96de1b173f119089
)

func (s scrambler) id(idx, gen uint32) string {
	x := uint64(gen)<<32 | uint64(idx)
	x = (x ^ s.key) * mulA
	x ^= x >> 32
	x *= mulB
	x ^= x >> 32
	id := strconv.FormatUint(x, 10)
	if len(id) < idLen {
		id = strings.Repeat("0", idLen-len(id)) + id // one in twenty
	}
	return id
}

// place is the inverse of id.
func (s scrambler) place(id string) (idx, gen uint32, ok bool) {
	x, err := strconv.ParseUint(id, 10, 64)
	if err != nil || len(id) < idLen || len(id) > idLen && id[0] == '0' {
		return 0, 0, false // not as id writes it
	}
	x ^= x >> 32
	x *= mulBInverse
	x ^= x >> 32
	x = x*mulAInverse ^ s.key
	return uint32(x), uint32(x >> 32), true
}
