package gcp

import (
	"context"
	"time"
)

// Capped bounds one call that begins now to limit, where ctx does not end sooner.
func Capped(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	end := time.Now().Add(limit)
	if d, ok := ctx.Deadline(); ok && !d.After(end) {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end)
}

// Pause waits for d, or returns ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
