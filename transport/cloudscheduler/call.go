package cloudscheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// CallTimeout bounds every single attempt of a call, whatever deadline its context carries: a context may live for
// many minutes, and one call that is never answered should not use them up.
const CallTimeout = 20 * time.Second

const firstWait, mostWait = 500 * time.Millisecond, 20 * time.Second

// errFailed is all that the loop hears of a failed attempt.
var errFailed = errors.New("the attempt failed")

// do makes a call, and makes it again while it is refused for the moment: all but running a job may be done twice.
func (s *Scheduler) do(ctx context.Context, a about, f func(context.Context) error) error {
	ctx, told := gcp.Watch(ctx)
	var last error
	began, attempts := time.Now(), 0
	left := s.retryTime - began.Sub(a.began) // to cenkalti, 0 would be no limit
	waits := cenkalti.NewExponentialBackOff(
		cenkalti.WithInitialInterval(firstWait), cenkalti.WithMultiplier(2), cenkalti.WithMaxInterval(mostWait),
		cenkalti.WithMaxElapsedTime(left))
	err := cenkalti.RetryNotify(func() error {
		attempts++
		c, cancel := gcp.Capped(ctx, CallTimeout)
		defer cancel()
		last = f(c)
		switch {
		case last == nil:
			return nil
		case left <= 0, ctx.Err() != nil, !passing(last), a.notTwice && maybeDone(last):
			return cenkalti.Permanent(errFailed)
		}
		return errFailed
	}, cenkalti.WithContext(waits, ctx), func(_ error, wait time.Duration) { s.warn(ctx, a, last, wait) })
	switch {
	case err == nil:
		return nil
	case attempts > 1:
		return fmt.Errorf("after %d attempts in %s: %w", attempts, time.Since(began).Round(100*time.Millisecond), told(last))
	default:
		return told(last)
	}
}

// warn logs that a call is made again, once a minute.
func (s *Scheduler) warn(ctx context.Context, a about, cause error, wait time.Duration) {
	now, before := time.Now().UnixNano(), s.warned.Load()
	if now-before < int64(time.Minute) || !s.warned.CompareAndSwap(before, now) {
		return
	}
	s.logger.WarnContext(ctx, "cloudscheduler: a call is refused for the moment, and made again",
		"call", a.op, "resource", a.resource, "wait", wait.Round(time.Millisecond), "for", s.retryTime, "cause", cause)
}

// passing reports whether the same call may be answered later.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable: // but for what no time will change
		return !gcp.BadCertificate(err)
	case codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted:
		return true
	default:
		return false
	}
}

// maybeDone reports whether a call that failed may have been carried out: its answer was lost.
func maybeDone(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}
