package engine

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// run is one call of a handler: an attempt at a task, or the notice that it was given up. A worker uses one run
// after the other in the same struct. delivery belongs to the worker while the handler runs, the rest is guarded
// by the queue's mutex.
type run struct {
	delivery transport.Delivery

	env      *envelope
	handler  transport.Handler // that was called; the worker's, like delivery
	packed   []byte            // headers that are the task's alone
	named    string            // explicit id
	idx, gen uint32
	first    int64 // when the task's first attempt began
	calledAt int64 // when RunNow asked for it; 0: an ordinary dispatch
	deadline int64
	pos      int        // place in the queue's runHeap
	lost     bool       // the deadline has passed and was dealt with: the outcome does not count
	notice   *Exhausted // nil: an attempt
	gaveUp   bool       // the task is in the list of those given up
}

// outcome is how a handler answered.
type outcome struct {
	status     int
	retryAfter time.Duration
	err        error
	unanswered bool // the attempt counts, an answer does not
	brokenOff  bool // neither counts
}

// For handlers that pass tasks on: errors that tell what an HTTP status cannot.
var (
	// ErrUnanswered: nobody answered, and the status stands for that.
	ErrUnanswered = errors.New("the attempt got no answer")
	// ErrBrokenOff: the context was canceled, as Shutdown does it, and the attempt does not count.
	ErrBrokenOff = errors.New("the attempt was broken off")
)

var (
	errTimeout = errors.New("the dispatch deadline passed without an answer")
	errNoRoute = errors.New("no endpoint that is served matches the task's URL")
	errGoexit  = errors.New("the handler ended its goroutine (runtime.Goexit, or FailNow of a test)")
)

func failure(err error) outcome { return outcome{status: http.StatusInternalServerError, err: err} }

func timeout() outcome {
	return outcome{status: http.StatusGatewayTimeout, err: errTimeout, unanswered: true}
}

// call runs r's handler. It never panics; it does not return if the handler ends its goroutine. The mutex is
// not held.
func (q *queue) call(base context.Context, r *run) outcome {
	d := &r.delivery
	if r.notice == nil { // what need not be done under the mutex
		d.Header = unpack(d.Header, r.packed)
		if d.ID = r.named; d.ID == "" {
			d.ID = q.ids.id(r.idx, r.gen)
		}
	}
	h := q.e.handler(r.env)
	if h == nil && r.notice != nil {
		h = r.handler // withdrawn meanwhile: who ran the last attempt hears of its end
		if h == nil {
			h = q.e.table.Load().Any() // nobody's any more: better a neighbor hears of it than none
		}
	}
	if h == nil {
		return outcome{status: http.StatusNotFound, err: errNoRoute}
	}
	r.handler = h
	ctx := lazyctx.WithDeadline(base, q.e.contextDeadline(r))
	defer ctx.Cancel()
	status, after, err := serving.Call(ctx, h, d)
	out := outcome{status: status, retryAfter: after, err: err}
	if err != nil {
		out.unanswered, out.brokenOff = errors.Is(err, ErrUnanswered), errors.Is(err, ErrBrokenOff)
	}
	return out
}

// contextDeadline is r's deadline on the clock that contexts go by. In manual mode the engine's own clock stands
// still, and may be far from it.
func (e *Engine) contextDeadline(r *run) time.Time {
	if e.cfg.Manual {
		return time.Now().Add(r.env.timeout)
	}
	return time.Unix(0, r.deadline)
}

// runHeap orders runs by deadline; each knows its place.
type runHeap []*run

// first returns the earliest deadline.
func (h runHeap) first() int64 {
	if len(h) == 0 {
		return never
	}
	return h[0].deadline
}

func (h *runHeap) push(r *run) {
	*h = append(*h, r)
	r.pos = len(*h) - 1
	h.up(r.pos)
}

func (h *runHeap) remove(r *run) {
	last := len(*h) - 1
	i := r.pos
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h runHeap) up(i int) {
	for i > 0 && h[i].deadline < h[(i-1)/2].deadline {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h runHeap) down(i int) {
	for {
		kid := 2*i + 1
		if kid >= len(h) {
			return
		}
		if kid+1 < len(h) && h[kid+1].deadline < h[kid].deadline {
			kid++
		}
		if h[i].deadline <= h[kid].deadline {
			return
		}
		h.swap(i, kid)
		i = kid
	}
}

func (h runHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
