package backoff

import (
	"testing"
	"time"
)

// Inside the package, as chance is a parameter of an unexported method only.
func TestDelay_GivenChance_IsExact(t *testing.T) {
	t.Parallel()
	const s = time.Second
	policy := Policy{Initial: 2 * s, Maximum: 10 * s, Multiplier: 2, Jitter: 0.5}
	tests := []struct {
		name   string
		jitter float64
		n      int
		random float64
		want   time.Duration
	}{
		{"the least chance takes the whole share off", 0.5, 1, 0, 1 * s},
		{"the middle changes nothing", 0.5, 1, 0.5, 2 * s},
		{"the most adds nearly the whole share", 0.5, 1, 0.999999999, 3*s - 2},
		{"what jitter adds is capped again", 0.5, 3, 0.75, 10 * s},
		{"a capped delay is jittered from Maximum down", 0.5, 60, 0.25, 7500 * time.Millisecond},
		{"a Jitter of 1 reaches down to nothing", 1, 60, 0, 0},
		{"a Jitter above 1 counts as 1", 7, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := policy
			p.Jitter = tt.jitter
			if got := p.delay(tt.n, func() float64 { return tt.random }); got != tt.want {
				t.Errorf("delay(%d) at %v = %s, want %s", tt.n, tt.random, got, tt.want)
			}
		})
	}
}

func TestDelay_NoJitter_AsksNoChance(t *testing.T) {
	t.Parallel()
	policy := Policy{}
	policy.delay(3, func() float64 {
		t.Error("a delay without jitter took a random number")
		return 0
	})
}
