package transporttest_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// dispatch starts what is due and allowed, and sees to it that it is called again when more is.
func (r *reference) dispatch(q *queue) {
	now := time.Now()
	again := time.Duration(math.MaxInt64)
	for _, it := range q.items {
		if it.running || r.closing && !r.has("starts attempts during Shutdown") {
			continue
		}
		if wait := it.due.Sub(now); wait > 0 && !it.forced {
			again = min(again, wait)
			continue
		}
		if !it.forced && !r.allowed(q) {
			continue
		}
		h, served := r.handler(it.URL)
		if !served {
			continue
		}
		if wait := q.take(now); wait > 0 && !it.forced && !r.has("ignores the rate") {
			again = min(again, wait)
			continue
		}
		r.start(q, it, h)
	}
	q.next = time.Time{}
	if again < math.MaxInt64 {
		r.wake(q, now.Add(again))
	}
}

// wake sees to it that dispatch is called at the given time or sooner.
func (r *reference) wake(q *queue, at time.Time) {
	if !q.next.IsZero() && !at.Before(q.next) {
		return
	}
	if q.timer != nil {
		q.timer.Stop()
	}
	q.next = at
	q.timer = time.AfterFunc(time.Until(at), func() { r.locked(func() { r.dispatch(q) }) })
}

func (r *reference) allowed(q *queue) bool {
	return (!q.paused || r.has("runs tasks of a paused queue")) &&
		(q.active < q.cfg.MaxConcurrentDispatches || r.has("ignores the concurrency limit"))
}

// take takes a token from the queue's bucket, or says how long until there is one.
func (q *queue) take(now time.Time) time.Duration {
	rate := q.cfg.MaxDispatchesPerSecond
	if math.IsInf(rate, 1) {
		return 0
	}
	q.tokens = min(float64(q.cfg.Burst()), q.tokens+now.Sub(q.filled).Seconds()*rate)
	q.filled = now
	if q.tokens < 1 {
		return time.Duration(math.Ceil((1 - q.tokens) / rate * float64(time.Second)))
	}
	q.tokens--
	return 0
}

func (r *reference) start(q *queue, it *item, h transport.Handler) {
	now := time.Now()
	it.running, it.forced = true, false
	it.Dispatches++
	if it.first.IsZero() {
		it.first = now
	}
	q.active++
	r.running++
	d := r.delivery(it)
	timeout := cmp.Or(it.Timeout, transport.DefaultTimeout)
	go func() {
		if r.has("delivers twice") {
			r.call(h, d, timeout)
		}
		status, after := r.call(h, d, timeout)
		r.locked(func() { r.ended(q, it, now, status, after) })
	}()
}

func (r *reference) delivery(it *item) *transport.Delivery {
	d := &transport.Delivery{
		Task: clone(&it.Task), Attempt: it.Dispatches, Executions: it.executions, PreviousResponse: it.previous, FirstAttempt: it.first,
	}
	d.Retry = nil
	switch r.fault {
	case "aliases the task":
		d.ID, d.Queue, d.URL = it.caller.ID, it.caller.Queue, it.caller.URL
	case "aliases the body":
		d.Body = it.caller.Body
	case "aliases the header":
		d.Header = it.caller.Header
	case "loses zero bytes":
		if n := len(d.Body); n > 0 && d.Body[n-1] == 0 {
			d.Body = d.Body[:n-1]
		}
	case "loses empty headers":
		for k, vs := range d.Header {
			if vs[0] == "" {
				delete(d.Header, k)
			}
		}
	case "loses the query":
		d.URL, _, _ = strings.Cut(d.URL, "?")
	case "loses the ETA":
		d.ETA = time.Time{}
	case "counts attempts from 0":
		d.Attempt--
	case "forgets the previous response":
		d.PreviousResponse = 0
	case "restarts the first attempt's time":
		d.FirstAttempt = time.Now().Add(time.Hour)
	case "loses the body on a retry":
		if d.Attempt > 1 {
			d.Body = nil
		}
	}
	return d
}

// call runs one attempt within its deadline.
func (r *reference) call(h transport.Handler, d *transport.Delivery, timeout time.Duration) (status int, after time.Duration) {
	ctx, cancel := context.WithTimeout(r.ctx, timeout)
	defer cancel()
	if r.has("gives no deadline") {
		ctx = r.ctx
	}
	type answer struct {
		status int
		after  time.Duration
	}
	answered := make(chan answer, 1)
	go func() {
		a := answer{status: http.StatusInternalServerError}
		if r.has("takes a panic for success") {
			a.status = http.StatusOK
		}
		defer func() {
			_ = recover()
			answered <- a
		}()
		status, after, err := h(ctx, d)
		if err != nil && r.has("takes any error for a failure") {
			status = http.StatusInternalServerError
		}
		a = answer{status, after}
	}()
	if r.has("lets handlers overstay") {
		a := <-answered
		return a.status, a.after
	}
	select {
	case a := <-answered:
		return a.status, a.after
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return http.StatusGatewayTimeout, 0
		}
		a := <-answered
		return a.status, a.after
	}
}

func (r *reference) ended(q *queue, it *item, began time.Time, status int, after time.Duration) {
	now := time.Now()
	it.running = false
	q.active--
	r.running--
	if !r.has("never counts answers") {
		it.Seen++
	}
	it.previous = status
	if status < 500 || status > 599 || r.has("counts 5xx as executions") {
		it.executions++
	}
	switch {
	case it.deleted && !r.has("retries a deleted task"):
	case r.succeeded(status):
		q.remove(it)
	default:
		r.failed(q, it, began, now, after)
	}
	if r.closing && r.running == 0 {
		r.close()
	}
	r.dispatch(q)
}

func (r *reference) succeeded(status int) bool {
	switch r.fault {
	case "retries 204":
		return status >= 200 && status < 300 && status != 204
	case "takes a redirect for success":
		return status >= 200 && status < 400
	}
	return status >= 200 && status < 300
}

func (r *reference) failed(q *queue, it *item, began, now time.Time, after time.Duration) {
	retry := q.cfg.Retry
	if it.Retry != nil && !r.has("ignores the task's retry settings") {
		retry = it.Retry.WithDefaults()
	}
	if r.has("aliases the retry settings") && it.caller.Retry != nil {
		retry = it.caller.Retry.WithDefaults()
	}
	attempts := it.Dispatches
	if r.has("makes one attempt too many") {
		attempts--
	}
	exhausted := retry.Exhausted(attempts, now.Sub(it.first))
	if r.has("gives up when either limit is reached") {
		exhausted = retry.MaxAttempts > 0 && attempts >= retry.MaxAttempts || exhausted
	}
	if exhausted {
		q.remove(it)
		r.giveUp(it)
		return
	}
	delay := retry.Delay(it.Dispatches)
	switch {
	case r.has("ignores the linear part of the backoff"):
		delay = min(retry.MinBackoff<<min(it.Dispatches-1, 20), retry.MaxBackoff)
	case r.has("measures the backoff from the attempt's beginning"):
		now = began
	}
	if !r.has("ignores what the handler asks for") {
		delay = max(delay, after)
	}
	it.due = now.Add(delay)
	if it.deleted {
		it.deleted = false
		q.add(it)
	}
}

func (r *reference) giveUp(it *item) {
	h, served := r.handler(it.URL)
	if !served || r.has("gives up in silence") {
		return
	}
	d := r.delivery(it)
	d.Exhausted = true
	if r.has("gives notice of another status") {
		d.PreviousResponse = 0
	}
	if r.has("gives notice without the body") {
		d.Body = nil
	}
	r.running++
	go func() {
		r.call(h, d, transport.DefaultTimeout)
		if r.has("gives notice twice") {
			r.call(h, d, transport.DefaultTimeout)
		}
		r.locked(func() {
			if r.running--; r.closing && r.running == 0 {
				r.close()
			}
		})
	}()
}

func (r *reference) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}
