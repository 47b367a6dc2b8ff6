package tasks

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/internal/aftermath"
	"github.com/typedtasks/typedtasks/internal/seen"
	"github.com/typedtasks/typedtasks/transport"
)

// source is where a delivery comes from.
type source uint8

const (
	overHTTP  source = iota
	inProcess        // a transport.Server, which gives notice of exhausted attempts itself
	inCaller         // Run, eager: errors go back to who called
	onDemand         // Debug: likewise, and the task stays in its queue
)

func (s source) inCaller() bool { return s == inCaller || s == onDemand }

// run is one delivery on its way through the pipeline, and the context of the function: one allocation for
// all that the function may ask of it. Its parent carries the deadline.
type run struct {
	context.Context
	app      *App
	route    *route
	delivery *transport.Delivery
	began    time.Duration          // since the App was made
	payload  atomic.Pointer[any]    // nil unless payloads are logged
	upgraded atomic.Pointer[string] // from which type the payload was
	told     atomic.Bool            // that some headers stay behind
	source   source
	wrapped  bool // of a message: the delivery's body is its wrapped push
	then     atomic.Pointer[aftermathOf]
}

// aftermathOf is what middleware said of a run.
type aftermathOf struct {
	context.Context
	span aftermath.Span
}

// Adopt implements aftermath.Adopter.
func (r *run) Adopt(ctx context.Context, s aftermath.Span) { r.then.Store(&aftermathOf{ctx, s}) }

// after is the context of what comes of the run once its function has returned.
func (r *run) after() context.Context {
	if then := r.then.Load(); then != nil {
		return then.Context
	}
	return r
}

func (a *App) newRun(ctx context.Context, rt *route, d *transport.Delivery, src source, began time.Duration) *run {
	r := new(run)
	r.begin(ctx, a, rt, d, src, began)
	return r
}

func (r *run) begin(ctx context.Context, a *App, rt *route, d *transport.Delivery, src source, began time.Duration) {
	r.Context, r.app, r.route, r.delivery, r.source, r.began = ctx, a, rt, d, src, began
}

// Value answers for what the run itself carries.
func (r *run) Value(key any) any {
	switch key.(type) {
	case runKey:
		return r
	case appKey:
		return r.app
	case aftermath.Key:
		return r
	case headersKey:
		picked, left := r.app.pick(r.delivery.Header)
		if left != nil && !r.told.Swap(true) {
			r.app.leaveBehind(r.Context, left)
		}
		return freshHeader(picked)
	case seen.UpgradeKey:
		return seen.UpgradeFunc(func(from string) { r.upgraded.Store(&from) })
	case seen.Key:
		if r.app.cfg.LogPayloads {
			return seen.Func(r.see)
		}
		return nil
	}
	return r.Context.Value(key)
}

type runKey struct{}

// deliver is the one pipeline: whatever way a delivery comes, this decides what becomes of it.
func (r *run) deliver() verdict {
	v, src := r.execute(), r.source
	switch {
	case v.outcome == OutcomeExecuted:
		r.log(&v)
		return v
	case (v.outcome == OutcomeSnoozed || v.outcome == OutcomeEnqueued) && !src.inCaller():
		v = r.snooze(v)
	case v.outcome == OutcomeRejected && !src.inCaller() && !v.misdirected: // the caller has the error: nothing is lost
		v = r.quarantine(v)
	}
	if (v.outcome == OutcomeFailed || v.outcome == OutcomeRetryLater) && r.unannounced() && r.app.cfg.Quarantine != nil && !r.isMessage() {
		v = r.quarantineIfLast(v)
	}
	r.log(&v)
	return v
}

// unannounced reports whether nobody gives notice when the attempts are used up.
func (r *run) unannounced() bool {
	return r.source == overHTTP || r.source == inProcess && fromScheduler(r.delivery)
}

// execute runs middleware and function. A panic is a failed attempt. So is runtime.Goexit, but it cannot be
// stopped: nobody is left to answer, and only the log tells.
func (r *run) execute() (v verdict) {
	returned := false
	defer func() {
		if p := recover(); p != nil {
			v = verdict{outcome: OutcomeFailed, err: &panicError{p}, stack: debug.Stack()}
		} else if !returned {
			r.log(&verdict{outcome: OutcomeFailed, err: errGoexit, stack: debug.Stack()})
		}
	}()
	if err := r.open(); err != nil {
		_, misdirected := err.(*misdirectedError)
		v = verdict{outcome: OutcomeRejected, err: err, misdirected: misdirected}
	} else {
		v = judge(r.route.handler(r, r.delivery))
	}
	returned = true
	return v
}

var errGoexit = errors.New("the function ended its goroutine (runtime.Goexit, or FailNow of a test)")

// forCaller is the error that Run and an eager Enqueue return. A directive turns into an ordinary error, so
// that a function that passes on the error of a task which it ran does not itself snooze.
func (v verdict) forCaller() error {
	if v.outcome == OutcomeExecuted || v.outcome == OutcomeDiscarded {
		return nil
	}
	return v.inert()
}

// inert is the verdict's error without its power over who returns it.
func (v verdict) inert() error {
	d, ok := errors.AsType[*directive](v.err)
	if !ok {
		return v.err
	}
	text := v.err.Error()
	if v.outcome == OutcomeSnoozed || v.outcome == OutcomeRetryLater || v.outcome == OutcomeEnqueued {
		text += ", but it ran in its caller"
	}
	for ok { // a directive's reason may hold another
		v.err = d.err
		d, ok = errors.AsType[*directive](v.err)
	}
	return &inertError{text: text, cause: v.err}
}

type inertError struct {
	text  string
	cause error
}

func (e *inertError) Error() string { return e.text }

func (e *inertError) Unwrap() error { return e.cause }

// retryAfter is what the source is asked for.
func (v verdict) retryAfter() time.Duration {
	if v.outcome == OutcomeRetryLater {
		return v.after
	}
	return 0
}
