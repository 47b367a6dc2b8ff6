package backoff_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
)

// documented is the policy of the table in the package documentation.
var documented = backoff.Policy{Initial: 100 * time.Millisecond, Maximum: 10 * time.Second, Multiplier: 1.3}

func TestDelay(t *testing.T) {
	t.Parallel()
	const ms, s = time.Millisecond, time.Second
	tests := []struct {
		name   string
		policy backoff.Policy
		n      int
		want   time.Duration
	}{
		{"the first delay is Initial", documented, 1, 100 * ms},
		{"the second is multiplied once", documented, 2, 130 * ms},
		{"fractions are rounded to nanoseconds", documented, 9, 815730721},
		{"the last delay below Maximum", documented, 18, 8650415919},
		{"the first delay at Maximum", documented, 19, 10 * s},
		{"n below 1 counts as 1", documented, 0, 100 * ms},
		{"the least n counts as 1", documented, math.MinInt, 100 * ms},
		{"the greatest n is capped", documented, math.MaxInt, 10 * s},
		{"Initial defaults to 1 s", backoff.Policy{}, 1, s},
		{"Multiplier defaults to 2", backoff.Policy{}, 4, 8 * s},
		{"Maximum defaults to 60 s", backoff.Policy{}, 7, 60 * s},
		{"a Maximum below the default Initial caps it", backoff.Policy{Maximum: 20 * ms}, 1, 20 * ms},
		{"the default Maximum caps Initial", backoff.Policy{Initial: time.Hour}, 1, 60 * s},
		{"Multiplier 1 keeps the delay", backoff.Policy{Multiplier: 1}, math.MaxInt, s},
		{"the greatest Maximum is reached", backoff.Policy{Maximum: math.MaxInt64}, 64, math.MaxInt64},
		{"an infinite Multiplier leaves the first delay", backoff.Policy{Multiplier: math.Inf(1)}, 1, s},
		{"an infinite Multiplier caps the second", backoff.Policy{Multiplier: math.Inf(1)}, 2, 60 * s},
		{"a Multiplier that is no number counts as unset", backoff.Policy{Multiplier: math.NaN()}, 2, 2 * s},
		{"a Multiplier below 1 counts as 1", backoff.Policy{Multiplier: 0.5}, 5, s},
		{"a negative Multiplier counts as 1", backoff.Policy{Multiplier: -3}, 2, s},
		{"negative durations count as unset", backoff.Policy{Initial: -1, Maximum: -1}, 9, 60 * s},
		{"a Jitter that is no number counts as unset", backoff.Policy{Jitter: math.NaN()}, 1, s},
		{"a negative Jitter counts as unset", backoff.Policy{Jitter: -1}, 1, s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.Delay(tt.n); got != tt.want {
				t.Errorf("Delay(%d) = %s, want %s", tt.n, got, tt.want)
			}
		})
	}
}

func TestDelay_Jitter_VariesWithinItsShare(t *testing.T) {
	t.Parallel()
	policy := backoff.Policy{Initial: time.Second, Maximum: 4 * time.Second, Jitter: 0.25}
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := policy.Delay(2)
		if d < 1500*time.Millisecond || d > 2500*time.Millisecond {
			t.Fatalf("Delay(2) = %s, want 2s within a quarter", d)
		}
		seen[d] = true
		if d := policy.Delay(3); d < 3*time.Second || d > 4*time.Second {
			t.Fatalf("Delay(3) = %s, want 4s less at most a quarter", d)
		}
	}
	if len(seen) < 900 {
		t.Errorf("1000 jittered delays took %d values only", len(seen))
	}
}

func TestDelay_PackageDocumentation_ShowsTheTable(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("backoff.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(delayTable()) {
		if !strings.Contains(string(source), "//\t"+line) {
			t.Errorf("the package documentation lacks the line\n%s", line)
		}
	}
}

func FuzzDelay(f *testing.F) {
	f.Add(1, int64(0), int64(0), 0.0, 0.0)
	f.Add(19, int64(100*time.Millisecond), int64(10*time.Second), 1.3, 0.0)
	f.Add(math.MaxInt, int64(1), int64(math.MaxInt64), 1+0x1p-52, 1.0)
	f.Add(math.MinInt, int64(math.MaxInt64), int64(1), math.Inf(1), 0.5)
	f.Add(63, int64(1), int64(math.MaxInt64), 2.0, 0.1)
	f.Add(2, int64(math.MinInt64), int64(-1), math.NaN(), math.NaN())
	f.Add(1<<31, int64(time.Hour), int64(math.MaxInt64), 1+1e-9, math.Inf(-1))
	f.Fuzz(func(t *testing.T, n int, initial, maximum int64, multiplier, jitter float64) {
		policy := backoff.Policy{
			Initial: time.Duration(initial), Maximum: time.Duration(maximum), Multiplier: multiplier, Jitter: jitter,
		}
		most := policy.Maximum
		if most <= 0 {
			most = backoff.DefaultMaximum
		}
		if d := policy.Delay(n); d < 0 || d > most {
			t.Errorf("%+v: Delay(%d) = %d is outside 0 to %d", policy, n, d, most)
		}
		policy.Jitter = 0
		d := policy.Delay(n)
		if d <= 0 || d > most {
			t.Errorf("%+v: Delay(%d) = %d is outside 1 to %d", policy, n, d, most)
		}
		if again := policy.Delay(n); again != d {
			t.Errorf("%+v: Delay(%d) = %d, then %d", policy, n, d, again)
		}
		if next := policy.Delay(max(n, n+1)); next < d {
			t.Errorf("%+v: Delay(%d) = %d, then falls to %d", policy, n, d, next)
		}
	})
}

// delayTable is the table of the package documentation, computed.
func delayTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5s %13s %13s\n", "retry", "delay", "total")
	var total time.Duration
	for n := 1; n <= 20; n++ {
		d := documented.Delay(n)
		total += d
		if n <= 5 || n >= 17 {
			fmt.Fprintf(&b, "%5d %13s %13s\n", n, d, total)
		}
	}
	return b.String()
}
