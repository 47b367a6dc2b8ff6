package engine

import (
	"sync"
	"time"
)

// Clock is the engine's only source of time.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once d has passed, as time.AfterFunc does; d may be zero or negative.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is what AfterFunc returns. Stop and Reset behave as those of a time.Timer made by time.AfterFunc.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// WallClock is the time of package time, and so the fake one inside a testing/synctest bubble.
type WallClock struct{}

// Now returns time.Now.
func (WallClock) Now() time.Time { return time.Now() }

// AfterFunc calls time.AfterFunc.
func (WallClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// ManualClock stands still until it is moved. It is safe for concurrent use.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer // the pending ones, in no order: there are few
}

// NewManualClock returns a clock that shows start.
func NewManualClock(start time.Time) *ManualClock { return &ManualClock{now: start} }

// Now returns the time that the clock was moved to.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f from the Set or Advance that passes the moment d from now.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) Timer {
	t := &manualTimer{clock: c, f: f}
	t.Reset(d)
	return t
}

// Next returns when the first pending timer is due.
func (c *ManualClock) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.first(); i >= 0 {
		return c.timers[i].at, true
	}
	return time.Time{}, false
}

// Advance moves the clock by d; see Set.
func (c *ManualClock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Set moves the clock to t and calls what becomes due on the way, in order of time, each at its own moment, in
// the caller's goroutine. The clock never goes back: an earlier t only calls what is due already.
func (c *ManualClock) Set(t time.Time) {
	for {
		c.mu.Lock()
		i := c.first()
		if i < 0 || c.timers[i].at.After(t) && c.timers[i].at.After(c.now) {
			if t.After(c.now) {
				c.now = t
			}
			c.mu.Unlock()
			return
		}
		due := c.timers[i]
		c.drop(i)
		if due.at.After(c.now) {
			c.now = due.at
		}
		c.mu.Unlock()
		due.f()
	}
}

func (c *ManualClock) first() int {
	best := -1
	for i, t := range c.timers {
		if best < 0 || t.at.Before(c.timers[best].at) {
			best = i
		}
	}
	return best
}

// drop keeps the order of the rest, so that timers of one moment fire in the order they were set.
func (c *ManualClock) drop(i int) { c.timers = append(c.timers[:i], c.timers[i+1:]...) }

type manualTimer struct {
	clock *ManualClock
	f     func()
	at    time.Time
}

func (t *manualTimer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.stop()
}

func (t *manualTimer) Reset(d time.Duration) bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	was := t.stop()
	t.at = c.now.Add(d)
	c.timers = append(c.timers, t)
	return was
}

func (t *manualTimer) stop() bool {
	for i, other := range t.clock.timers {
		if other == t {
			t.clock.drop(i)
			return true
		}
	}
	return false
}
