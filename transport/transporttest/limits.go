package transporttest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func limitLaws() []law {
	return []law{
		{"limits/size", "A task of MaxTaskSize is delivered whole; one byte more answers ErrTooLarge and is not enqueued.", limitsSize},
		{"limits/accepted", "The longest ids, the shortest and longest timeouts and every retry setting in range are accepted.", limitsAccepted},
		{"limits/refused", "A field out of range answers ErrInvalid, and nothing is enqueued.", limitsRefused},
	}
}

func limitsSize(t *trial) {
	box := t.receive(done)
	task := t.task("giant")
	task.Body = nil
	task.Body = bytes.Repeat([]byte("0123456789abcdef"), transport.MaxTaskSize/16)[:transport.MaxTaskSize-t.Overhead-task.Size()]
	body := task.Body
	task.Body = append(bytes.Clone(body), '!')
	t.refuses(task, transport.ErrTooLarge)
	box.none("the task was refused")
	task.Body = body
	t.enqueue(task)
	if got := box.next().Body; !bytes.Equal(got, body) {
		t.errorf("sent %s, received %s", brief(body), brief(got))
	}
}

func limitsAccepted(t *trial) {
	box := t.receive(done)
	for i, c := range []struct {
		what   string
		change func(*transport.Task)
	}{
		{"an id of 500 bytes", func(k *transport.Task) { k.ID = strings.Repeat("a_Z-9", transport.MaxTaskID/5) }},
		{"the shortest timeout", func(k *transport.Task) { k.Timeout = transport.MinTimeout }},
		{"the longest timeout", func(k *transport.Task) { k.Timeout = transport.MaxTimeout }},
		{"default retries", func(k *transport.Task) { k.Retry = &transport.RetryConfig{} }},
		{"unlimited retries", func(k *transport.Task) {
			k.Retry = &transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts}
		}},
		{"a URL of 2083 bytes", func(k *transport.Task) {
			k.URL = t.Endpoint + "?" + strings.Repeat("u", transport.MaxURL-len(t.Endpoint)-1)
		}},
		{"60 KiB of headers", func(k *transport.Task) { k.Header = http.Header{"X-Large": {strings.Repeat("h", 60<<10)}} }},
	} {
		task := t.task(fmt.Sprintf("edge-%d", i))
		c.change(task)
		t.enqueue(task)
		if d := box.next(); d.ID != task.ID {
			t.errorf("%s: received task %q, want %q", c.what, d.ID, task.ID)
		}
	}
}

func limitsRefused(t *trial) {
	box := t.receive(done)
	for i, c := range []struct {
		what   string
		change func(*transport.Task)
	}{
		{"no queue", func(k *transport.Task) { k.Queue = "" }},
		{"a queue with an underscore", func(k *transport.Task) { k.Queue = "not_legal" }},
		{"a queue with a slash", func(k *transport.Task) { k.Queue = "a/b" }},
		{"a queue of 101 bytes", func(k *transport.Task) { k.Queue = strings.Repeat("q", transport.MaxQueueID+1) }},
		{"an id with a dot", func(k *transport.Task) { k.ID = "a.b" }},
		{"an id with a letter beyond ASCII", func(k *transport.Task) { k.ID = "é" }},
		{"an id of 501 bytes", func(k *transport.Task) { k.ID = strings.Repeat("i", transport.MaxTaskID+1) }},
		{"a header value with a line break", func(k *transport.Task) { k.Header = http.Header{"X-Split": {"a\r\nX-Forged: b"}} }},
		{"a header name with a space", func(k *transport.Task) { k.Header = http.Header{"X Split": {"a"}} }},
		{"headers over the limit", func(k *transport.Task) {
			k.Header = http.Header{"X-Large": {strings.Repeat("h", transport.MaxHeaderBytes)}}
		}},
		{"a timeout under MinTimeout", func(k *transport.Task) { k.Timeout = transport.MinTimeout - time.Millisecond }},
		{"a timeout over MaxTimeout", func(k *transport.Task) { k.Timeout = transport.MaxTimeout + time.Millisecond }},
		{"a negative timeout", func(k *transport.Task) { k.Timeout = -transport.MinTimeout }},
		{"a URL over the limit", func(k *transport.Task) { k.URL = t.Endpoint + "?" + strings.Repeat("u", transport.MaxURL) }},
		{"retries from a longer to a shorter delay", func(k *transport.Task) {
			k.Retry = &transport.RetryConfig{MinBackoff: time.Minute, MaxBackoff: time.Second}
		}},
		{"a negative number of doublings", func(k *transport.Task) { k.Retry = &transport.RetryConfig{MaxDoublings: -1} }},
	} {
		task := t.task(fmt.Sprintf("refused-%d", i))
		c.change(task)
		if _, err := t.attempt(task); transport.KindOf(err) != transport.KindInvalid {
			t.errorf("%s: error %q, want one of KindInvalid", c.what, text(err))
		}
	}
	box.none("every task was refused")
}
