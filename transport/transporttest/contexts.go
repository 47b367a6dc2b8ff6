package transporttest

import (
	"context"
	"time"
)

func contextLaws() []law {
	return []law{
		{"context/cancelled", "A context that was cancelled enqueues nothing and answers an error that matches context.Canceled.", contextCancelled},
		{"context/expired", "A context whose deadline has passed enqueues nothing and answers an error that matches context.DeadlineExceeded.", contextExpired},
		{"context/afterwards", "The context of Enqueue bounds the call and nothing after it: the task runs, on a context of its own.", contextAfterwards},
	}
}

func contextCancelled(t *trial) {
	ctx, cancel := context.WithCancel(t.tb.Context())
	cancel()
	enqueuesNothing(t, ctx)
}

func contextExpired(t *trial) {
	ctx, cancel := context.WithDeadline(t.tb.Context(), time.Now().Add(-time.Second))
	defer cancel()
	enqueuesNothing(t, ctx)
}

func enqueuesNothing(t *trial, ctx context.Context) {
	box := t.receive(done)
	task := t.task("unborn")
	_, err := t.Transport.Enqueue(ctx, task)
	t.wantError(err, ctx.Err(), "Enqueue with an ended context")
	box.none("the context had ended")
	t.enqueue(task) // its id is free
	box.next()
}

func contextAfterwards(t *trial) {
	box := t.receive(done)
	ctx, cancel := context.WithCancel(t.tb.Context())
	_, err := t.Transport.Enqueue(ctx, t.due("orphan", t.unit))
	cancel()
	t.wantError(err, nil, "Enqueue")
	if d := box.next(); d.ended != nil {
		t.errorf("the handler's context had ended: %v", d.ended)
	}
}
