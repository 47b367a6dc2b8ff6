// Package transport is the seam between typed tasks and whatever carries them: plain bytes, headers and
// times, and one method, [Transport.Enqueue]. It knows neither Google nor generics nor an HTTP server.
//
// What a driver can do beyond enqueueing is a small interface of its own ([Batcher], [Inspector],
// [QueueAdmin], [Server], [Clock], ...), found with [As].
//
// # Drivers
//
// [github.com/typedtasks/typedtasks/transport/memory] runs tasks in this process with the semantics of
// Cloud Tasks; [github.com/typedtasks/typedtasks/transport/eager] runs them in the caller. A driver of your
// own proves itself with one call to transporttest.Run.
//
// # Delivery guarantees
//
// At least once, in no particular order. A task whose explicit id is taken is not enqueued again.
//
// # Errors
//
// Drivers return *[Error]; test with errors.Is against [ErrNotFound], [ErrExists], [ErrGone] and their
// siblings, or switch on [KindOf].
//
// # Limits
//
// Those of Cloud Tasks, as constants: [MaxTaskSize], [MaxDelay], [MinTimeout], [MaxTimeout].
package transport

import (
	"context"
	"net/http"
	"time"
)

// Transport puts tasks into queues. It is the one thing that a driver must do.
//
// Enqueue hands one task to the queue t.Queue. When it returns nil, the task has been accepted and will be
// delivered at least once, not before t.ETA; the Receipt holds the id and the queue it really went to. When
// it returns an error, the task may still have been accepted (an answer can be lost): only an error of kind
// [KindInvalid], [KindTooLarge], [KindTooFar], [KindCapacity], [KindClosed] or [KindUnsupported] proves that
// it was not.
//
// Enqueue never makes two tasks of one call and does not retry; retrying is the caller's, and safe with an
// explicit t.ID. An id that is taken answers an error matching [ErrExists] while the holder waits or runs and
// [ErrGone] after it, together with a Receipt whose ID, Queue and Duplicate are set.
//
// It blocks no longer than ctx allows and returns ctx's error, wrapped, when ctx ends first; a ctx that has
// ended enqueues nothing. It is safe for concurrent use. It neither keeps nor changes t or anything that t
// refers to after it returns.
type Transport interface {
	Enqueue(ctx context.Context, t *Task) (Receipt, error)
}

// Task is one piece of work on its way into a queue. The zero value of each optional field means what its
// comment says. Drivers do not change it; nor must middleware share its Header or Body between tasks.
type Task struct {
	ID       string        // explicit id: letters, digits, "-" and "_", at most 500; empty: the driver makes one
	Queue    string        // queue id: letters, digits and "-", at most 100
	URL      string        // where it is delivered
	Audience string        // whom the delivery's token is made for; empty: the driver's default
	Header   http.Header   // sent with each delivery; one value per name reaches the handler
	Body     []byte        // sent as it is
	ETA      time.Time     // not before; zero or past: now; at most MaxDelay ahead
	Timeout  time.Duration // dispatch deadline of one attempt, MinTimeout to MaxTimeout; 0: DefaultTimeout
	Retry    *RetryConfig  // replaces the queue's retry settings for this task, as a whole; nil: the queue's
}

// Receipt tells what became of an enqueued task.
type Receipt struct {
	ID        string    // the task's id within its queue; for a duplicate, the id that was taken
	Queue     string    // the queue that holds it
	ETA       time.Time // when it is due; zero: at once
	Duplicate bool      // the id was taken: nothing was enqueued
	Finished  bool      // the duplicate's holder has already run, where the driver can tell
}

// Result is the outcome of one task out of many: the Receipt, or why there is none.
type Result struct {
	Receipt Receipt
	Err     error
}

// Size estimates how many bytes the task occupies once stored, as Cloud Tasks counts them: body, URL, id,
// headers and a fixed share for names and times. It errs on the high side by at most a few hundred bytes.
func (t *Task) Size() int {
	bytes, values, _ := measure(t.Header)
	return t.sizeWith(bytes, values)
}

func (t *Task) sizeWith(headerBytes, headerValues int) int {
	return sizeReserve + len(t.Body) + len(t.URL) + len(t.Audience) + len(t.Queue) + len(t.ID) +
		headerBytes + headerValues*headerOverhead
}

// Check reports why no driver should accept the task at the time now: a bad queue or task id, headers or
// payload over the limit, a time too far ahead, a timeout out of range. The error's kind is KindInvalid,
// KindTooLarge or KindTooFar. It is what Cloud Tasks itself refuses, found before anything is sent.
func (t *Task) Check(now time.Time) error {
	if err := CheckQueue(t.Queue); err != nil {
		return &Error{Op: OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: KindInvalid, Err: err}
	}
	if t.ID != "" {
		if err := CheckID(t.ID); err != nil {
			return &Error{Op: OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: KindInvalid, Err: err}
		}
	}
	bytes, values, bad := measure(t.Header) // once: it is most of what Check costs
	if n := t.sizeWith(bytes, values); n > MaxTaskSize {
		return &Error{Op: OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: KindTooLarge, Err: sizeError{got: n}}
	}
	if !t.ETA.IsZero() && t.ETA.Sub(now) > MaxDelay {
		return &Error{Op: OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: KindTooFar, Err: farError{eta: t.ETA, now: now}}
	}
	return t.checkRest(bytes, bad)
}

// checkRest holds what is rarely wrong.
func (t *Task) checkRest(headerBytes int, bad error) error {
	err := bad
	switch {
	case err != nil:
	case headerBytes > MaxHeaderBytes:
		err = lengthError{what: "header", got: headerBytes, most: MaxHeaderBytes}
	case t.Timeout != 0 && (t.Timeout < MinTimeout || t.Timeout > MaxTimeout):
		err = timeoutError{got: t.Timeout}
	case len(t.URL) > MaxURL:
		err = lengthError{what: "URL", got: len(t.URL), most: MaxURL}
	case t.Retry != nil:
		err = t.Retry.Validate()
	}
	if err == nil {
		return nil
	}
	return &Error{Op: OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: KindInvalid, Err: err}
}
