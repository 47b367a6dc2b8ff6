package transporttest

import (
	"bytes"
	"net/http"
	"reflect"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func ownershipLaws() []law {
	return []law{
		{"ownership/task-kept", "What the caller does to the fields of its task after Enqueue returned changes nothing.", ownershipTask},
		{"ownership/body-kept", "What the caller does to the bytes of Body after Enqueue returned changes nothing.", ownershipBody},
		{"ownership/header-kept", "What the caller does to Header after Enqueue returned changes nothing.", ownershipHeader},
		{"ownership/retry-kept", "What the caller does to Retry after Enqueue returned changes nothing.", ownershipRetry},
		{"ownership/changed", "Enqueue and the delivery change neither the caller's task nor anything that it refers to.", ownershipChanged},
		{"ownership/result", "What Inspector.Get returned is the caller's: changing it does not change the task.", ownershipResult},
	}
}

// afterChange calls the driver once more, so that one that kept what it must not shows the change instead of
// racing with it.
func (t *trial) afterChange() {
	if !t.NoDelay {
		t.enqueue(t.due("after-change", distant))
	}
}

func ownershipTask(t *trial) {
	box := t.receive(done)
	task := t.due("kept", t.unit)
	was := *task
	t.enqueue(task)
	*task = transport.Task{ID: "other", Queue: t.OtherQueue, URL: t.Endpoint + "/other", Body: []byte("other")}
	t.afterChange()
	if d := box.next(); d.ID != was.ID || d.Queue != was.Queue || d.URL != was.URL || !bytes.Equal(d.Body, was.Body) {
		t.errorf("received id %q, queue %q, URL %q, body %q; enqueued was %+v", d.ID, d.Queue, d.URL, d.Body, was)
	}
}

func ownershipBody(t *trial) {
	box := t.receive(done)
	task := t.due("body", t.unit)
	was := bytes.Clone(task.Body)
	t.enqueue(task)
	clear(task.Body)
	t.afterChange()
	if d := box.next(); !bytes.Equal(d.Body, was) {
		t.errorf("received body %q, enqueued was %q", d.Body, was)
	}
}

func ownershipHeader(t *trial) {
	box := t.receive(done)
	task := t.due("header", t.unit)
	task.Header = http.Header{"X-Value": {"before"}, "X-Name": {"before"}}
	t.enqueue(task)
	task.Header["X-Value"][0] = "after"
	task.Header.Del("X-Name")
	task.Header.Set("X-New", "after")
	t.afterChange()
	if h := box.next().Header; h.Get("X-Value") != "before" || h.Get("X-Name") != "before" || h.Get("X-New") != "" {
		t.errorf(`received X-Value %q, X-Name %q, X-New %q; want "before", "before", ""`, h.Get("X-Value"), h.Get("X-Name"), h.Get("X-New"))
	}
}

func ownershipRetry(t *trial) {
	t.needsDelay()
	box := t.receive(answers(http.StatusInternalServerError, http.StatusOK))
	task := t.due("retry", t.unit)
	task.Retry = quickly(5)
	t.enqueue(task)
	*task.Retry = transport.RetryConfig{MaxAttempts: 1, MinBackoff: distant, MaxBackoff: distant}
	t.afterChange()
	first, second := box.next(), box.next()
	if gap := second.at.Sub(first.at); second.ID != task.ID || gap >= time.Minute {
		t.errorf("after the first attempt came task %q, after %s; want the second attempt at once", second.ID, gap)
	}
}

func ownershipChanged(t *trial) {
	box := t.receive(done)
	room := []byte("body|beyond its length")
	made := func() *transport.Task {
		task := t.due("untouched", t.unit)
		task.Header = http.Header{"x-lower": {"1", "2"}, "X-Upper": {" padded"}}
		task.Retry = &transport.RetryConfig{MaxAttempts: 3} // the rest is for the driver to default
		task.Body = room[:4]
		return task
	}
	task := made()
	was := made()
	was.ETA, was.Body = task.ETA, []byte("body")
	t.enqueue(task)
	box.next()
	box.none("the task was done")
	if !reflect.DeepEqual(task, was) {
		t.errorf("the task was %+v (retry %+v) and is %+v (retry %+v)", *was, *was.Retry, *task, *task.Retry)
	}
	if string(room) != "body|beyond its length" {
		t.errorf("the array behind Body was overwritten: %q", room)
	}
}

func ownershipResult(t *trial) {
	t.needsDelay()
	insp := ability[transport.Inspector](t)
	box := t.receive(done)
	task := t.due("lent", 5*t.unit)
	task.Header = http.Header{"X-Value": {"before"}}
	t.enqueue(task)
	ctx, cancel := t.context()
	defer cancel()
	w, err := insp.Get(ctx, t.Queue, "lent")
	if err != nil {
		t.fatalf("Get: %v", err)
	}
	clear(w.Body)
	w.Header.Set("X-Value", "after")
	w.ETA = time.Time{}
	t.afterChange()
	if d := box.next(); !bytes.Equal(d.Body, task.Body) || d.Header.Get("X-Value") != "before" {
		t.errorf("received body %q and X-Value %q, want %q and %q", d.Body, d.Header.Get("X-Value"), task.Body, "before")
	}
}
