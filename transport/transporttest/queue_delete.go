package transporttest

import (
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func queueDeleteLaws() []law {
	return []law{
		{"queues/resolved", "ResolveQueue returns the settings that Queue does once they are put; where it has no MaxBurst, that is the driver's.", queuesResolved},
		{"queues/deleted", "DeleteQueue deletes the queue with its tasks and nothing else, and answers ErrQueueMissing where there is none.", queuesDeleted},
		{"queues/deleted-enqueue", "A task for a queue that was deleted is refused with ErrQueueMissing, or runs from a queue that exists.", queuesDeletedEnqueue},
	}
}

func queuesResolved(t *trial) {
	r := ability[transport.QueueResolver](t)
	for _, cfg := range []transport.QueueConfig{
		{},
		{MaxDispatchesPerSecond: transport.NoRateLimit},
		{MaxDispatchesPerSecond: 7.5, MaxBurst: 3, MaxConcurrentDispatches: 9},
		{MaxBurst: 3},
		{Retry: transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MaxRetryDuration: time.Hour}},
		{Retry: transport.RetryConfig{MinBackoff: 2 * time.Hour}},
	} {
		a := t.admin(cfg)
		want := r.ResolveQueue(cfg)
		ctx, cancel := t.context()
		got, err := a.Queue(ctx, t.Queue)
		cancel()
		if want.MaxBurst == 0 {
			got.MaxBurst = 0
		}
		if err != nil || got != want {
			t.errorf("put %+v, resolved %+v, read %+v, error %q", cfg, want, got, text(err))
		}
	}
}

func queuesDeleted(t *trial) {
	t.needsDelay()
	del := ability[transport.QueueDeleter](t)
	a := t.admin(transport.QueueConfig{})
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.enqueue(t.due("lost-1", 2*t.unit))
	t.enqueue(t.due("lost-2", 2*t.unit))
	elsewhere := t.due("elsewhere", 2*t.unit)
	elsewhere.Queue = t.OtherQueue
	t.enqueue(elsewhere)
	t.wantError(del.DeleteQueue(ctx, t.Queue), nil, "DeleteQueue")
	_, err := a.Queue(ctx, t.Queue)
	t.wantTyped(err, transport.Error{Op: transport.OpQueue, Queue: t.Queue, Kind: transport.KindQueueMissing})
	err = del.DeleteQueue(ctx, t.Queue)
	t.wantTyped(err, transport.Error{Op: transport.OpDeleteQueue, Queue: t.Queue, Kind: transport.KindQueueMissing})
	if d := box.next(); d.ID != "elsewhere" {
		t.errorf("task %q was delivered after its queue was deleted", d.ID)
	}
	box.none("the queue was deleted")
}

func queuesDeletedEnqueue(t *trial) {
	t.needsQueueing()
	del := ability[transport.QueueDeleter](t)
	a := t.admin(transport.QueueConfig{})
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.enqueue(t.task("before"))
	box.next()
	t.wantError(del.DeleteQueue(ctx, t.Queue), nil, "DeleteQueue")
	r, err := t.attempt(t.task("after"))
	if err != nil {
		t.wantError(err, transport.ErrQueueMissing, "Enqueue to a deleted queue")
		return
	}
	if d := box.next(); d.ID != "after" || d.Queue != r.Queue {
		t.errorf("delivered task %q from queue %q, want %q from %q, as the receipt says", d.ID, d.Queue, "after", r.Queue)
	}
	_, err = a.Queue(ctx, r.Queue)
	t.wantError(err, nil, "Queue of %q, which took the task", r.Queue)
}
