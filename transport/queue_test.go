package transport_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func TestRetryConfig_Delay_FollowsTheDocumentedTable(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		name string
		cfg  transport.RetryConfig
		want []time.Duration
	}{
		{"the API's own example", transport.RetryConfig{MinBackoff: 10 * s, MaxBackoff: 300 * s, MaxDoublings: 3},
			[]time.Duration{10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 240 * s, 300 * s, 300 * s}},
		{"no doubling is linear", transport.RetryConfig{MinBackoff: 10 * s, MaxBackoff: 300 * s},
			[]time.Duration{10 * s, 20 * s, 30 * s, 40 * s, 50 * s}},
		{"many doublings", transport.RetryConfig{MinBackoff: s, MaxBackoff: 3600 * s, MaxDoublings: 16},
			[]time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, 1024 * s, 2048 * s, 3600 * s, 3600 * s}},
		{"the defaults", transport.RetryConfig{},
			[]time.Duration{s / 10, s / 5, 2 * s / 5, 4 * s / 5, 8 * s / 5}},
	} {
		for i, want := range c.want {
			if got := c.cfg.Delay(i + 1); got != want {
				t.Errorf("%s: Delay(%d) = %s, want %s", c.name, i+1, got, want)
			}
		}
	}
}

func FuzzRetryConfig_Delay(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Hour), 16, 5)
	f.Add(int64(1), int64(math.MaxInt64), 1000, math.MaxInt)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), 3, 1)
	f.Fuzz(func(t *testing.T, low, high int64, doublings, n int) {
		cfg := transport.RetryConfig{MinBackoff: time.Duration(low), MaxBackoff: time.Duration(high), MaxDoublings: doublings}
		if cfg.Validate() != nil || n < 1 || n == math.MaxInt {
			return
		}
		cfg = cfg.WithDefaults()
		d, next := cfg.Delay(n), cfg.Delay(n+1)
		if d < cfg.MinBackoff || d > cfg.MaxBackoff || next < d {
			t.Errorf("%+v: Delay(%d) = %s, Delay(%d) = %s", cfg, n, d, n+1, next)
		}
	})
}

func TestRetryConfig_Exhausted_BothLimitsRule(t *testing.T) {
	t.Parallel()
	const no = transport.UnlimitedAttempts
	for _, c := range []struct {
		why      string
		attempts int
		duration time.Duration
		made     int
		elapsed  time.Duration
		want     bool
	}{
		{"attempts left", 3, 0, 2, time.Hour, false},
		{"attempts used up", 3, 0, 3, 0, true},
		{"duration left", no, time.Minute, 1000, time.Second, false},
		{"duration used up", no, time.Minute, 1, time.Minute, true},
		{"both set: attempts alone do not end it", 3, time.Minute, 9, time.Second, false},
		{"both set: duration alone does not end it", 3, time.Minute, 2, time.Hour, false},
		{"both set and used up", 3, time.Minute, 3, time.Hour, true},
		{"no limit never ends", no, 0, math.MaxInt, math.MaxInt64, false},
		{"unset is 100", 0, 0, 99, 0, false},
		{"unset is 100, used up", 0, 0, 100, 0, true},
	} {
		cfg := transport.RetryConfig{MaxAttempts: c.attempts, MaxRetryDuration: c.duration}
		if got := cfg.Exhausted(c.made, c.elapsed); got != c.want {
			t.Errorf("%s: %t, want %t", c.why, got, c.want)
		}
	}
}

func TestRetryConfig_WithDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ give, want transport.RetryConfig }{
		{transport.RetryConfig{}, transport.RetryConfig{MaxAttempts: 100, MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Hour, MaxDoublings: 16}},
		{transport.RetryConfig{MaxAttempts: 3}, transport.RetryConfig{MaxAttempts: 3, MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Hour, MaxDoublings: 16}},
		{transport.RetryConfig{MinBackoff: 2 * time.Hour}, transport.RetryConfig{MaxAttempts: 100, MinBackoff: 2 * time.Hour, MaxBackoff: 2 * time.Hour}},
		{transport.RetryConfig{MaxBackoff: time.Millisecond}, transport.RetryConfig{MaxAttempts: 100, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}},
	} {
		if got := c.give.WithDefaults(); got != c.want {
			t.Errorf("%+v.WithDefaults() = %+v, want %+v", c.give, got, c.want)
		}
	}
}

func TestQueueConfig_Validate_NamesEveryFieldOutOfRange(t *testing.T) {
	t.Parallel()
	bad := transport.QueueConfig{
		MaxDispatchesPerSecond: 501, MaxBurst: -1, MaxConcurrentDispatches: 5001,
		Retry: transport.RetryConfig{MaxAttempts: -2, MaxDoublings: -1, MaxRetryDuration: -1, MinBackoff: -1, MaxBackoff: -1},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"MaxDispatchesPerSecond", "MaxBurst", "MaxConcurrentDispatches", "MaxAttempts", "MaxDoublings",
		"MaxRetryDuration", "MinBackoff", "MaxBackoff"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	for _, rate := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if (transport.QueueConfig{MaxDispatchesPerSecond: rate}).Validate() == nil {
			t.Errorf("rate %v accepted", rate)
		}
	}
	if err := (transport.RetryConfig{MinBackoff: 2, MaxBackoff: 1}).Validate(); err == nil {
		t.Error("a MinBackoff over MaxBackoff was accepted")
	}
	for _, good := range []transport.QueueConfig{{}, transport.CloudTasksQueue(), {MaxDispatchesPerSecond: transport.NoRateLimit}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestQueueConfig_Or_FillsWhatIsUnset(t *testing.T) {
	t.Parallel()
	fallback := transport.QueueConfig{MaxDispatchesPerSecond: 5, MaxBurst: 7, MaxConcurrentDispatches: 9, Retry: transport.RetryConfig{MaxAttempts: 4}}
	got := transport.QueueConfig{}.Or(fallback)
	if got.MaxDispatchesPerSecond != 5 || got.Burst() != 7 || got.MaxConcurrentDispatches != 9 || got.Retry.MaxAttempts != 4 {
		t.Errorf("unset: %+v", got)
	}
	got = transport.QueueConfig{MaxDispatchesPerSecond: 500, Retry: transport.RetryConfig{MaxAttempts: 2}}.Or(fallback)
	if got.Burst() != 100 || got.Retry.MaxAttempts != 2 || got.Retry.MinBackoff != transport.DefaultMinBackoff {
		t.Errorf("set: %+v, burst %d", got, got.Burst())
	}
	if n := (transport.QueueConfig{MaxDispatchesPerSecond: 0.5}).Burst(); n != 1 {
		t.Errorf("burst at 0.5/s is %d, want 1", n)
	}
}
