package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Exhausted is a task that was given up.
type Exhausted struct {
	transport.Task
	Created      time.Time
	FirstAttempt time.Time // zero if there was none
	GivenUp      time.Time
	Attempts     int
	Executions   int    // attempts answered with anything but 5xx
	LastStatus   int    // of the last attempt; 504 after a timeout, 0 if there was none
	LastErr      error  // what the handler returned beside it
	Reason       Reason // why no attempt follows
	Quarantined  bool   // the handler answered the notice with 2xx

	named bool // the id was the sender's
	env   *envelope
}

// Reason tells why a task was given up.
type Reason string

// The reasons.
const (
	OutOfAttempts Reason = "out of attempts" // as its retry settings say
	TooOld        Reason = "too old"         // past transport.MaxLifetime
)

// maxExhaustedBytes bounds the payload in the list, whatever the number of tasks.
const maxExhaustedBytes = 64 << 20

// exhaustedList keeps the latest tasks that were given up. Its mutex is taken after a queue's.
type exhaustedList struct {
	limit int

	mu      sync.Mutex
	list    []*Exhausted // oldest first
	bytes   int
	dropped int
}

func (l *exhaustedList) add(rec *Exhausted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, rec)
	l.bytes += rec.Size()
	for len(l.list) > l.limit || l.bytes > maxExhaustedBytes {
		l.bytes -= l.list[0].Size()
		l.list[0] = nil
		l.list = l.list[1:]
		l.dropped++
	}
}

func (l *exhaustedList) quarantined(rec *Exhausted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec.Quarantined = true
}

// remove takes the newest record of that task out.
func (l *exhaustedList) remove(queue, id string) *Exhausted {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, rec := range slices.Backward(l.list) {
		if rec.ID == id && rec.Queue == queue {
			l.list = slices.Delete(l.list, i, i+1)
			l.bytes -= rec.Size()
			return rec
		}
	}
	return nil
}

func (l *exhaustedList) copy() []Exhausted {
	l.mu.Lock()
	defer l.mu.Unlock()
	recs := make([]Exhausted, len(l.list))
	for i, rec := range l.list {
		recs[i] = *rec
		own(&recs[i].Task)
	}
	return recs
}

type taskKey struct{ queue, id string }

func (l *exhaustedList) keys() []taskKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := make([]taskKey, len(l.list))
	for i, rec := range l.list {
		keys[i] = taskKey{rec.Queue, rec.ID}
	}
	return keys
}

// Exhausted returns the tasks that were given up, oldest first, with copies of their payloads.
func (e *Engine) Exhausted() []Exhausted { return e.exhausted.copy() }

// ExhaustedDropped returns how many have been dropped from that list to keep within its limits.
func (e *Engine) ExhaustedDropped() int {
	e.exhausted.mu.Lock()
	defer e.exhausted.mu.Unlock()
	return e.exhausted.dropped
}

// Requeue takes a task from the list and enqueues it anew: due now, no attempts made, a new life. It keeps an
// explicit id. On an error it stays in the list; ErrNotFound if it is not there.
func (e *Engine) Requeue(ctx context.Context, queue, id string) (transport.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return transport.Receipt{}, fail(OpRequeue, queue, id, transport.KindOther, err)
	}
	rec := e.exhausted.remove(queue, id)
	if rec == nil {
		return transport.Receipt{}, fail(OpRequeue, queue, id, transport.KindNotFound, nil)
	}
	q := (*e.queues.Load())[queue]
	t := rec.Task
	t.ETA = time.Time{}
	if !rec.named {
		t.ID = ""
	}
	receipt, err := q.enqueue(&t, q.wrap(&t), e.clock.Now(), true)
	if err != nil {
		e.exhausted.add(rec)
	}
	return receipt, err
}

// RequeueAll requeues every task in the list and returns how many. The error joins one for each that failed.
func (e *Engine) RequeueAll(ctx context.Context) (int, error) {
	var errs []error
	n := 0
	for _, task := range e.exhausted.keys() {
		if _, err := e.Requeue(ctx, task.queue, task.id); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// OpRequeue is the verb of Requeue in errors.
const OpRequeue = "requeue"
