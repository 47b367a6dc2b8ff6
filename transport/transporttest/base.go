package transporttest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// mostSeen is how much of what was seen a failure lists.
const mostSeen = 8

// base is what the cases of both suites stand on. Its methods that give up end the case's goroutine and must be
// called there; errorf may be called from anywhere.
type base struct {
	tb              testing.TB
	test            string // name of the case's function, for source lines
	bubble          bool
	patience, grace time.Duration
	unit            time.Duration

	mu      sync.Mutex
	seen    []string
	more    int // seen beyond mostSeen
	skipped string
	gates   []*gate
}

func (b *base) setUp(tb testing.TB, test string, bubble bool, patience, grace time.Duration) {
	b.tb, b.test, b.bubble, b.patience, b.grace = tb, test, bubble, patience, grace
	b.unit = 50 * time.Millisecond
	if bubble {
		b.unit = time.Second
	}
}

// openGates lets go of the handlers that the case holds.
func (b *base) openGates() {
	b.mu.Lock()
	gates := b.gates
	b.mu.Unlock()
	for _, g := range gates {
		g.open()
	}
}

// verdict is what the case came to.
func (b *base) verdict() (skipped string, seen []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more > 0 {
		b.seen = append(b.seen, fmt.Sprintf("%d more", b.more))
	}
	return b.skipped, b.seen
}

// errorf records that the law is broken.
func (t *base) errorf(format string, args ...any) {
	s := t.line() + ": " + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) == mostSeen {
		t.more++
		return
	}
	t.seen = append(t.seen, s)
}

func (t *base) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

func (t *base) skipf(format string, args ...any) {
	t.mu.Lock()
	t.skipped = fmt.Sprintf(format, args...)
	t.mu.Unlock()
	runtime.Goexit()
}

func (t *base) needsBubble() {
	if !t.bubble {
		t.skipf("needs minutes: Driver.Bubble is not set")
	}
}

// context bounds one call on the driver.
func (t *base) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.tb.Context(), t.patience)
}

// wantError records unless err matches want, nil included.
func (t *base) wantError(err, want error, format string, args ...any) {
	if !errors.Is(err, want) {
		t.errorf("%s: error %q, want %q", fmt.Sprintf(format, args...), text(err), text(want))
	}
}

// pass lets d go by, of which the real clock grants Grace.
func (t *base) pass(d time.Duration) {
	if !t.bubble {
		d = min(d, t.grace)
	}
	<-time.After(d)
}

// eventually gives up unless ok holds before Patience ends.
func (t *base) eventually(what string, ok func() bool) {
	for deadline := time.Now().Add(t.patience); !ok(); t.pass(t.unit / 10) {
		if time.Now().After(deadline) {
			t.fatalf("not so after %s: %s", t.patience, what)
		}
	}
}

// atOnce runs f n times at the same time and waits.
func (t *base) atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// line is where the case's own code is, seen from inside a helper.
func (t *base) line() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	nearest := ""
	for {
		f, more := frames.Next()
		at := fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		if nearest == "" {
			nearest = at
		}
		if f.Function == t.test || strings.HasPrefix(f.Function, t.test+".func") {
			return at
		}
		if !more {
			return nearest
		}
	}
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
