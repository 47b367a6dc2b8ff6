package transport

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// QueueConfig is how fast a queue dispatches and how it retries, in Cloud Tasks' own terms. The zero value
// means the driver's defaults: Cloud Tasks' own ([CloudTasksQueue]), or no rate limit in memory.
type QueueConfig struct {
	// MaxDispatchesPerSecond is the rate of the queue's token bucket, fractions allowed. 0: the driver's
	// default (500 on Cloud Tasks); [NoRateLimit] where the driver has none. Cloud Tasks allows at most 500.
	MaxDispatchesPerSecond float64

	// MaxBurst is the size of the token bucket: how many tasks may start at once after a quiet time. 0: derived
	// from the rate. Cloud Tasks derives it always and ignores what is set here.
	MaxBurst int

	// MaxConcurrentDispatches bounds attempts that are dispatched and unanswered. 0: 1000; at most 5000.
	MaxConcurrentDispatches int

	// Retry holds for every task that brings no settings of its own.
	Retry RetryConfig
}

// RetryConfig is how a failed task is retried, in Cloud Tasks' own terms. A zero MaxAttempts, MinBackoff or
// MaxBackoff means the default of Cloud Tasks: 100 attempts, 0.1 s, 1 h. The three backoff fields are one
// setting: where all are zero, MaxDoublings is the default 16; where a backoff is set, 0 means no doubling.
type RetryConfig struct {
	// MaxAttempts counts the first attempt. 0: 100; [UnlimitedAttempts]: no limit.
	MaxAttempts int

	// MaxDoublings is how often the delay doubles before it grows linearly.
	MaxDoublings int

	// MaxRetryDuration is measured from the first attempt. 0: no limit. With MaxAttempts limited too, retrying
	// ends when both are used up.
	MaxRetryDuration time.Duration

	// MinBackoff and MaxBackoff bound the delay between attempts.
	MinBackoff, MaxBackoff time.Duration
}

// Cloud Tasks' defaults and ranges, read 2026-11 from the API definitions (cloudtasks 1.21.1).
const (
	DefaultMaxAttempts  = 100
	DefaultMinBackoff   = 100 * time.Millisecond
	DefaultMaxBackoff   = time.Hour
	DefaultMaxDoublings = 16

	DefaultDispatchesPerSecond  = 500 // also the most
	DefaultConcurrentDispatches = 1000
	MaxConcurrentDispatches     = 5000

	// UnlimitedAttempts, as RetryConfig.MaxAttempts, retries until the task's life ends.
	UnlimitedAttempts = -1
)

// NoRateLimit, as QueueConfig.MaxDispatchesPerSecond, lets a queue dispatch as fast as it can. Cloud Tasks
// has no such setting.
var NoRateLimit = math.Inf(1)

// CloudTasksQueue returns the settings of a queue that was created with none: 500 dispatches/s, 1000 at a
// time, 100 attempts from 0.1 s to 1 h with 16 doublings.
func CloudTasksQueue() QueueConfig {
	return QueueConfig{
		MaxDispatchesPerSecond:  DefaultDispatchesPerSecond,
		MaxConcurrentDispatches: DefaultConcurrentDispatches,
	}.withRetryDefaults()
}

// Or fills the unset fields of q from fallback and returns the result with every default resolved.
func (q QueueConfig) Or(fallback QueueConfig) QueueConfig {
	if q.MaxDispatchesPerSecond == 0 {
		q.MaxDispatchesPerSecond = fallback.MaxDispatchesPerSecond
		if q.MaxBurst == 0 {
			q.MaxBurst = fallback.MaxBurst
		}
	}
	if q.MaxConcurrentDispatches == 0 {
		q.MaxConcurrentDispatches = fallback.MaxConcurrentDispatches
	}
	if q.Retry == (RetryConfig{}) {
		q.Retry = fallback.Retry
	}
	return q.withRetryDefaults()
}

func (q QueueConfig) withRetryDefaults() QueueConfig {
	q.Retry = q.Retry.WithDefaults()
	return q
}

// Burst returns the size of the token bucket: MaxBurst where set, else a fifth of the rate, at least 1 (100
// at 500/s, which is what Cloud Tasks derives).
func (q QueueConfig) Burst() int {
	switch {
	case q.MaxBurst > 0:
		return q.MaxBurst
	case q.MaxDispatchesPerSecond == 0 || math.IsInf(q.MaxDispatchesPerSecond, 1):
		return 0
	default:
		return max(1, int(math.Ceil(q.MaxDispatchesPerSecond/5)))
	}
}

// Validate reports every field that is out of range, nil if none is.
func (q QueueConfig) Validate() error {
	var errs []error
	if r := q.MaxDispatchesPerSecond; math.IsNaN(r) || r < 0 || r > DefaultDispatchesPerSecond && !math.IsInf(r, 1) {
		errs = append(errs, fmt.Errorf("MaxDispatchesPerSecond %v is outside 0 to %d", r, DefaultDispatchesPerSecond))
	}
	if q.MaxBurst < 0 {
		errs = append(errs, fmt.Errorf("MaxBurst %d is negative", q.MaxBurst))
	}
	if n := q.MaxConcurrentDispatches; n < 0 || n > MaxConcurrentDispatches {
		errs = append(errs, fmt.Errorf("MaxConcurrentDispatches %d is outside 0 to %d", n, MaxConcurrentDispatches))
	}
	if err := q.Retry.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// WithDefaults returns r with every unset field at Cloud Tasks' default.
func (r RetryConfig) WithDefaults() RetryConfig {
	if r.MinBackoff == 0 && r.MaxBackoff == 0 && r.MaxDoublings == 0 {
		r.MaxDoublings = DefaultMaxDoublings
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = DefaultMaxAttempts
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(DefaultMaxBackoff, r.MinBackoff)
	}
	if r.MinBackoff == 0 {
		r.MinBackoff = min(DefaultMinBackoff, r.MaxBackoff)
	}
	return r
}

// Validate reports every field that is out of range, nil if none is.
func (r RetryConfig) Validate() error {
	var errs []error
	if r.MaxAttempts < UnlimitedAttempts {
		errs = append(errs, fmt.Errorf("RetryConfig.MaxAttempts %d is less than %d (no limit)", r.MaxAttempts, UnlimitedAttempts))
	}
	if r.MaxDoublings < 0 {
		errs = append(errs, fmt.Errorf("RetryConfig.MaxDoublings %d is negative", r.MaxDoublings))
	}
	if r.MaxRetryDuration < 0 {
		errs = append(errs, fmt.Errorf("RetryConfig.MaxRetryDuration %s is negative", r.MaxRetryDuration))
	}
	if r.MinBackoff < 0 {
		errs = append(errs, fmt.Errorf("RetryConfig.MinBackoff %s is negative", r.MinBackoff))
	}
	if r.MaxBackoff < 0 {
		errs = append(errs, fmt.Errorf("RetryConfig.MaxBackoff %s is negative", r.MaxBackoff))
	}
	if r.MaxBackoff > 0 && r.MinBackoff > r.MaxBackoff {
		errs = append(errs, fmt.Errorf("RetryConfig.MinBackoff %s is greater than MaxBackoff %s", r.MinBackoff, r.MaxBackoff))
	}
	return errors.Join(errs...)
}

// Delay returns how long to wait after the n-th failed attempt (n from 1; less counts as 1):
//
//	min(MaxBackoff, MinBackoff * 2^d * (n - d))   with d = min(n-1, MaxDoublings)
//
// It doubles MaxDoublings times, then grows linearly, then stays at MaxBackoff: 10 s, 300 s and 3 doublings
// give 10 20 40 80 160 240 300 300 s. Unset fields count as their defaults. The formula is derived from
// Cloud Tasks' documentation and fits its example.
func (r RetryConfig) Delay(n int) time.Duration {
	r = r.WithDefaults()
	n = max(n, 1)
	d := min(n-1, max(r.MaxDoublings, 0))
	delay := r.MinBackoff
	for range d {
		if delay > r.MaxBackoff/2 { // doubling would pass the cap, or overflow
			return r.MaxBackoff
		}
		delay *= 2
	}
	if steps := time.Duration(n - d); delay <= 0 || steps > r.MaxBackoff/delay {
		return r.MaxBackoff
	}
	return min(delay*time.Duration(n-d), r.MaxBackoff)
}

// Exhausted reports whether a task that failed for the attempts-th time, elapsed after its first attempt
// began, is out of retries. With both limits set, only when both are used up; with neither, never.
func (r RetryConfig) Exhausted(attempts int, elapsed time.Duration) bool {
	r = r.WithDefaults()
	byCount := r.MaxAttempts == UnlimitedAttempts || attempts >= r.MaxAttempts
	byTime := r.MaxRetryDuration == 0 || elapsed >= r.MaxRetryDuration
	if r.MaxAttempts == UnlimitedAttempts && r.MaxRetryDuration == 0 {
		return false
	}
	return byCount && byTime
}
