package cloudtasks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/googleapis/gax-go/v2"
)

// CallTimeout bounds every single call, whatever deadline its context carries: Cloud Tasks refuses a call whose
// deadline is more than 30 s ahead, and a handler's context lives for minutes. Read 2026-11 from its error text.
const CallTimeout = 20 * time.Second

// capped bounds one call that begins now.
func capped(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	limit := now.Add(CallTimeout)
	if d, ok := ctx.Deadline(); ok && !d.After(limit) {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, limit)
}

// call makes one call, capped.
func call[Q, R any](ctx context.Context, f func(context.Context, Q, ...gax.CallOption) (R, error), req Q) (R, error) {
	c, cancel := capped(ctx, time.Now())
	defer cancel()
	return f(c, req)
}

// ended is err together with ctx's error where ctx has ended, so that errors.Is finds both.
func ended(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}

// pause waits for d, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// atOnce calls f for 0 to n-1, up to most at a time, and returns when all are done.
func atOnce(n, most int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, most) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
