package cloudtasks

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/googleapis/gax-go/v2"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// CallTimeout bounds every single call, whatever deadline its context carries: Cloud Tasks refuses a call whose
// deadline is more than 30 s ahead, and a handler's context lives for minutes. Read 2026-11 from its error text.
const CallTimeout = 20 * time.Second

// call makes one call, capped.
func call[Q, R any](ctx context.Context, f func(context.Context, Q, ...gax.CallOption) (R, error), req Q) (resp R, err error) {
	err = do(ctx, func(ctx context.Context) error {
		resp, err = f(ctx, req)
		return err
	})
	return resp, err
}

// do calls f for one call, which it caps. Where the cap ends it, the error tells of the attempt before.
func do(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := gcp.Capped(ctx, CallTimeout)
	defer cancel()
	ctx, told := gcp.Watch(ctx)
	return told(f(ctx))
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
