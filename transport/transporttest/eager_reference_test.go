package transporttest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// caller is a driver that can do nothing but Enqueue, which runs the task, and makes a mistake on request.
type caller struct {
	fault string
	made  atomic.Int64
	h     transport.Handler
}

// inCaller makes Drivers of callers, which need Driver.Serve: a caller is no Server.
func inCaller(fault string) func(testing.TB) transporttest.Driver {
	return func(testing.TB) transporttest.Driver {
		c := &caller{fault: fault}
		serve := func(_ string, h transport.Handler) error {
			c.h = h
			return nil
		}
		return transporttest.Driver{Transport: c, Serve: serve, Bubble: true, Eager: true}
	}
}

func (c *caller) has(fault string) bool { return c.fault == fault }

func (c *caller) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	fail := func(k transport.Kind, err error) (transport.Receipt, error) {
		return transport.Receipt{}, &transport.Error{Op: transport.OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: k, Err: err}
	}
	if err := ctx.Err(); err != nil && !c.has("runs under an ended context") {
		return fail(transport.KindOther, err)
	}
	if err := t.Check(time.Now()); err != nil {
		return transport.Receipt{}, err
	}
	d := &transport.Delivery{Task: clone(t), Attempt: 1}
	d.ID = cmp.Or(d.ID, fmt.Sprintf("made-%d", c.made.Add(1)))
	receipt := transport.Receipt{ID: d.ID, Queue: d.Queue}
	if c.has("runs later") {
		go c.run(ctx, d)
		return receipt, nil
	}
	err := c.run(ctx, d)
	if err != nil && c.has("tries again") {
		err = c.run(ctx, d)
	}
	if err != nil && !c.has("swallows the error") {
		return fail(transport.KindOther, err)
	}
	return receipt, nil
}

func (c *caller) run(ctx context.Context, d *transport.Delivery) error {
	if !c.has("passes on the caller's deadline") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmp.Or(d.Timeout, transport.DefaultTimeout))
		defer cancel()
	}
	status, _, err := c.h(ctx, d)
	switch {
	case status >= 200 && status < 300 && !c.has("takes any error for a failure"):
		return nil
	case err == nil && (status < 200 || status > 299):
		return errors.New("the handler failed")
	}
	return err
}
