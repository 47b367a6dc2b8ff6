// Package backoff says which failed calls are made again, after which delays and for how long. The App uses
// it for the call that creates a task or publishes a message; [Policy.Do] and [Retry] use it for any call.
//
//	policy := backoff.Policy{On: backoff.Codes(codes.Unavailable), Deadline: 20 * time.Second}
//	err := policy.Do(ctx, func(ctx context.Context) error { return client.Send(ctx, order) })
//
// # Delays
//
// The delay before retry n, counted from 1, is
//
//	min(Maximum, min(Maximum, Initial * Multiplier^(n-1)) * random factor in [1-Jitter, 1+Jitter])
//
// which is what [Policy.Delay] returns. For Initial 100ms, Maximum 10s, Multiplier 1.3 and no Jitter:
//
//	retry         delay         total
//	    1         100ms         100ms
//	    2         130ms         230ms
//	    3         169ms         399ms
//	    4       219.7ms       618.7ms
//	    5      285.61ms      904.31ms
//	   17  6.654166092s 28.501386397s
//	   18  8.650415919s 37.151802316s
//	   19           10s 47.151802316s
//	   20           10s 57.151802316s
//
// # Duplicates
//
// A call whose answer was lost has been made, and is made again: what is retried must bear that. Where the
// App retries, it gives tasks an id of their own first; see [Duplicates].
//
// # Concurrency
//
// A Policy is a value, never changed by its methods; one may serve many goroutines if its On may.
//
// # Testing
//
// Time is that of package time, so that a testing/synctest bubble runs a whole schedule at once.
package backoff

import (
	"cmp"
	"reflect"
	"time"
)

// What the unset fields of a Policy stand for, once nothing is left to fall back to.
const (
	DefaultInitial    = time.Second
	DefaultMaximum    = 60 * time.Second
	DefaultMultiplier = 2.0
	DefaultDeadline   = 120 * time.Second
)

// Policy is which errors are retried and when. A zero field is unset: it takes the value of the policy that
// it falls back to ([Policy.Or]), then its default. The zero Policy retries nothing.
type Policy struct {
	// On reports whether an error is worth another attempt. Nil: none is; [Never]: none is, whatever the
	// fallback says. It is given the attempt's error as it is.
	On func(error) bool

	// Initial is the delay before the first retry, Maximum the longest delay before any. Defaults: 1 s, 60 s.
	// Where only Initial is set, to more than the default Maximum, that still caps it.
	Initial, Maximum time.Duration

	// Deadline is the longest time that all attempts and the delays between them may take. Default: 120 s.
	Deadline time.Duration

	// Multiplier is the ratio of each delay to the one before, at least 1. Default: 2.0.
	Multiplier float64

	// Jitter is the share by which a delay randomly varies either way, 0 to 1. Default: 0, no variation.
	Jitter float64

	// Duplicates says what a retried enqueue may cost: see the constants. Default: Avoid.
	Duplicates Duplicates
}

// Duplicates says whether retrying an enqueue may make two tasks of one.
type Duplicates uint8

const (
	// Avoid gives an unnamed task a random id before its first attempt, so that a retry after a lost answer
	// finds the id taken and makes no second task. Explicit ids cost Cloud Tasks latency.
	Avoid Duplicates = iota
	// Allow leaves an unnamed task unnamed: faster, and a retry after a lost answer makes a second task.
	Allow
)

// Or returns p with each unset field taken from fallback. As zero means unset, a field that fallback sets
// cannot be set back to zero: Jitter 0 or Duplicates Avoid over an App-wide Jitter or Allow is the App's.
func (p Policy) Or(fallback Policy) Policy {
	if p.On == nil {
		p.On = fallback.On
	}
	p.Initial = cmp.Or(p.Initial, fallback.Initial)
	p.Maximum = cmp.Or(p.Maximum, fallback.Maximum)
	p.Deadline = cmp.Or(p.Deadline, fallback.Deadline)
	p.Multiplier = cmp.Or(p.Multiplier, fallback.Multiplier)
	p.Jitter = cmp.Or(p.Jitter, fallback.Jitter)
	p.Duplicates = cmp.Or(p.Duplicates, fallback.Duplicates)
	return p
}

// Enabled reports whether p retries anything: On is set and is not [Never].
//
// Never is known by its code pointer: functions do not compare, and On, being an ordinary function, has no
// room for a marker. It matters beyond Do, as an App in which nothing is retried gives tasks no ids. Were
// Never not recognised (one wrapped in a closure is not), On would still answer false each time.
func (p Policy) Enabled() bool {
	return p.On != nil && reflect.ValueOf(p.On).Pointer() != reflect.ValueOf(Never).Pointer()
}
