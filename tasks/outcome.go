package tasks

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// Discard ends the task for good: it is never retried, and answered with 202. err is logged; nil is fine.
// Errors.Is and errors.As reach err.
func Discard(err error) error { return &directive{verb: discard, err: err} }

// Snooze ends this run and enqueues the task anew, due in d (at most 720 h), under the id <id>-s<n>. It is no
// failure: retry limits start afresh. Headers carry the first id and the attempts used, and [Metadata] reports
// those. The run is answered with 200 once that enqueue has succeeded, else with 500.
func Snooze(d time.Duration) error { return &directive{verb: snooze, d: d} }

// RetryAfter fails the attempt because something downstream is out, and asks for d before the next: 503 with
// Retry-After. On Cloud Tasks that slows the whole queue down, and how d is weighed is the platform's; for
// one bad payload return an ordinary error instead.
func RetryAfter(d time.Duration, err error) error {
	return &directive{verb: retryAfter, d: d, err: err}
}

// Reject says that the delivery itself is unusable, now and on every retry: a body that does not decode or
// validate. It is quarantined where Config.Quarantine is set, else answered with 400. The function of a task
// never needs it; the Handle of a [Spec] does.
func Reject(err error) error { return &directive{verb: reject, err: err} }

// HandOver ends this run of a message and enqueues the message as a task of its subscriber, to run again as one: what
// ViaTasks of package pubsub does. Anywhere else it is a failure.
func HandOver() error { return &directive{verb: handOver} }

type verb uint8

const (
	discard verb = iota + 1
	snooze
	retryAfter
	reject
	handOver
)

// directive is an outcome that a function asks for by its error.
type directive struct {
	verb verb
	d    time.Duration
	err  error
}

// Error reads as what was asked for, then why.
func (e *directive) Error() string {
	var s string
	switch e.verb {
	case discard:
		s = "discarded"
	case snooze:
		s = fmt.Sprintf("snoozed for %s", e.d)
	case retryAfter:
		s = fmt.Sprintf("retry after %s", e.d)
	case reject:
		s = "rejected"
	case handOver:
		s = "handed over to a task"
	}
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

// Unwrap returns the reason.
func (e *directive) Unwrap() error { return e.err }

// Outcome is what became of one delivery, as its HTTP answer's "status" says it.
type Outcome string

// The outcomes of a delivery.
const (
	OutcomeExecuted    Outcome = "executed"    // 200
	OutcomeSnoozed     Outcome = "snoozed"     // 200
	OutcomeEnqueued    Outcome = "enqueued"    // 200: a message that was turned into a task
	OutcomeDiscarded   Outcome = "discarded"   // 202
	OutcomeQuarantined Outcome = "quarantined" // 202
	OutcomeRejected    Outcome = "rejected"    // 400: does not decode or validate
	OutcomeFailed      Outcome = "failed"      // 500: an error or a panic
	OutcomeRetryLater  Outcome = "retry_later" // 503: RetryAfter
)

// OutcomeOf tells what a function's error asks for. For middleware of [App.Use]: what next returns decides the
// outcome, unless a Snooze cannot be enqueued (then it failed) or Config.Quarantine takes the delivery.
func OutcomeOf(err error) Outcome { return judge(nil, err).outcome }

// status is the outcome's HTTP status.
func (o Outcome) status() int {
	switch o {
	case OutcomeExecuted, OutcomeSnoozed, OutcomeEnqueued:
		return http.StatusOK
	case OutcomeDiscarded, OutcomeQuarantined:
		return http.StatusAccepted
	case OutcomeRejected:
		return http.StatusBadRequest
	case OutcomeRetryLater:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// verdict is an outcome with what belongs to it.
type verdict struct {
	outcome Outcome
	after   time.Duration // OutcomeRetryLater, OutcomeSnoozed
	result  any           // OutcomeExecuted
	err     error         // why, for all but OutcomeExecuted
	// misdirected: rejected here, and somebody else's to take
	misdirected bool
	stack       []byte // of a panic
	beside      *beside
}

// beside is what went wrong beside the run itself.
type beside struct {
	quarantine  error // why Config.Quarantine does not have it
	lastAttempt error // why it is not known whether the attempt was the last
}

// judge maps what a function returned. Snoozed is only asked for here: it becomes true with the enqueue.
func judge(result any, err error) verdict {
	if err == nil {
		return verdict{outcome: OutcomeExecuted, result: result}
	}
	d, ok := errors.AsType[*directive](err)
	if !ok {
		v := verdict{outcome: OutcomeFailed, err: err}
		if p, ok := errors.AsType[*payload.PanicError](err); ok {
			v.stack = p.Stack
		}
		return v
	}
	switch d.verb {
	case discard:
		return verdict{outcome: OutcomeDiscarded, err: err}
	case snooze:
		return verdict{outcome: OutcomeSnoozed, after: d.d, err: err}
	case retryAfter:
		return verdict{outcome: OutcomeRetryLater, after: d.d, err: err}
	case handOver:
		return verdict{outcome: OutcomeEnqueued, err: err}
	default:
		if d.err == nil {
			return verdict{outcome: OutcomeRejected, err: errRejected}
		}
		return verdict{outcome: OutcomeRejected, err: d.err}
	}
}

var errRejected = errors.New("the delivery was rejected without a reason")

// panicError is a panic of a function, as the error of its attempt.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Unwrap returns the panic's value where it was an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}
