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

	"github.com/typedtasks/typedtasks/transport"
)

// mostSeen is how much of what was seen a failure lists.
const mostSeen = 8

// trial is one case on one driver: what cases stand on. Its methods that give up end the case's goroutine and
// must be called there; errorf may be called from anywhere.
type trial struct {
	Driver
	tb   testing.TB
	test string // name of the case's function, for source lines
	unit time.Duration

	mu      sync.Mutex
	seen    []string
	more    int // seen beyond mostSeen
	skipped string
	gates   []*gate
}

func newTrial(tb testing.TB, l law, d Driver) *trial {
	t := &trial{Driver: d, tb: tb, test: functionName(l.test), unit: 50 * time.Millisecond}
	if d.Bubble {
		t.unit = time.Second
	}
	return t
}

// end lets go of what the case holds, ends the driver and returns the verdict.
func (t *trial) end() (skipped string, seen []string) {
	t.mu.Lock()
	gates := t.gates
	t.mu.Unlock()
	for _, g := range gates {
		g.open()
	}
	shutDown(t.Driver)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more > 0 {
		t.seen = append(t.seen, fmt.Sprintf("%d more", t.more))
	}
	return t.skipped, t.seen
}

// errorf records that the law is broken.
func (t *trial) errorf(format string, args ...any) {
	s := t.line() + ": " + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) == mostSeen {
		t.more++
		return
	}
	t.seen = append(t.seen, s)
}

func (t *trial) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) skipf(format string, args ...any) {
	t.mu.Lock()
	t.skipped = fmt.Sprintf(format, args...)
	t.mu.Unlock()
	runtime.Goexit()
}

// ability finds A, or skips the case.
func ability[A any](t *trial) A {
	a, err := transport.As[A](t.Transport)
	if err != nil {
		t.skipf("needs an ability that this driver lacks: %v", err)
	}
	return a
}

func (t *trial) needsQueueing() {
	if t.Eager {
		t.skipf("needs tasks that wait: Driver.Eager is set")
	}
}

func (t *trial) needsDelay() {
	t.needsQueueing()
	if t.NoDelay {
		t.skipf("needs tasks that are due later: Driver.NoDelay is set")
	}
}

func (t *trial) needsTombstones() {
	if t.NoTombstones {
		t.skipf("needs ids to be remembered after their tasks: Driver.NoTombstones is set")
	}
}

func (t *trial) needsBubble() {
	if !t.Bubble {
		t.skipf("needs minutes: Driver.Bubble is not set")
	}
}

// task returns a task for the queue under test. An empty id leaves the driver to make one.
func (t *trial) task(id string) *transport.Task {
	return &transport.Task{ID: id, Queue: t.Queue, URL: t.Endpoint, Body: []byte("body of " + id)}
}

// retried is task with retries that take no time worth mentioning.
func (t *trial) retried(id string) *transport.Task {
	task := t.task(id)
	task.Retry = quickly(50)
	return task
}

// due is task with an ETA.
func (t *trial) due(id string, in time.Duration) *transport.Task {
	task := t.task(id)
	task.ETA = t.now().Add(in).Truncate(time.Microsecond) // what Cloud Tasks keeps
	return task
}

func quickly(attempts int) *transport.RetryConfig {
	return &transport.RetryConfig{MaxAttempts: attempts, MinBackoff: 10 * time.Millisecond, MaxBackoff: 10 * time.Millisecond}
}

// now is what the driver takes for now.
func (t *trial) now() time.Time {
	if c, err := transport.As[transport.Clock](t.Transport); err == nil {
		return c.Now()
	}
	return time.Now()
}

// context bounds one call on the driver.
func (t *trial) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.tb.Context(), t.Patience)
}

// attempt enqueues and returns whatever comes.
func (t *trial) attempt(task *transport.Task) (transport.Receipt, error) {
	ctx, cancel := t.context()
	defer cancel()
	return t.Transport.Enqueue(ctx, task)
}

// enqueue gives up unless the task is accepted as a new one.
func (t *trial) enqueue(task *transport.Task) transport.Receipt {
	r, err := t.attempt(task)
	if err != nil {
		t.fatalf("Enqueue of task %q: %v", task.ID, err)
	}
	if r.Duplicate {
		t.fatalf("Enqueue of task %q, a new one, says Duplicate", task.ID)
	}
	return r
}

// refuses records unless Enqueue fails with want.
func (t *trial) refuses(task *transport.Task, want error) transport.Receipt {
	r, err := t.attempt(task)
	t.wantError(err, want, "Enqueue of task %q", task.ID)
	return r
}

// wantError records unless err matches want, nil included.
func (t *trial) wantError(err, want error, format string, args ...any) {
	if !errors.Is(err, want) {
		t.errorf("%s: error %q, want %q", fmt.Sprintf(format, args...), text(err), text(want))
	}
}

// wantTaken records unless err and r say that id was taken.
func (t *trial) wantTaken(r transport.Receipt, err error, queue, id string) {
	if !errors.Is(err, transport.ErrExists) && !errors.Is(err, transport.ErrGone) {
		t.errorf("Enqueue of the taken id %q: error %q, want %q or %q", id, text(err), transport.ErrExists, transport.ErrGone)
	}
	if r.ID != id || r.Queue != queue || !r.Duplicate {
		t.errorf("Enqueue of the taken id %q on queue %q: receipt %+v, want its id, queue and Duplicate", id, queue, r)
	}
	if r.Finished && errors.Is(err, transport.ErrExists) {
		t.errorf("Enqueue of the taken id %q: the receipt says Finished, the error that the holder exists", id)
	}
}

// wantTyped records unless err is a *transport.Error with want's verb, resources and kind.
func (t *trial) wantTyped(err error, want transport.Error) {
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		t.errorf("error %q is a %T, want a *transport.Error", text(err), err)
		return
	}
	if e.Op != want.Op || e.Queue != want.Queue || e.ID != want.ID || e.Kind != want.Kind {
		t.errorf("error %q names verb %q, queue %q, id %q and kind %q; want %q, %q, %q, %q",
			e, e.Op, e.Queue, e.ID, e.Kind, want.Op, want.Queue, want.ID, want.Kind)
	}
}

// pass lets d go by, of which the real clock grants Grace.
func (t *trial) pass(d time.Duration) {
	if !t.Bubble {
		d = min(d, t.Grace)
	}
	<-time.After(d)
}

// eventually gives up unless ok holds before Patience ends.
func (t *trial) eventually(what string, ok func() bool) {
	for deadline := time.Now().Add(t.Patience); !ok(); t.pass(t.unit / 10) {
		if time.Now().After(deadline) {
			t.fatalf("not so after %s: %s", t.Patience, what)
		}
	}
}

// atOnce runs f n times at the same time and waits.
func (t *trial) atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// line is where the case's own code is, seen from inside a helper.
func (t *trial) line() string {
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
