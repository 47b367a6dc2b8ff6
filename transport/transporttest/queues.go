package transporttest

import (
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func queueLaws() []law {
	return []law{
		{"queues/settings", "Queue returns the settings that PutQueue was given, the unset ones at their defaults.", queuesSettings},
		{"queues/replaced", "PutQueue replaces all settings of a queue and keeps its tasks.", queuesReplaced},
		{"queues/invalid", "PutQueue answers ErrInvalid for settings out of range and leaves the queue as it was.", queuesInvalid},
		{"queues/missing", "Every method of QueueAdmin but PutQueue answers ErrQueueMissing for a queue that does not exist.", queuesMissing},
		{"queues/pause", "A paused queue accepts tasks and runs them after it is resumed, not before.", queuesPause},
		{"queues/purge", "Purge removes the tasks that were created before it and no other.", queuesPurge},
		{"queues/run-now", "RunNow runs a waiting task at once, paused or not, due or not, and the task runs once.", queuesRunNow},
		{"queues/run-unknown", "RunNow of a task that does not wait answers ErrNotFound.", queuesRunUnknown},
	}
}

// admin returns the ability with the queue under test in existence.
func (t *trial) admin(cfg transport.QueueConfig) transport.QueueAdmin {
	a := ability[transport.QueueAdmin](t)
	ctx, cancel := t.context()
	defer cancel()
	if err := a.PutQueue(ctx, t.Queue, cfg); err != nil {
		t.fatalf("PutQueue(%q, %+v): %v", t.Queue, cfg, err)
	}
	return a
}

func (t *trial) settings(a transport.QueueAdmin) transport.QueueConfig {
	ctx, cancel := t.context()
	defer cancel()
	got, err := a.Queue(ctx, t.Queue)
	if err != nil {
		t.fatalf("Queue(%q): %v", t.Queue, err)
	}
	got.MaxBurst = 0 // the service derives it
	return got
}

func queuesSettings(t *trial) {
	cfg := transport.QueueConfig{
		MaxDispatchesPerSecond:  2.5,
		MaxConcurrentDispatches: 7,
		Retry:                   transport.RetryConfig{MaxAttempts: 5, MaxDoublings: 2, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryDuration: time.Hour},
	}
	a := t.admin(cfg)
	if got := t.settings(a); got != cfg {
		t.errorf("put %+v, read %+v", cfg, got)
	}
	a = t.admin(transport.QueueConfig{})
	got := t.settings(a)
	if got.Retry != (transport.RetryConfig{}).WithDefaults() {
		t.errorf("unset retry settings read %+v, want the defaults", got.Retry)
	}
	if got.MaxDispatchesPerSecond <= 0 || got.MaxConcurrentDispatches != transport.DefaultConcurrentDispatches {
		t.errorf("unset limits read %v/s and %d at a time", got.MaxDispatchesPerSecond, got.MaxConcurrentDispatches)
	}
}

func queuesReplaced(t *trial) {
	t.needsDelay()
	t.admin(transport.QueueConfig{MaxDispatchesPerSecond: 100, Retry: *quickly(2)})
	box := t.receive(done)
	t.enqueue(t.due("keeps", 5*t.unit))
	cfg := transport.QueueConfig{MaxConcurrentDispatches: 9}
	got := t.settings(t.admin(cfg))
	if got.MaxConcurrentDispatches != 9 || got.Retry != (transport.RetryConfig{}).WithDefaults() || got.MaxDispatchesPerSecond == 100 {
		t.errorf("put %+v over other settings, read %+v", cfg, got)
	}
	box.next()
}

func queuesInvalid(t *trial) {
	a := t.admin(transport.QueueConfig{MaxConcurrentDispatches: 9})
	was := t.settings(a)
	ctx, cancel := t.context()
	defer cancel()
	for _, cfg := range []transport.QueueConfig{
		{MaxDispatchesPerSecond: -1},
		{MaxDispatchesPerSecond: transport.DefaultDispatchesPerSecond + 1},
		{MaxConcurrentDispatches: transport.MaxConcurrentDispatches + 1},
		{Retry: transport.RetryConfig{MinBackoff: time.Minute, MaxBackoff: time.Second}},
	} {
		if err := a.PutQueue(ctx, t.Queue, cfg); transport.KindOf(err) != transport.KindInvalid {
			t.errorf("PutQueue of %+v: error %q, want one of KindInvalid", cfg, text(err))
		}
	}
	if got := t.settings(a); got != was {
		t.errorf("the settings were %+v and are %+v", was, got)
	}
}

func queuesMissing(t *trial) {
	a := ability[transport.QueueAdmin](t)
	ctx, cancel := t.context()
	defer cancel()
	queue := t.missingQueue()
	_, err := a.Queue(ctx, queue)
	t.wantTyped(err, transport.Error{Op: transport.OpQueue, Queue: queue, Kind: transport.KindQueueMissing})
	t.wantError(a.Pause(ctx, queue), transport.ErrQueueMissing, "Pause")
	t.wantError(a.Resume(ctx, queue), transport.ErrQueueMissing, "Resume")
	t.wantError(a.Purge(ctx, queue), transport.ErrQueueMissing, "Purge")
	t.wantError(a.RunNow(ctx, queue, "any"), transport.ErrQueueMissing, "RunNow")
}

func queuesPause(t *trial) {
	t.needsQueueing()
	a := t.admin(transport.QueueConfig{})
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(a.Pause(ctx, t.Queue), nil, "Pause")
	t.wantError(a.Pause(ctx, t.Queue), nil, "Pause of a paused queue")
	for i := range 3 {
		t.enqueue(t.task(fmt.Sprintf("paused-%d", i)))
	}
	box.none("the queue is paused")
	elsewhere := t.task("elsewhere")
	elsewhere.Queue = t.OtherQueue
	t.enqueue(elsewhere)
	if d := box.next(); d.ID != "elsewhere" {
		t.errorf("task %q ran while its queue was paused", d.ID)
	}
	t.wantError(a.Resume(ctx, t.Queue), nil, "Resume")
	t.wantError(a.Resume(ctx, t.Queue), nil, "Resume of a running queue")
	for range 3 {
		box.next()
	}
	box.none("every task has run")
}

func queuesPurge(t *trial) {
	t.needsQueueing()
	a := t.admin(transport.QueueConfig{})
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(a.Pause(ctx, t.Queue), nil, "Pause")
	t.enqueue(t.task("before-1"))
	t.enqueue(t.task("before-2"))
	elsewhere := t.due("elsewhere", t.unit)
	elsewhere.Queue = t.OtherQueue
	t.enqueue(elsewhere)
	t.wantError(a.Purge(ctx, t.Queue), nil, "Purge")
	t.enqueue(t.task("after"))
	t.wantError(a.Resume(ctx, t.Queue), nil, "Resume")
	for range 2 {
		if d := box.next(); d.ID != "after" && d.ID != "elsewhere" {
			t.errorf("task %q was delivered after it was purged", d.ID)
		}
	}
	box.none("the other tasks were purged")
}

func queuesRunNow(t *trial) {
	t.needsDelay()
	a := t.admin(transport.QueueConfig{MaxConcurrentDispatches: 1})
	g := t.gate()
	box := t.receive(g.before(done))
	ctx, cancel := t.context()
	defer cancel()
	runNow := func(task *transport.Task) {
		t.enqueue(task)
		t.wantError(a.RunNow(ctx, t.Queue, task.ID), nil, "RunNow of task %q", task.ID)
		if d := box.next(); d.ID != task.ID || d.Attempt != 1 {
			t.errorf("after RunNow of %q: attempt %d of task %q", task.ID, d.Attempt, d.ID)
		}
	}
	runNow(t.due("early", 20*t.unit))
	runNow(t.due("over-the-limit", 20*t.unit))
	t.wantError(a.Pause(ctx, t.Queue), nil, "Pause")
	runNow(t.task("paused"))
	g.open()
	t.wantError(a.Resume(ctx, t.Queue), nil, "Resume")
	<-time.After(20 * t.unit)
	box.none("every task has run")
}

func queuesRunUnknown(t *trial) {
	a := t.admin(transport.QueueConfig{})
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	err := a.RunNow(ctx, t.Queue, "unknown")
	t.wantTyped(err, transport.Error{Op: transport.OpRun, Queue: t.Queue, ID: "unknown", Kind: transport.KindNotFound})
	t.enqueue(t.task("past"))
	box.next()
	box.none("the task was done")
	t.wantError(a.RunNow(ctx, t.Queue, "past"), transport.ErrNotFound, "RunNow of a task that has run")
	box.none("the task was done")
}
