package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func retryLaws() []law {
	return []law{
		{"retry/failure", "A status outside 200 to 299 is a failure, and a failed task is delivered again.", retryFailure},
		{"retry/success", "A status of 200 to 299 is success, whatever error comes with it, and the task is not delivered again.", retrySuccess},
		{"retry/counters", "Attempt counts every attempt, Executions the earlier ones not answered with 5xx, PreviousResponse is the last status.", retryCounters},
		{"retry/unchanged", "Each attempt carries the id, the queue, the body and the headers of the first.", retryUnchanged},
		{"retry/panic", "A handler that panics has failed: its task is delivered again, and the previous response is a 5xx.", retryPanic},
		{"retry/max-attempts", "A task is attempted MaxAttempts times, the first one included, and then given up.", retryMaxAttempts},
		{"retry/max-duration", "Retrying ends with MaxRetryDuration, and where MaxAttempts is set too, when both are used up.", retryMaxDuration},
		{"retry/exhausted", "A Server that gives up on a task says so exactly once, with the task and the status of its last attempt.", retryExhausted},
		{"retry/queue-settings", "A queue's retry settings hold for the tasks that bring none; those of a task replace them as a whole.", retryQueueSettings},
	}
}

func retryFailure(t *trial) {
	t.needsQueueing()
	box := t.receive(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Attempt > 1 {
			return http.StatusOK, 0, nil
		}
		return statusOf(d), 0, nil
	})
	for _, status := range []int{300, 302, 400, 404, 409, 429, 500, 503, 599} {
		t.enqueue(t.retried(fmt.Sprintf("status-%d", status)))
		first, second := box.next(), box.next()
		if first.Attempt != 1 || second.Attempt != 2 || second.ID != first.ID {
			t.errorf("status %d: received attempt %d of %q and attempt %d of %q", status, first.Attempt, first.ID, second.Attempt, second.ID)
		}
	}
	box.none("every second attempt succeeded")
}

func retrySuccess(t *trial) {
	t.needsQueueing()
	box := t.receive(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		return statusOf(d), 0, errors.New("not decisive")
	})
	for _, status := range []int{200, 201, 202, 204, 299} {
		t.enqueue(t.retried(fmt.Sprintf("status-%d", status)))
		box.next()
	}
	box.none("every task succeeded")
}

// statusOf reads the status that a task's id asks for.
func statusOf(d *transport.Delivery) int {
	status := http.StatusOK
	_, _ = fmt.Sscanf(d.ID, "status-%d", &status)
	return status
}

func retryCounters(t *trial) {
	t.needsQueueing()
	statuses := []int{503, 404, 429, 500, 302, 200} // and what Cloud Tasks was seen to count
	executions := []int{0, 0, 1, 2, 2, 3}
	box := t.receive(answers(statuses...))
	t.enqueue(t.retried("counted"))
	var began time.Time
	for i := range statuses {
		d, previous := box.next(), 0
		if i > 0 {
			previous = statuses[i-1]
		}
		if d.Attempt != i+1 || d.Executions != executions[i] || d.PreviousResponse != previous {
			t.errorf("delivery %d: attempt %d, executions %d, previous response %d; want %d, %d, %d",
				i+1, d.Attempt, d.Executions, d.PreviousResponse, i+1, executions[i], previous)
		}
		if i == 0 {
			began = d.at
		}
		if !d.FirstAttempt.IsZero() && d.FirstAttempt.Sub(began).Abs() > time.Second {
			t.errorf("delivery %d says that the first attempt began %s, want about %s", i+1, d.FirstAttempt, began)
		}
	}
	box.none("the last attempt succeeded")
}

func retryUnchanged(t *trial) {
	t.needsQueueing()
	box := t.receive(answers(500, 500, 200))
	task := t.retried("same")
	task.Queue = t.OtherQueue
	task.Header = http.Header{"X-Value": {"same"}}
	t.enqueue(task)
	for i := range 3 {
		d := box.next()
		if d.ID != "same" || d.Queue != t.OtherQueue || string(d.Body) != string(task.Body) || d.Header.Get("X-Value") != "same" {
			t.errorf("delivery %d: id %q, queue %q, body %q, X-Value %q", i+1, d.ID, d.Queue, d.Body, d.Header.Get("X-Value"))
		}
	}
}

func retryPanic(t *trial) {
	t.needsQueueing()
	ability[transport.Server](t)
	box := t.receive(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Attempt == 1 {
			panic("a handler's mistake")
		}
		return http.StatusOK, 0, nil
	})
	t.enqueue(t.retried("panics"))
	box.next()
	if d := box.next(); d.Attempt != 2 || d.PreviousResponse < 500 || d.PreviousResponse > 599 || d.Executions != 0 {
		t.errorf("after the panic: attempt %d, executions %d, previous response %d; want 2, 0, a 5xx", d.Attempt, d.Executions, d.PreviousResponse)
	}
}

func retryMaxAttempts(t *trial) {
	t.needsQueueing()
	box := t.receive(answers(500))
	for _, most := range []int{1, 3} {
		task := t.task(fmt.Sprintf("most-%d", most))
		task.Retry = quickly(most)
		t.enqueue(task)
		box.attempts(most)
	}
}

func retryMaxDuration(t *trial) {
	t.needsQueueing()
	t.needsBubble()
	box := t.receive(answers(500))
	for i, c := range []struct{ attempts, want int }{
		{transport.UnlimitedAttempts, 8}, // at 0, 10, ... 70 s, the first that fails after 65 s
		{2, 8},
		{12, 12},
	} {
		task := t.task(fmt.Sprintf("duration-%d", i))
		task.Retry = &transport.RetryConfig{
			MaxAttempts: c.attempts, MaxRetryDuration: 65 * time.Second,
			MinBackoff: 10 * time.Second, MaxBackoff: 10 * time.Second,
		}
		t.enqueue(task)
		box.attempts(c.want)
	}
}

func retryExhausted(t *trial) {
	t.needsQueueing()
	ability[transport.Server](t)
	box := t.receive(answers(503, 418, 500))
	task := t.task("hopeless")
	task.Retry = quickly(2)
	task.Header = http.Header{"X-Value": {"kept"}}
	t.enqueue(task)
	box.next()
	box.next()
	n := box.notice()
	if n.ID != task.ID || n.Queue != task.Queue || n.URL != task.URL || string(n.Body) != string(task.Body) || n.Header.Get("X-Value") != "kept" {
		t.errorf("the notice is not about the task that was given up: %+v", n.Task)
	}
	if n.PreviousResponse != 418 {
		t.errorf("the notice says that the last attempt ended with %d, want 418", n.PreviousResponse)
	}
	box.none("one notice is the last that is heard of a task")
}

func retryQueueSettings(t *trial) {
	t.needsQueueing()
	admin := ability[transport.QueueAdmin](t)
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(admin.PutQueue(ctx, t.Queue, transport.QueueConfig{Retry: *quickly(2)}), nil, "PutQueue")
	box := t.receive(answers(500))
	t.enqueue(t.task("of-the-queue"))
	box.attempts(2)
	own := t.task("own")
	own.Retry = quickly(3)
	t.enqueue(own)
	box.attempts(3)
}

// attempts takes n deliveries, and the notice that may follow, and records any other.
func (b *inbox) attempts(n int) {
	for range n {
		b.next()
	}
	b.t.pass(b.t.Grace)
	b.mu.Lock()
	b.notices = nil
	b.mu.Unlock()
	b.none(fmt.Sprintf("%d attempts were allowed", n))
}
