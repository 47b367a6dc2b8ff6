package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/typedtasks/typedtasks/transport"
)

func batchLaws() []law {
	return []law{
		{"batch/order", "EnqueueBatch answers with one result for each task, in their order.", batchOrder},
		{"batch/same", "A task of a batch is delivered like one that was enqueued alone.", batchSame},
		{"batch/partial", "Each task of a batch stands for itself: what is refused keeps no other from being accepted.", batchPartial},
		{"batch/twins", "Of two tasks with one id in one batch, one is accepted.", batchTwins},
		{"batch/empty", "An empty batch has no results.", batchEmpty},
		{"batch/cancelled", "A batch under a context that was cancelled enqueues nothing and answers so for each task.", batchCancelled},
	}
}

// batch enqueues and gives up unless there is one result for each task.
func (t *trial) batch(ctx context.Context, b transport.Batcher, tasks ...*transport.Task) []transport.Result {
	results := b.EnqueueBatch(ctx, tasks)
	if len(results) != len(tasks) {
		t.fatalf("EnqueueBatch of %d tasks answered with %d results", len(tasks), len(results))
	}
	return results
}

func batchOrder(t *trial) {
	b := ability[transport.Batcher](t)
	ctx, cancel := t.context()
	defer cancel()
	box := t.receive(done)
	tasks := make([]*transport.Task, 150) // more than one request's worth where the service takes 100
	for i := range tasks {
		tasks[i] = t.task(fmt.Sprintf("item-%d", i))
		if i%3 == 0 {
			tasks[i].Queue = t.OtherQueue
		}
	}
	want := make(map[string]bool)
	for i, r := range t.batch(ctx, b, tasks...) {
		want[tasks[i].ID] = true
		if r.Err != nil || r.Receipt.ID != tasks[i].ID || r.Receipt.Queue != tasks[i].Queue {
			t.errorf("result %d: id %q on queue %q, error %q; want %q on %q", i, r.Receipt.ID, r.Receipt.Queue, text(r.Err), tasks[i].ID, tasks[i].Queue)
		}
	}
	for range tasks {
		d := box.next()
		if !want[d.ID] {
			t.errorf("task %q was delivered twice, or never enqueued", d.ID)
		}
		delete(want, d.ID)
	}
}

func batchSame(t *trial) {
	b := ability[transport.Batcher](t)
	ctx, cancel := t.context()
	defer cancel()
	box := t.receive(done)
	task := func(id string) *transport.Task {
		k := t.task(id)
		k.URL = t.Endpoint + "/batch?x=1"
		k.Header = http.Header{"X-Value": {"same"}}
		k.Body = []byte("same\x00body")
		k.ETA = t.now().Add(t.unit)
		return k
	}
	alone, item := task("alone"), task("item")
	t.enqueue(alone)
	r := t.batch(ctx, b, item)[0]
	t.wantError(r.Err, nil, "EnqueueBatch")
	if !t.NoDelay && !sameTime(r.Receipt.ETA, item.ETA) {
		t.errorf("the receipt of a task due at %s says %s", item.ETA, r.Receipt.ETA)
	}
	got := map[string]arrival{}
	for range 2 {
		d := box.next()
		got[d.ID] = d
	}
	x, y := got["alone"], got["item"]
	if x.URL != y.URL || !bytes.Equal(x.Body, y.Body) || x.Header.Get("X-Value") != y.Header.Get("X-Value") || x.Queue != y.Queue || x.Attempt != y.Attempt {
		t.errorf("enqueued alone: %+v\nin a batch: %+v", x, y)
	}
	if y.at.Before(item.ETA) && !t.NoDelay {
		t.errorf("the task was delivered %s before its ETA", item.ETA.Sub(y.at))
	}
	clear(item.Body)
}

func batchPartial(t *trial) {
	b := ability[transport.Batcher](t)
	t.needsDelay()
	ctx, cancel := t.context()
	defer cancel()
	box := t.receive(done)
	t.enqueue(t.due("taken", distant))
	giant, invalid := t.task("giant"), t.task("not/legal")
	giant.Body = make([]byte, transport.MaxTaskSize)
	kinds := []transport.Kind{0, transport.KindExists, transport.KindInvalid, 0, transport.KindTooLarge, transport.KindTooFar, 0}
	results := t.batch(ctx, b, t.task("first"), t.task("taken"), invalid, t.task("second"), giant, t.due("far", 2*transport.MaxDelay), t.task(""))
	for i, r := range results {
		if (r.Err == nil) != (kinds[i] == 0) || transport.KindOf(r.Err) != kinds[i] {
			t.errorf("result %d: error %q, want kind %q", i, text(r.Err), kinds[i])
		}
	}
	t.wantTaken(results[1].Receipt, results[1].Err, t.Queue, "taken")
	for range 3 {
		if d := box.next(); d.ID != "first" && d.ID != "second" && d.ID != results[6].Receipt.ID {
			t.errorf("task %q was delivered", d.ID)
		}
	}
	box.none("the other tasks were refused")
}

func batchTwins(t *trial) {
	b := ability[transport.Batcher](t)
	t.needsDelay()
	ctx, cancel := t.context()
	defer cancel()
	box := t.receive(done)
	var accepted int
	for _, r := range t.batch(ctx, b, t.due("twin", t.unit), t.due("twin", t.unit)) {
		if r.Err == nil {
			accepted++
		} else {
			t.wantTaken(r.Receipt, r.Err, t.Queue, "twin")
		}
	}
	if accepted != 1 {
		t.errorf("%d of two twins were accepted, want 1", accepted)
	}
	box.next()
	box.none("the twin was a duplicate")
}

func batchEmpty(t *trial) {
	b := ability[transport.Batcher](t)
	ctx, cancel := t.context()
	defer cancel()
	box := t.receive(done)
	t.batch(ctx, b)
	box.none("nothing was enqueued")
}

func batchCancelled(t *trial) {
	b := ability[transport.Batcher](t)
	box := t.receive(done)
	ctx, cancel := context.WithCancel(t.tb.Context())
	cancel()
	for i, r := range t.batch(ctx, b, t.task("a"), t.task("b")) {
		t.wantError(r.Err, context.Canceled, "result %d", i)
	}
	box.none("the context had ended")
}
