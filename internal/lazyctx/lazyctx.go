// Package lazyctx has a context with a deadline that costs one small allocation until somebody waits for it.
//
// Most handlers of background work never look at ctx.Done, yet context.WithDeadline arms a timer and joins its
// parent's set of children for each of them. Here both happen at the first call of Done.
package lazyctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Context is a context.Context that ends at a deadline, with its parent, or by Cancel. Deadline, Value and Err
// need no timer; Done makes a context of the standard library and hands everything over to it, so that contexts
// derived from this one propagate without a goroutine of their own.
type Context struct {
	parent   context.Context
	deadline time.Time

	canceled atomic.Bool
	armed    atomic.Pointer[armed]
	mu       sync.Mutex // one arms it
}

type armed struct {
	context.Context
	cancel context.CancelFunc
}

// WithDeadline returns a context that ends at d, or earlier with its parent. The caller must call Cancel when
// the work is done: it frees what Done may have allocated.
func WithDeadline(parent context.Context, d time.Time) *Context {
	c := new(Context)
	c.Begin(parent, d)
	return c
}

// Begin makes a zero Context what WithDeadline returns, for one that is part of something else.
func (c *Context) Begin(parent context.Context, d time.Time) {
	if cur, ok := parent.Deadline(); ok && cur.Before(d) {
		d = cur
	}
	c.parent, c.deadline = parent, d
}

// Cancel ends the context. Calling it again does nothing.
func (c *Context) Cancel() {
	c.canceled.Store(true)
	if a := c.armed.Load(); a != nil { // else arm sees canceled
		a.cancel()
	}
}

// Deadline returns when the context ends. There always is one.
func (c *Context) Deadline() (time.Time, bool) { return c.deadline, true }

// Done returns a channel that is closed when the context ends. The first call arms the timer.
func (c *Context) Done() <-chan struct{} {
	if a := c.armed.Load(); a != nil {
		return a.Done()
	}
	return c.arm().Done()
}

// Err returns why the context has ended, nil while it has not.
func (c *Context) Err() error {
	if a := c.armed.Load(); a != nil {
		return a.Err()
	}
	if c.canceled.Load() || c.parent.Err() != nil || !time.Now().Before(c.deadline) {
		return c.arm().Err() // it ends as it is made, and keeps its reason
	}
	return nil
}

// Value returns the parent's value for key.
func (c *Context) Value(key any) any {
	if a := c.armed.Load(); a != nil {
		return a.Value(key) // context looks for its own cancelable type in this way
	}
	return c.parent.Value(key)
}

func (c *Context) arm() *armed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.armed.Load(); a != nil {
		return a
	}
	a := &armed{}
	a.Context, a.cancel = context.WithDeadline(c.parent, c.deadline)
	c.armed.Store(a)
	if c.canceled.Load() { // else Cancel sees armed
		a.cancel()
	}
	return a
}
