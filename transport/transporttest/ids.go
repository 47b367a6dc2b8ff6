package transporttest

import (
	"errors"
	"sync/atomic"

	"github.com/typedtasks/typedtasks/transport"
)

func idLaws() []law {
	return []law{
		{"ids/waiting", "The id of a waiting task answers ErrExists with a Duplicate receipt, and its holder runs once, unchanged.", idsWaiting},
		{"ids/running", "The id of a running task answers ErrExists with a Duplicate receipt.", idsRunning},
		{"ids/finished", "The id of a task that has run stays taken: ErrGone, or ErrExists where the driver cannot tell, and no second run.", idsFinished},
		{"ids/deleted", "The id of a deleted task stays taken: ErrGone, or ErrExists where the driver cannot tell, and no run.", idsDeleted},
		{"ids/other-queue", "An id is taken on its own queue only.", idsOtherQueue},
		{"ids/race", "Of many goroutines that enqueue one id at the same time, exactly one succeeds, and the task runs once.", idsRace},
	}
}

func idsWaiting(t *trial) {
	t.needsDelay()
	box := t.receive(done)
	first := t.due("twin", 10*t.unit)
	t.enqueue(first)
	second := t.task("twin")
	second.Body = []byte("another body")
	r := t.refuses(second, transport.ErrExists)
	t.wantTaken(r, transport.ErrExists, t.Queue, "twin")
	if d := box.next(); string(d.Body) != string(first.Body) {
		t.errorf("the task ran with body %q, want the first one's, %q", d.Body, first.Body)
	}
	box.none("the second task was a duplicate")
}

func idsRunning(t *trial) {
	t.needsQueueing()
	g := t.gate()
	box := t.receive(g.before(done))
	t.enqueue(t.task("busy"))
	box.next()
	r := t.refuses(t.task("busy"), transport.ErrExists)
	t.wantTaken(r, transport.ErrExists, t.Queue, "busy")
	g.open()
	box.none("the second task was a duplicate")
}

func idsFinished(t *trial) {
	t.needsTombstones()
	box := t.receive(done)
	t.enqueue(t.task("past"))
	box.next()
	box.none("the task was done")
	r, err := t.attempt(t.task("past"))
	t.wantTaken(r, err, t.Queue, "past")
	box.none("the second task was a duplicate")
}

func idsDeleted(t *trial) {
	t.needsTombstones()
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	box := t.receive(done)
	t.enqueue(t.due("struck", distant))
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(insp.Delete(ctx, t.Queue, "struck"), nil, "Delete of a waiting task")
	r, err := t.attempt(t.task("struck"))
	t.wantTaken(r, err, t.Queue, "struck")
	box.none("the task was deleted, the second one a duplicate")
}

func idsOtherQueue(t *trial) {
	box := t.receive(done)
	here, there := t.due("shared", t.unit), t.due("shared", t.unit)
	there.Queue = t.OtherQueue
	t.enqueue(here)
	if r := t.enqueue(there); r.Queue != t.OtherQueue {
		t.errorf("the receipt names queue %q, want %q", r.Queue, t.OtherQueue)
	}
	if a, b := box.next(), box.next(); a.Queue == b.Queue {
		t.errorf("both deliveries came from queue %q", a.Queue)
	}
}

func idsRace(t *trial) {
	t.needsDelay()
	box := t.receive(done)
	var accepted atomic.Int32
	due := t.due("coveted", 10*t.unit).ETA
	t.atOnce(32, func(int) {
		task := t.task("coveted")
		task.ETA = due
		r, err := t.attempt(task)
		switch {
		case err == nil && !r.Duplicate:
			accepted.Add(1)
		case !errors.Is(err, transport.ErrExists):
			t.errorf("a loser got error %q, want %q", text(err), transport.ErrExists)
		}
	})
	if n := accepted.Load(); n != 1 {
		t.errorf("%d callers succeeded, want 1", n)
	}
	box.next()
	box.none("the task had run")
}
