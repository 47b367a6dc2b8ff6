package backoff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"
)

// Do calls f until it succeeds, fails with an error that p.On refuses, or time is up. f runs at least once;
// its context ends with ctx, and at p.Deadline after Do began. Where not even the next wait fits into what is
// left of either, Do gives up at once. A panic of f is not recovered.
//
// An error that On refuses comes back as it is; On is not asked once the context has ended. On giving up, the
// error tells the number of attempts and the time they took, and errors.Is and errors.As reach the last
// attempt's error and, if it ended, the context's. A p that is not Enabled calls f(ctx) once, uncut, and
// returns its error as it is; one that Validate refuses never calls f.
func (p Policy) Do(ctx context.Context, f func(context.Context) error) error {
	if !p.Enabled() {
		return f(ctx)
	}
	if err := p.Validate(); err != nil {
		return fmt.Errorf("not retrying, nor trying, under a policy that is not valid: %w", err)
	}
	p.Deadline = cmp.Or(p.Deadline, DefaultDeadline)
	l := &loop{policy: p, f: f, caller: ctx, began: time.Now()}
	// cenkalti's own limit, MaxElapsedTime, bounds the waits only. Ours has to end an attempt too: a deadline
	// on the context does both.
	var cancel context.CancelFunc
	l.ctx, cancel = context.WithTimeoutCause(ctx, p.Deadline, passedError(p.Deadline))
	defer cancel()
	if err := cenkalti.Retry(l.attempt, l); err != nil {
		return l.failure()
	}
	return nil
}

// Retry is [Policy.Do] for an f that takes no context: p.Deadline ends the retries, but not an attempt that
// is under way.
func Retry(p Policy, f func() error) error {
	return p.Do(context.Background(), func(context.Context) error { return f() })
}

// loop is one run of Do. It is cenkalti's BackOffContext: their loop, waits included, asks it for the next
// delay and watches its context.
type loop struct {
	policy  Policy
	f       func(context.Context) error
	caller  context.Context // as it was given to Do
	ctx     context.Context // cut at the policy's deadline
	began   time.Time
	made    int   // attempts so far
	last    error // of the last attempt
	refused bool  // by On
	full    error // the next wait would not have fit
}

var _ cenkalti.BackOffContext = (*loop)(nil)

// errFailed is all that cenkalti hears of a failed attempt. Shown the error itself, it would take one that
// holds a PermanentError of its own as final, against the policy's On.
var errFailed = errors.New("the attempt failed")

func (l *loop) attempt() error {
	l.made++
	if l.last = l.f(l.ctx); l.last != nil {
		return errFailed
	}
	return nil
}

// NextBackOff decides, after a failed attempt, whether and when there is another one.
func (l *loop) NextBackOff() time.Duration {
	if l.ctx.Err() != nil {
		return cenkalti.Stop // before On is asked: what failed may be the context, not the call
	}
	if l.refused = !l.policy.On(l.last); l.refused {
		return cenkalti.Stop
	}
	wait := l.policy.Delay(l.made)
	deadline, _ := l.ctx.Deadline()
	if wait >= time.Until(deadline) { // an attempt made at the deadline would be in vain too
		l.full = l.doesNotFit(wait, deadline)
		return cenkalti.Stop
	}
	return wait
}

// Context makes cenkalti's waits end with it.
func (l *loop) Context() context.Context { return l.ctx }

// Reset is called once, before the first attempt, when there is nothing to reset.
func (l *loop) Reset() {}

// failure is what Do returns once the loop has ended without success.
func (l *loop) failure() error {
	if l.refused {
		return l.last
	}
	reason := l.full
	if reason == nil {
		reason = ended(l.ctx)
	}
	return &gaveUpError{attempts: l.made, elapsed: time.Since(l.began), reason: reason, last: l.last}
}

func (l *loop) doesNotFit(wait time.Duration, deadline time.Time) error {
	if own, ok := l.caller.Deadline(); ok && own.Equal(deadline) {
		return fmt.Errorf("the next wait of %s would pass the context's deadline", wait)
	}
	return fmt.Errorf("the next wait of %s would pass the policy's Deadline of %s", wait, l.policy.Deadline)
}
