package tasks

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/transport"
)

// Ran is what became of a task that [App.RunBody] has run.
type Ran struct {
	Outcome Outcome // empty where it did not run
	Result  any     // of OutcomeExecuted; nil for a task without one
	Reason  error   // of OutcomeDiscarded: "discarded", and what was given to [Discard]
}

// RunBody runs the task d here and now with a body that is made already, in the App's codec: what Task.Run does, for
// callers that do not know the payload's type. A body that does not decode or validate is a *[DecodeError] or a
// *[ValidationError], and nothing has run then. Other errors are those of Task.Run; [ErrInvalid] for a definition that is
// nil or no task.
func (a *App) RunBody(ctx context.Context, d Definition, body []byte) (Ran, error) {
	rt, err := a.routeOf(ctx, d)
	switch {
	case err != nil && isNil(d):
		return Ran{}, fmt.Errorf("tasks: run: %w", err)
	case err != nil:
		return Ran{}, fmt.Errorf("tasks: %s: %w", d.Spec().Name, err)
	case rt.def == nil:
		return Ran{}, fmt.Errorf("tasks: %w: %s is no task", ErrInvalid, describe(rt.spec))
	}
	if _, _, err := a.payloadOf(rt, body); err != nil {
		return Ran{}, fmt.Errorf("tasks: %s: %w", rt.spec.Name, err)
	}
	header, _ := addPropagated(a.carriedBy(ctx), rt.header, false)
	v := a.runHere(ctx, rt, false, &transport.Delivery{
		Task:    transport.Task{Queue: rt.queue, URL: rt.url, Header: header, Body: body, ETA: a.now(), Timeout: rt.def.timeout, Retry: rt.def.retry},
		Attempt: 1,
	})
	ran := Ran{Outcome: v.outcome, Result: v.result}
	if v.outcome == OutcomeDiscarded {
		ran.Reason = v.inert()
	}
	return ran, v.forCaller()
}

// PrepareBody returns the task that [EnqueueBody] would hand to the transport, as far as no middleware changes it, and
// enqueues nothing. Errors are those that EnqueueBody finds before anything leaves, [ErrInvalid] for a nil definition
// among them.
func (a *App) PrepareBody(ctx context.Context, d Definition, body []byte, opts ...EnqueueOption) (*transport.Task, error) {
	rt, err := a.routeOf(ctx, d)
	if err != nil {
		return nil, err
	}
	var o order
	t, err := a.orderBody(ctx, rt, body, opts, &o)
	if err != nil {
		return nil, err
	}
	t.Header = t.Header.Clone()
	return t, nil
}

// routeOf finds d in this App.
func (a *App) routeOf(ctx context.Context, d Definition) (*route, error) {
	switch {
	case a == nil:
		return nil, errNilApp
	case isNil(d):
		return nil, errNilDefinition
	}
	if _, err := d.binding().App(a.Context(ctx)); err != nil {
		return nil, err
	}
	rt := a.table.Load().byOwner[d.binding()]
	if rt == nil {
		return nil, fmt.Errorf("%w with %s", ErrNotRegistered, a)
	}
	return rt, nil
}

// orderBody makes a task of a body, and o of the options.
func (a *App) orderBody(ctx context.Context, rt *route, body []byte, opts []EnqueueOption, o *order) (*transport.Task, error) {
	if rt.url == "" {
		return nil, fmt.Errorf("%w: %s is served under no path, so a task of it has nowhere to go", ErrInvalid, describe(rt.spec))
	}
	if err := a.order(ctx, rt, opts, o); err != nil {
		return nil, err
	}
	v, older, err := a.payloadOf(rt, body)
	if err == nil && older != nil && o.unique { // whose id is made of the payload; the body stays as it is
		if v, err = older.Upgrade(ctx); err != nil {
			err = judge(nil, err).inert()
		}
	}
	if err != nil {
		return nil, err
	}
	return o.wrap(ctx, body, v)
}

// payloadOf decodes and validates the body of a task, as its payload or as an older one; nil for what is no task's.
func (a *App) payloadOf(rt *route, body []byte) (v any, older *payload.Older, err error) {
	if rt.def == nil {
		return nil, nil, nil
	}
	v = rt.def.newTarget()
	if err = a.decode(rt.def, body, v); err == nil || len(rt.def.upgrades) == 0 {
		return v, nil, err
	}
	if older, err = rt.def.upgrades.Find(err, a.upgrading(rt.def, body)); err != nil {
		return nil, nil, judge(nil, err).inert()
	}
	return nil, older, nil
}
