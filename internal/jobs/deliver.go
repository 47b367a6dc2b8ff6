package jobs

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// Deliver makes an attempt by a handler in this process; nil is one that nobody serves as. An error whose own method
// NotTaken returns true is [ErrNotTaken].
func Deliver(ctx context.Context, h transport.Handler, j *transport.Job, r Run) error {
	if h == nil {
		return fmt.Errorf("nobody serves %s", j.URL)
	}
	c := settings{spec: j}
	d := &transport.Delivery{
		Task:    transport.Task{URL: j.URL, Audience: j.Audience, Header: Header(j, r), Body: j.Body, Timeout: c.timeout()},
		Attempt: 1, // Cloud Scheduler tells of no other
	}
	status, _, err := serving.Call(ctx, h, d)
	if serving.OK(status) {
		return nil
	}
	if e, ok := err.(interface{ NotTaken() bool }); ok && e.NotTaken() {
		return fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	if err != nil {
		return fmt.Errorf("the handler answered %d: %w", status, err)
	}
	return fmt.Errorf("the handler answered %d", status)
}
