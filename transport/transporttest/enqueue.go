package transporttest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/typedtasks/typedtasks/transport"
)

func enqueueLaws() []law {
	return []law{
		{"enqueue/body", "Every byte of a task's body reaches the handler, and an empty body arrives empty.", enqueueBody},
		{"enqueue/header", "Every header reaches the handler under its name, and a name that has several values arrives with one.", enqueueHeader},
		{"enqueue/target", "A delivery names the queue, the id and the URL of its task, and is its first attempt.", enqueueTarget},
		{"enqueue/receipt", "The receipt of an accepted task names its id, its queue and its due time, and no duplicate.", enqueueReceipt},
		{"enqueue/made-id", "A task without an id gets a legal one of its own, the same in the receipt, the delivery and the queue.", enqueueMadeID},
		{"enqueue/concurrent", "Tasks that many goroutines enqueue at once are all delivered, each exactly once, each with its own body.", enqueueConcurrent},
		{"enqueue/unknown-queue", "A task for an unknown queue is either refused with ErrQueueMissing or creates the queue.", enqueueUnknownQueue},
		{"enqueue/error", "An error of Enqueue is a *transport.Error that names the verb, the queue, the id and the kind.", enqueueError},
	}
}

func enqueueBody(t *trial) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	box := t.receive(done)
	for _, body := range [][]byte{every, nil, {}, {0}, []byte("\r\n\r\n"), []byte("{}\n"), bytes.Repeat(every, 256)} {
		task := t.task("")
		task.Body = body
		t.enqueue(task)
		if got := box.next().Body; !bytes.Equal(got, body) {
			t.errorf("sent %s, received %s", brief(body), brief(got))
		}
	}
	box.none("every task was delivered")
}

func enqueueHeader(t *trial) {
	box := t.receive(done)
	task := t.task("headers")
	task.Header = http.Header{
		"Content-Type":         {"application/json"},
		"X-Empty":              {""},
		"X-Tab":                {"a\tb"},
		"X-Text":               {`naïve 日本; q="1", \n`},
		"X-Long":               {strings.Repeat("v", 8<<10)},
		"x-lower-case":         {"found"},
		"X-Odd!#$%&'*+.^_`|~1": {"odd name"},
		"X-Several":            {"one", "two"},
	}
	t.enqueue(task)
	got := box.next().Header
	for name, values := range task.Header {
		arrived := got.Values(name)
		switch {
		case len(arrived) != 1:
			t.errorf("header %s was sent with %d values and arrived with %d (%.80q), want one", name, len(values), len(arrived), arrived)
		case len(values) == 1 && arrived[0] != values[0]:
			t.errorf("header %s: sent %.80q, received %.80q", name, values[0], arrived[0])
		case len(values) == 2 && !strings.Contains("one, two|one,two|one|two", arrived[0]):
			t.errorf("header %s: sent %q, received %q, want one of them or both joined", name, values, arrived[0])
		}
	}
}

func enqueueTarget(t *trial) {
	box := t.receive(done)
	for i, queue := range []string{t.Queue, t.OtherQueue} {
		for j, more := range []string{"", "/mail", "/mail/a%2Fb", "?x=1&y=%20"} {
			task := t.task(fmt.Sprintf("Target_%d-%d", i, j))
			task.Queue, task.URL = queue, t.Endpoint+more
			t.enqueue(task)
			d := box.next()
			if d.Queue != queue || d.ID != task.ID || d.URL != task.URL {
				t.errorf("sent queue %q, id %q, URL %q; received %q, %q, %q", queue, task.ID, task.URL, d.Queue, d.ID, d.URL)
			}
			if d.Attempt != 1 || d.Executions != 0 || d.PreviousResponse != 0 {
				t.errorf("first delivery of %q: attempt %d, executions %d, previous response %d; want 1, 0, 0", d.ID, d.Attempt, d.Executions, d.PreviousResponse)
			}
		}
	}
}

func enqueueReceipt(t *trial) {
	t.receive(done)
	for _, queue := range []string{t.Queue, t.OtherQueue} {
		task := t.due("receipt-of-"+queue, 2*t.unit)
		task.Queue = queue
		r := t.enqueue(task)
		if r.ID != task.ID || r.Queue != queue || r.Duplicate || r.Finished {
			t.errorf("receipt of task %q on queue %q: %+v", task.ID, queue, r)
		}
		if !t.NoDelay && !sameTime(r.ETA, task.ETA) {
			t.errorf("receipt of a task due at %s says %s", task.ETA, r.ETA)
		}
	}
}

func enqueueMadeID(t *trial) {
	const n = 100
	box := t.receive(done)
	made := make(map[string]bool)
	for range n {
		r := t.enqueue(t.task(""))
		if err := transport.CheckID(r.ID); err != nil {
			t.errorf("the id that was made is not legal: %v", err)
		}
		if made[r.ID] {
			t.errorf("the id %q was made twice", r.ID)
		}
		made[r.ID] = true
	}
	for range n {
		if d := box.next(); !made[d.ID] {
			t.errorf("the delivered id %q is in no receipt", d.ID)
		}
	}
	if insp, err := transport.As[transport.Inspector](t.Transport); err == nil && !t.NoDelay {
		r := t.enqueue(t.due("", distant))
		ctx, cancel := t.context()
		defer cancel()
		if w, err := insp.Get(ctx, t.Queue, r.ID); err != nil || w.ID != r.ID {
			t.errorf("Get of the receipt's id %q: %+v, error %q", r.ID, w, text(err))
		}
	}
}

func enqueueConcurrent(t *trial) {
	const senders, each = 16, 20
	box := t.receive(done)
	var mu sync.Mutex
	want := make(map[string]string)
	t.atOnce(senders, func(i int) {
		for j := range each {
			task := t.task("")
			task.Body = fmt.Appendf(nil, "%d/%d", i, j)
			r, err := t.attempt(task)
			if err != nil {
				t.errorf("Enqueue of %s: %v", task.Body, err)
			}
			mu.Lock()
			want[r.ID] = string(task.Body)
			mu.Unlock()
		}
	})
	if len(want) != senders*each {
		t.fatalf("%d tasks got %d ids", senders*each, len(want))
	}
	for range senders * each {
		d := box.next()
		switch body, ok := want[d.ID]; {
		case !ok:
			t.errorf("task %q was delivered twice, or never enqueued", d.ID)
		case body != string(d.Body):
			t.errorf("task %q was enqueued with body %q and delivered with %q", d.ID, body, d.Body)
		}
		delete(want, d.ID)
	}
	box.none("every task was delivered")
}

func enqueueUnknownQueue(t *trial) {
	box := t.receive(done)
	task := t.task("stray")
	if t.MissingQueue == "" {
		task.Queue = "conformance-never-seen"
		if r := t.enqueue(task); r.Queue != task.Queue {
			t.errorf("the receipt names queue %q, want %q", r.Queue, task.Queue)
		}
		if d := box.next(); d.Queue != task.Queue {
			t.errorf("the delivery names queue %q, want %q", d.Queue, task.Queue)
		}
		return
	}
	task.Queue = t.MissingQueue
	t.refuses(task, transport.ErrQueueMissing)
	box.none("the queue does not exist")
}

func enqueueError(t *trial) {
	t.receive(done)
	task := t.task("no/slash")
	want := transport.Error{Op: transport.OpEnqueue, Queue: task.Queue, ID: task.ID, Kind: transport.KindInvalid}
	_, err := t.attempt(task)
	t.wantTyped(err, want)
	if t.NoDelay {
		return
	}
	taken := t.due("taken", distant)
	t.enqueue(taken)
	_, err = t.attempt(taken)
	want.ID, want.Kind = taken.ID, transport.KindExists
	t.wantTyped(err, want)
}

// brief shows a body without flooding the failure.
func brief(b []byte) string {
	if len(b) <= 40 {
		return fmt.Sprintf("%d bytes %q", len(b), b)
	}
	return fmt.Sprintf("%d bytes %q...", len(b), b[:40])
}
