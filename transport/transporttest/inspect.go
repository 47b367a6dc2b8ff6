package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func inspectLaws() []law {
	return []law{
		{"inspect/get", "Get returns a waiting task with every field that was enqueued, and when it was created.", inspectGet},
		{"inspect/counts", "Dispatches counts the attempts that began, Seen those that were answered.", inspectCounts},
		{"inspect/unknown", "Get of a task that never was answers ErrNotFound and not ErrGone.", inspectUnknown},
		{"inspect/finished", "Get of a task that has run answers ErrNotFound.", inspectFinished},
		{"inspect/list", "All yields each waiting task of its queue once, however many pages there are, and no other queue's.", inspectList},
		{"inspect/list-break", "A caller may stop All early and start again.", inspectListBreak},
		{"inspect/missing-queue", "Get, All and Delete on a queue that does not exist answer ErrQueueMissing.", inspectMissingQueue},
	}
}

func inspectGet(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	task := t.due("all-fields", distant)
	task.URL = t.Endpoint + "/mail?x=1"
	task.Header = http.Header{"X-One": {"1"}, "X-Two": {"2"}}
	task.Body = []byte("body \x00 \xff")
	task.Timeout = 20 * time.Second
	task.Retry = &transport.RetryConfig{MaxAttempts: 7, MaxDoublings: 2, MinBackoff: time.Second, MaxBackoff: time.Minute}
	began := t.now()
	t.enqueue(task)
	w, err := insp.Get(ctx, t.Queue, task.ID)
	if err != nil {
		t.fatalf("Get: %v", err)
	}
	if w.ID != task.ID || w.Queue != task.Queue || w.URL != task.URL || w.Timeout != task.Timeout {
		t.errorf("got id %q, queue %q, URL %q, timeout %s; want %q, %q, %q, %s", w.ID, w.Queue, w.URL, w.Timeout, task.ID, task.Queue, task.URL, task.Timeout)
	}
	if !bytes.Equal(w.Body, task.Body) || w.Header.Get("X-One") != "1" || w.Header.Get("X-Two") != "2" {
		t.errorf("got body %q, headers %q; want %q, %q", w.Body, w.Header, task.Body, task.Header)
	}
	if !sameTime(w.ETA, task.ETA) {
		t.errorf("got ETA %s, want %s", w.ETA, task.ETA)
	}
	if w.Retry == nil || *w.Retry != *task.Retry {
		t.errorf("got retry settings %+v, want %+v", w.Retry, *task.Retry)
	}
	if w.Created.Before(began.Add(-time.Second)) || w.Created.After(t.now().Add(time.Second)) { // kept in seconds by some
		t.errorf("created %s, want about %s", w.Created, began)
	}
	if w.Dispatches != 0 || w.Seen != 0 {
		t.errorf("%d dispatches and %d answers before the first attempt", w.Dispatches, w.Seen)
	}
}

func inspectCounts(t *trial) {
	t.needsQueueing()
	insp := ability[transport.Inspector](t)
	ctx, cancel := t.context()
	defer cancel()
	g := t.gate()
	box := t.receive(g.before(answers(500)))
	task := t.task("counts")
	task.Retry = &transport.RetryConfig{MinBackoff: distant, MaxBackoff: distant}
	t.enqueue(task)
	box.next()
	w, err := insp.Get(ctx, t.Queue, task.ID)
	if err != nil || w.Dispatches != 1 || w.Seen != 0 {
		t.errorf("while the first attempt runs: %+v, error %q; want Dispatches 1, Seen 0", w, text(err))
	}
	g.open()
	t.eventually("after the first attempt failed, Dispatches is 1 and Seen 1", func() bool {
		w, err := insp.Get(ctx, t.Queue, task.ID)
		return err == nil && w.Dispatches == 1 && w.Seen == 1
	})
}

func inspectUnknown(t *trial) {
	insp := ability[transport.Inspector](t)
	t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.enqueue(t.task("known"))
	_, err := insp.Get(ctx, t.Queue, "unknown")
	t.wantTyped(err, transport.Error{Op: transport.OpGet, Queue: t.Queue, ID: "unknown", Kind: transport.KindNotFound})
}

func inspectFinished(t *trial) {
	insp := ability[transport.Inspector](t)
	box := t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	t.enqueue(t.task("finished"))
	box.next()
	box.none("the task was done")
	_, err := insp.Get(ctx, t.Queue, "finished")
	t.wantError(err, transport.ErrNotFound, "Get of a task that has run")
}

// listed collects what All yields.
func (t *trial) listed(ctx context.Context, insp transport.Inspector, queue string) map[string]int {
	ids := make(map[string]int)
	for w, err := range insp.All(ctx, queue) {
		if err != nil {
			t.fatalf("All(%q): %v", queue, err)
		}
		if w.Queue != queue {
			t.errorf("All(%q) yields task %q of queue %q", queue, w.ID, w.Queue)
		}
		ids[w.ID]++
	}
	return ids
}

func inspectList(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	const n = 2500 // Cloud Tasks has pages of 1000
	t.atOnce(10, func(i int) {
		for j := range n / 10 {
			if _, err := t.attempt(t.due(fmt.Sprintf("listed-%d-%d", i, j), distant)); err != nil {
				t.errorf("Enqueue: %v", err)
			}
		}
	})
	other := t.due("elsewhere", distant)
	other.Queue = t.OtherQueue
	t.enqueue(other)
	ids := t.listed(ctx, insp, t.Queue)
	if len(ids) != n {
		t.errorf("All yields %d tasks of %d", len(ids), n)
	}
	for id, times := range ids {
		if times != 1 {
			t.fatalf("All yields task %q %d times", id, times)
		}
	}
	if ids := t.listed(ctx, insp, t.OtherQueue); len(ids) != 1 || ids["elsewhere"] != 1 {
		t.errorf("All of the other queue yields %v", ids)
	}
}

func inspectListBreak(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	t.receive(done)
	ctx, cancel := t.context()
	defer cancel()
	for i := range 5 {
		t.enqueue(t.due(fmt.Sprintf("listed-%d", i), distant))
	}
	all := insp.All(ctx, t.Queue)
	for range all {
		break
	}
	n := 0
	for range all {
		n++
	}
	if n != 5 {
		t.errorf("All yields %d tasks after it was stopped and started again, want 5", n)
	}
}

func inspectMissingQueue(t *trial) {
	insp := ability[transport.Inspector](t)
	ctx, cancel := t.context()
	defer cancel()
	queue := t.missingQueue()
	_, err := insp.Get(ctx, queue, "any")
	t.wantError(err, transport.ErrQueueMissing, "Get")
	t.wantError(insp.Delete(ctx, queue, "any"), transport.ErrQueueMissing, "Delete")
	n := 0
	for _, e := range insp.All(ctx, queue) {
		n, err = n+1, e
	}
	if n != 1 {
		t.errorf("All yields %d times, want an error and no more", n)
	}
	t.wantError(err, transport.ErrQueueMissing, "All")
}

// missingQueue names a queue that does not exist, in no driver.
func (t *trial) missingQueue() string {
	if t.MissingQueue != "" {
		return t.MissingQueue
	}
	return "conformance-never-seen"
}
