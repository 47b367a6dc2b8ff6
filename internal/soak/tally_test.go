package soak_test

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Tally counts requests by kind and answer, and how long some of them took.
type Tally struct {
	mu      sync.Mutex
	answers map[string]map[int]int64 // kind -> status -> how many; 0: no answer

	took [300]atomic.Int64 // by bucketOf
}

// NewTally returns one without counts.
func NewTally() *Tally { return &Tally{answers: map[string]map[int]int64{}} }

// Count notes the answer to a request of a kind.
func (t *Tally) Count(kind string, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answers[kind] == nil {
		t.answers[kind] = map[int]int64{}
	}
	t.answers[kind][status]++
}

// Took notes how long a request took.
func (t *Tally) Took(d time.Duration) { t.took[bucketOf(d)].Add(1) }

// Percentile returns how long the p-th of 1 took, 5 % too long at most.
func (t *Tally) Percentile(p float64) time.Duration {
	var all int64
	for i := range t.took {
		all += t.took[i].Load()
	}
	left := int64(math.Ceil(p * float64(all)))
	for i := range t.took {
		if left -= t.took[i].Load(); left <= 0 {
			return time.Duration(math.Pow(growth, float64(i)) * float64(shortest))
		}
	}
	return 0
}

// Total is how many requests there were.
func (t *Tally) Total() (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, by := range t.answers {
		for _, count := range by {
			n += count
		}
	}
	return n
}

// The buckets of latencies: bucket i ends at shortest * growth^i, the last one at 22 s.
const (
	shortest = 10 * time.Microsecond
	growth   = 1.05
)

func bucketOf(d time.Duration) int {
	if d <= shortest {
		return 0
	}
	return min(int(math.Ceil(math.Log(float64(d)/float64(shortest))/math.Log(growth))), 299)
}
