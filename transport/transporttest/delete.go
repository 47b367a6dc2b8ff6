package transporttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func deleteLaws() []law {
	return []law{
		{"delete/waiting", "A deleted task is gone from the queue and never delivered; the others are.", deleteWaiting},
		{"delete/unknown", "Delete answers ErrNotFound for an id that does not wait, and still deletes the others.", deleteUnknown},
		{"delete/running", "A task deleted while it runs keeps its attempt and gets no other.", deleteRunning},
	}
}

func deleteWaiting(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	var last *transport.Task
	for _, id := range []string{"one", "two", "three", "stays"} {
		last = t.due(id, 10*t.unit)
		t.enqueue(last)
	}
	t.wantError(insp.Delete(ctx, t.Queue), nil, "Delete of nothing")
	t.wantError(insp.Delete(ctx, t.Queue, "one"), nil, "Delete of one task")
	t.wantError(insp.Delete(ctx, t.Queue, "two", "three"), nil, "Delete of two tasks")
	for _, id := range []string{"one", "two", "three"} {
		_, err := insp.Get(ctx, t.Queue, id)
		t.wantError(err, transport.ErrNotFound, "Get of the deleted task %q", id)
	}
	if d := box.next(); d.ID != "stays" {
		t.errorf("task %q was delivered, want %q alone", d.ID, last.ID)
	}
	box.none("the other tasks were deleted")
}

func deleteUnknown(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.enqueue(t.due("known-1", 10*t.unit))
	t.enqueue(t.due("known-2", 10*t.unit))
	err := insp.Delete(ctx, t.Queue, "known-1", "stranger-1", "known-2", "stranger-2")
	t.wantError(err, transport.ErrNotFound, "Delete with two unknown ids")
	for _, id := range []string{"stranger-1", "stranger-2"} {
		if !strings.Contains(text(err), id) {
			t.errorf("the error does not name %q: %q", id, text(err))
		}
	}
	if e, ok := errors.AsType[*transport.Error](err); !ok || e.Op != transport.OpDelete || e.ID != "stranger-1" {
		t.errorf("the first error is %+v, want a *transport.Error about %q", e, "stranger-1")
	}
	<-time.After(10 * t.unit)
	box.none("both known tasks were deleted")
}

func deleteRunning(t *trial) {
	t.needsQueueing()
	insp := ability[transport.Inspector](t)
	ctx, cancel := t.context()
	defer cancel()
	g := t.gate()
	ended := make(chan error, 1)
	box := t.receive(g.before(func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
		offer(ended, ctx.Err())
		return http.StatusInternalServerError, 0, nil
	}))
	t.enqueue(t.retried("running"))
	box.next()
	t.wantError(insp.Delete(ctx, t.Queue, "running"), nil, "Delete of a running task")
	t.pass(t.unit)
	g.open()
	select {
	case err := <-ended:
		t.wantError(err, nil, "the context of the attempt in flight")
	case <-time.After(t.Patience):
		t.errorf("the attempt in flight was stopped")
	}
	box.none("the task was deleted")
	_, err := insp.Get(ctx, t.Queue, "running")
	t.wantError(err, transport.ErrNotFound, "Get of the deleted task")
}
