package transporttest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func timingLaws() []law {
	return []law{
		{"retry/backoff", "After the n-th failure the next attempt begins RetryConfig.Delay(n) after that failure, not earlier.", retryBackoff},
		{"retry/retry-after", "After a failure the next attempt begins no sooner than the handler asked for.", retryAfter},
		{"deadline/given", "A handler's context ends when the task's timeout has passed, DefaultTimeout where it has none.", deadlineGiven},
		{"deadline/overstayed", "An attempt that overstays its deadline has failed with 504, whatever it answers later, and is retried.", deadlineOverstayed},
	}
}

func retryBackoff(t *trial) {
	t.needsQueueing()
	cfg := transport.RetryConfig{MinBackoff: 10 * time.Millisecond, MaxBackoff: 70 * time.Millisecond, MaxDoublings: 2}
	work, exact := time.Duration(0), false
	if t.Bubble {
		cfg = transport.RetryConfig{MinBackoff: 10 * time.Second, MaxBackoff: 300 * time.Second, MaxDoublings: 3}
		work, exact = 3*time.Second, true
	}
	const failures = 8
	var mu sync.Mutex
	var failed []time.Time
	box := t.receive(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Attempt > failures {
			return http.StatusOK, 0, nil
		}
		if work > 0 {
			<-time.After(work)
		}
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, time.Now())
		return http.StatusInternalServerError, 0, nil
	})
	task := t.task("patient")
	task.Retry = &cfg
	t.enqueue(task)
	box.next()
	for n := range failures {
		d := box.next()
		mu.Lock()
		gap := d.at.Sub(failed[n])
		mu.Unlock()
		want := cfg.Delay(n + 1)
		if gap < want || exact && gap > want+time.Millisecond {
			t.errorf("attempt %d began %s after the failure before it, want %s", n+2, gap, want)
		}
	}
}

func retryAfter(t *trial) {
	t.needsQueueing()
	t.needsBubble()
	box := t.receive(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Attempt == 1 {
			return http.StatusServiceUnavailable, 40 * time.Second, nil
		}
		return http.StatusOK, 0, nil
	})
	t.enqueue(t.retried("asks"))
	if gap := box.next().at.Sub(box.next().at).Abs(); gap < 40*time.Second {
		t.errorf("the handler asked for 40s and got %s", gap)
	}
	box.none("the second attempt succeeded")
}

func deadlineGiven(t *trial) {
	t.needsBubble()
	box := t.receive(done)
	for _, timeout := range []time.Duration{0, transport.MinTimeout, transport.MaxTimeout} {
		task := t.task("")
		task.Timeout = timeout
		t.enqueue(task)
		want := timeout
		if want == 0 {
			want = transport.DefaultTimeout
		}
		if d := box.next(); d.deadline.IsZero() || (d.deadline.Sub(d.at)-want).Abs() > time.Millisecond {
			t.errorf("timeout %s: the attempt began %s with deadline %s", timeout, d.at, d.deadline)
		}
	}
}

func deadlineOverstayed(t *trial) {
	t.needsQueueing()
	t.needsBubble()
	g := t.gate()
	ended := make(chan error, 1)
	box := t.receive(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if d.Attempt == 1 {
			select {
			case <-ctx.Done():
			case <-g.ch: // the driver set no deadline
			}
			offer(ended, ctx.Err())
			<-time.After(time.Second)
		}
		return http.StatusOK, 0, nil
	})
	task := t.task("slow")
	task.Timeout = transport.MinTimeout
	task.Retry = &transport.RetryConfig{MinBackoff: 10 * time.Second, MaxBackoff: 10 * time.Second}
	t.enqueue(task)
	first, second := box.next(), box.next()
	select {
	case err := <-ended:
		t.wantError(err, context.DeadlineExceeded, "the context of the attempt")
	default:
		t.errorf("the context of the attempt did not end")
	}
	if gap := second.at.Sub(first.at); gap < transport.MinTimeout+10*time.Second {
		t.errorf("the retry began %s after the first attempt, want its timeout and backoff, 25s", gap)
	}
	if second.Attempt != 2 || second.PreviousResponse != http.StatusGatewayTimeout || second.Executions != 0 {
		t.errorf("the retry: attempt %d, executions %d, previous response %d; want 2, 0, 504", second.Attempt, second.Executions, second.PreviousResponse)
	}
	box.none("the second attempt succeeded")
}
