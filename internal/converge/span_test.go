package converge_test

import (
	"math"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "3m": 3 * time.Minute, "1h": time.Hour, "1h1m": 61 * time.Minute, "1h0m5s": time.Hour + 5*time.Second, "10m": 10 * time.Minute,
		"1m30s": 90 * time.Second, "100ms": 100 * time.Millisecond, "48h": 48 * time.Hour, "-3m": -3 * time.Minute, "10s": 10 * time.Second,
	} {
		if got := converge.Span(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
	}
}

func FuzzSpan_ParsesBack(f *testing.F) {
	for _, d := range []int64{0, 1, -1, int64(time.Minute), int64(time.Hour), int64(24 * time.Hour), math.MaxInt64, math.MinInt64} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		if got, err := time.ParseDuration(converge.Span(d)); err != nil || got != d {
			t.Errorf("%s is written %s, which is %s, %v", d, converge.Span(d), got, err)
		}
	})
}
