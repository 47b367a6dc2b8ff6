package backoff

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// gaveUpError is why an error that the policy would have retried was not retried any more.
type gaveUpError struct {
	attempts int
	elapsed  time.Duration
	reason   error // no time left, or the context's end
	last     error // what the last attempt returned
}

// Error reads like `gave up after 3 attempts in 1.7s: context canceled; last error: <error>`.
func (e *gaveUpError) Error() string {
	noun := "attempts"
	if e.attempts == 1 {
		noun = "attempt"
	}
	return fmt.Sprintf("gave up after %d %s in %s: %s; last error: %s",
		e.attempts, noun, e.elapsed.Round(time.Millisecond), e.reason, e.last)
}

// Unwrap returns the last attempt's error first: it tells more than the context's does.
func (e *gaveUpError) Unwrap() []error { return []error{e.last, e.reason} }

// passedError is the cause of a context that ended at a policy's Deadline.
type passedError time.Duration

// Error names the field to change.
func (e passedError) Error() string {
	return fmt.Sprintf("the policy's Deadline of %s has passed", time.Duration(e))
}

// Unwrap makes it the context error that it stands for.
func (e passedError) Unwrap() error { return context.DeadlineExceeded }

// ended returns why ctx ended: its error, and its cause where that says more.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
