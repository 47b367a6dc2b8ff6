package tasks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/transport"
)

// order is one call of Enqueue or EnqueueAll: what its options came to, and how it may be retried.
type order struct {
	*settings
	app     *App
	route   *route
	at      time.Time // see now
	policy  backoff.Policy
	retries bool

	own      ownHeaders // see checkAdded
	noteless bool       // own is not known
}

func (d *definition) enqueue(ctx context.Context, b *Binding, v any, opts []EnqueueOption) (Receipt, error) {
	var o order // on the stack, unless middleware or retries need it for longer
	if err := d.order(ctx, b, opts, &o); err != nil {
		return Receipt{}, fmt.Errorf("tasks: %s: %w", d.label(), err)
	}
	t, err := o.task(ctx, v)
	if err != nil {
		return Receipt{}, fmt.Errorf("tasks: %s: %w", d.label(), err)
	}
	r, err := o.send(ctx, t)
	if err != nil {
		return r, fmt.Errorf("tasks: %s: %w", d.label(), o.located(t, err))
	}
	return r, nil
}

func (d *definition) enqueueAll(ctx context.Context, b *Binding, vs []any, opts []EnqueueOption) []Result {
	results := make([]Result, len(vs))
	fail := func(i int, err error) { results[i].Err = fmt.Errorf("tasks: %s: %w", d.label(), err) }

	var o order
	err := d.order(ctx, b, opts, &o)
	if err == nil && o.id != "" && len(vs) > 1 {
		err = fmt.Errorf("%w: WithID: one id for several payloads: enqueue them one by one", ErrInvalid)
	}
	if err != nil {
		for i := range vs {
			fail(i, err)
		}
		return results
	}
	ts := make([]*transport.Task, 0, len(vs))
	at := make([]int, 0, len(vs)) // where each task's result goes
	for i, v := range vs {
		t, err := o.task(ctx, v)
		if err != nil {
			fail(i, err)
			continue
		}
		ts, at = append(ts, t), append(at, i)
	}
	if len(ts) == 0 {
		return results
	}
	for i, r := range o.sendMany(ctx, ts) {
		results[at[i]] = r
		if r.Err != nil {
			fail(at[i], o.located(ts[i], r.Err))
		}
	}
	return results
}

// located is err with the queue, where the transport does not tell. A function that ran in its caller needs none.
func (o *order) located(t *transport.Task, err error) error {
	if _, ok := errors.AsType[*transport.Error](err); ok || o.app.eager {
		return err
	}
	return &transport.Error{Op: transport.OpEnqueue, Queue: t.Queue, ID: t.ID, Err: err}
}

// order resolves the App and the options of a call into o.
func (d *definition) order(ctx context.Context, b *Binding, opts []EnqueueOption, o *order) error {
	app, err := b.App(ctx)
	if err != nil {
		return err
	}
	rt := app.table.Load().byOwner[b]
	if rt == nil {
		return fmt.Errorf("%w with %s", ErrNotRegistered, app)
	}
	return app.order(ctx, rt, opts, o)
}

// order is what opts come to over the settings of a route.
func (app *App) order(ctx context.Context, rt *route, opts []EnqueueOption, o *order) error {
	*o = order{settings: rt.base, app: app, route: rt, policy: rt.policy, retries: rt.retries}
	if len(opts) > 0 {
		s, err := rt.base.over(opts)
		if err != nil {
			return err
		}
		o.settings = &s
		if s.hasPolicy {
			o.policy = s.policy.Or(app.cfg.EnqueueRetry)
			o.retries = o.policy.Enabled() && !app.eager
			if err := o.policy.Validate(); err != nil {
				return fmt.Errorf("%w: WithEnqueueRetry over Config.EnqueueRetry: %w", ErrInvalid, err)
			}
		}
	}
	if o.queueFunc != nil && !o.queueByCall {
		if q := o.queueFunc(ctx); q != "" {
			if err := transport.CheckQueue(q); err != nil {
				return fmt.Errorf("%w: OnQueueFunc: %w", ErrInvalid, err)
			}
			chosen := *o.settings
			chosen.queue = q
			o.settings = &chosen
		}
	}
	return nil
}

// task makes the wire form of one payload, checked.
func (o *order) task(ctx context.Context, v any) (*transport.Task, error) {
	body, err := o.app.encode(o.route.def, v)
	if err != nil {
		return nil, err
	}
	return o.wrap(ctx, body, v)
}

// wrap makes the wire form of a body; v is the payload it was made of, nil where it is none of ours.
func (o *order) wrap(ctx context.Context, body []byte, v any) (t *transport.Task, err error) {
	t = &transport.Task{
		ID: o.id, Queue: or(o.queue, o.app.cfg.Queue), URL: o.route.url, Audience: o.app.cfg.Audience,
		Body: body, Timeout: o.timeout, Retry: o.retry,
	}
	if o.when.option != "" {
		if t.ETA, err = o.when.resolve(o.now(), o.app.cfg.MaxETA); err != nil {
			return nil, err
		}
	}
	if t.ID == "" && o.unique {
		t.ID = uniqueID(o.route.spec.Name, v, o.window, o.now())
	}
	if o.app.table.Load().enqueue != nil && t.Retry != nil { // middleware may change what t refers to
		c := *t.Retry
		t.Retry = &c
	}
	carried := o.app.carriedBy(ctx)
	h, shared := o.header(carried)
	if !shared || len(body) > transport.MaxTaskSize/2 {
		t.Header = h // else it was checked by Register
	}
	if err := o.check(t); err != nil {
		if len(carried) == 0 {
			return nil, err
		}
		h, _ = o.header(nil)
		if t.Header = h; o.check(t) != nil {
			return nil, err
		}
		o.app.leaveBehind(ctx, sortedKeys(carried)) // who sent them must not keep the task from being enqueued
	}
	t.Header = h
	return t, nil
}

// check is Task.Check; the time matters to it only where the task has one.
func (o *order) check(t *transport.Task) error {
	if t.ETA.IsZero() {
		return t.Check(t.ETA)
	}
	return t.Check(o.now())
}

// now is the time of the call, the same for all of its payloads.
func (o *order) now() time.Time {
	if o.at.IsZero() {
		o.at = o.app.now()
	}
	return o.at
}

// header is the route's own, shared, as long as neither call nor context nor middleware have a say. carried are the
// propagated headers.
func (o *order) header(carried http.Header) (h http.Header, shared bool) {
	h = o.route.header
	own := false
	def := o.route.base
	if o.settings != def {
		if o.ownHeader {
			h, own = cloneHeader(h, len(o.settings.header)+1), true
			for k, v := range o.settings.header {
				h[k] = v
			}
		}
		if o.retry != def.retry || o.timeout != def.timeout {
			if !own {
				h, own = cloneHeader(h, 2), true
			}
			if o.retry != nil {
				h[headerRetry] = []string{formatRetry(*o.retry)}
			}
			if o.timeout != def.timeout {
				h[headerTimeout] = []string{o.timeout.String()}
			}
		}
	}
	h, own = addPropagated(carried, h, own)
	switch {
	case o.app.table.Load().enqueue == nil:
	case own: // the map, but not what it holds
		for k, vs := range h {
			h[k] = slices.Clone(vs)
		}
	default:
		h = h.Clone()
	}
	return h, !own
}

// resolve turns an option into a time; zero is now.
func (w when) resolve(now time.Time, most time.Duration) (time.Time, error) {
	if w.option == "" {
		return time.Time{}, nil
	}
	d := w.d
	if w.option == "At" || w.option == "Before" {
		d = w.t.Sub(now)
	}
	if d <= 0 {
		return time.Time{}, nil
	}
	if d > most {
		return time.Time{}, fmt.Errorf("%s: %s ahead, at most %s: %w", w.option, d.Round(time.Second), most, ErrTooFar)
	}
	switch w.option {
	case "At":
		return w.t, nil
	case "In":
		return now.Add(d).Round(0), nil // without the monotonic clock, which no wire carries
	default:
		return now.Add(rand.N(d)).Round(0), nil
	}
}
