package lazyctx_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
)

type key struct{}

func TestContext_Deadline_IsTheEarlierOfOwnAndParents(t *testing.T) {
	now := time.Now()
	parent, cancel := context.WithDeadline(t.Context(), now.Add(time.Minute))
	defer cancel()
	for _, tc := range []struct {
		name      string
		own, want time.Duration
	}{
		{"own is earlier", time.Second, time.Second},
		{"parent's is earlier", time.Hour, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := lazyctx.WithDeadline(parent, now.Add(tc.own))
			defer c.Cancel()
			if got, ok := c.Deadline(); !ok || !got.Equal(now.Add(tc.want)) {
				t.Errorf("Deadline() = %v, %v; want %v", got, ok, now.Add(tc.want))
			}
		})
	}
}

func TestContext_Err_SeesTheDeadlineWithoutDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lazyctx.WithDeadline(t.Context(), time.Now().Add(time.Second))
		defer c.Cancel()
		if err := c.Err(); err != nil {
			t.Fatalf("before the deadline: %v", err)
		}
		time.Sleep(time.Second)
		if err := c.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at the deadline: %v", err)
		}
		select {
		case <-c.Done():
		default:
			t.Error("Err is set, Done is open")
		}
	})
}

func TestContext_Done_ClosesAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lazyctx.WithDeadline(t.Context(), time.Now().Add(time.Second))
		defer c.Cancel()
		start := time.Now()
		<-c.Done()
		if got := time.Since(start); got != time.Second {
			t.Errorf("ended after %v", got)
		}
		if err := context.Cause(c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Cause = %v", err)
		}
	})
}

func TestContext_Cancel_EndsIt(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(*lazyctx.Context)
	}{
		{"that nobody waited for", func(*lazyctx.Context) {}},
		{"that somebody waits for", func(c *lazyctx.Context) { c.Done() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := lazyctx.WithDeadline(t.Context(), time.Now().Add(time.Hour))
			tc.before(c)
			c.Cancel()
			c.Cancel()
			if err := c.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("Err = %v", err)
			}
			<-c.Done()
			child, cancel := context.WithCancel(c)
			defer cancel()
			if err := child.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("a child made afterwards: Err = %v", err)
			}
		})
	}
}

func TestContext_ParentEnds_EndsItWithTheParentsCause(t *testing.T) {
	why := errors.New("shutting down")
	for _, tc := range []struct {
		name   string
		before func(*lazyctx.Context)
	}{
		{"not armed", func(*lazyctx.Context) {}},
		{"armed", func(c *lazyctx.Context) { c.Done() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			c := lazyctx.WithDeadline(parent, time.Now().Add(time.Hour))
			defer c.Cancel()
			tc.before(c)
			cancel(why)
			if err := c.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("Err = %v", err)
			}
			if err := context.Cause(c); !errors.Is(err, why) {
				t.Errorf("Cause = %v", err)
			}
		})
	}
}

func TestContext_Value_IsTheParents(t *testing.T) {
	c := lazyctx.WithDeadline(context.WithValue(t.Context(), key{}, 7), time.Now().Add(time.Hour))
	defer c.Cancel()
	if got := c.Value(key{}); got != 7 {
		t.Errorf("before Done: %v", got)
	}
	c.Done()
	if got := c.Value(key{}); got != 7 {
		t.Errorf("after Done: %v", got)
	}
}

func TestContext_Children_StartNoGoroutine(t *testing.T) {
	c := lazyctx.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	before := runtime.NumGoroutine()
	var children []context.Context
	for range 100 {
		child, cancel := context.WithCancel(c)
		defer cancel()
		children = append(children, child)
	}
	if n := runtime.NumGoroutine() - before; n >= len(children) {
		t.Errorf("%d children started %d goroutines", len(children), n)
	}
	c.Cancel()
	for _, child := range children {
		if child.Err() == nil { // a propagating goroutine would take its time
			t.Fatal("a child outlived its parent")
		}
	}
}

func TestContext_ConcurrentUse_AgreesOnOneChannel(t *testing.T) {
	c := lazyctx.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	got := make(chan (<-chan struct{}))
	for range 8 {
		go func() { got <- c.Done() }()
	}
	go c.Cancel()
	first := <-got
	for range 7 {
		if ch := <-got; ch != first {
			t.Error("two channels")
		}
	}
	<-first
}

func BenchmarkUnused(b *testing.B) {
	parent, cancel := context.WithCancel(b.Context())
	defer cancel()
	deadline := time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		lazyctx.WithDeadline(parent, deadline).Cancel()
	}
}
