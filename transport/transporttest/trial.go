package transporttest

import (
	"errors"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// trial is one case on one driver: what cases stand on.
type trial struct {
	base
	Driver
}

func newTrial(tb testing.TB, l law, d Driver) *trial {
	t := &trial{Driver: d}
	t.setUp(tb, functionName(l.test), d.Bubble, d.Patience, d.Grace)
	return t
}

// end lets go of what the case holds, ends the driver and returns the verdict.
func (t *trial) end() (skipped string, seen []string) {
	t.openGates()
	shutDown(t.Driver)
	return t.verdict()
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
