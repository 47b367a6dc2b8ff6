package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/transport"
)

// send enqueues one task.
func (o *order) send(ctx context.Context, t *transport.Task) (r Receipt, err error) {
	if chain := o.app.table.Load().enqueue; chain != nil {
		c := o.in(ctx)
		c.one[0] = t
		c.order.own = ownHeadersOf(c.one[:])
		rs := throughChain(c, chain, c.one[:])
		r, err = rs[0].Receipt, rs[0].Err
	} else {
		r, err = o.sendOne(ctx, t)
	}
	if err == nil {
		o.logEnqueued(ctx, t, r)
	}
	return r, err
}

// sendMany enqueues many, with one result each.
func (o *order) sendMany(ctx context.Context, ts []*transport.Task) (results []Result) {
	if chain := o.app.table.Load().enqueue; chain != nil {
		c := o.in(ctx)
		c.order.own = ownHeadersOf(ts)
		results = throughChain(c, chain, ts)
	} else {
		results = o.sendBatch(ctx, ts)
	}
	if o.app.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		for i, r := range results {
			if r.Err == nil {
				o.logEnqueued(ctx, ts[i], r.Receipt)
			}
		}
	}
	return results
}

// sendAll is the innermost EnqueueFunc: middleware has no part in an order, so that comes by the context.
func (a *App) sendAll(ctx context.Context, ts []*transport.Task) []Result {
	o, _ := ctx.Value(orderKey{}).(*order)
	if o == nil { // middleware made a context of its own
		o = a.plainOrder()
		o.noteless = true
	}
	results := make([]Result, len(ts))
	if len(ts) == 1 {
		if results[0].Err = o.checkAdded(ts[0]); results[0].Err == nil {
			results[0].Receipt, results[0].Err = o.sendOne(ctx, ts[0])
		}
		return results
	}
	sound := make([]*transport.Task, 0, len(ts))
	for i, t := range ts {
		if results[i].Err = o.checkAdded(t); results[i].Err == nil {
			sound = append(sound, t)
		}
	}
	if len(sound) == 0 {
		return results
	}
	return fillIn(results, o.sendBatch(ctx, sound))
}

// fillIn puts what was sent where nothing has failed before.
func fillIn(results, sent []Result) []Result {
	next := 0
	for i := range results {
		if results[i].Err == nil {
			results[i], next = sent[next], next+1
		}
	}
	return results
}

// plainOrder is for tasks that come from no call of Enqueue.
func (a *App) plainOrder() *order {
	p := a.cfg.EnqueueRetry
	return &order{settings: &settings{}, app: a, policy: p, retries: p.Enabled() && !a.eager}
}

type orderKey struct{}

// orderContext carries an order to sendAll, in one allocation.
type orderContext struct {
	context.Context
	order order
	one   [1]*transport.Task // of an order of one
}

// Value answers for the order.
func (c *orderContext) Value(key any) any {
	if _, ok := key.(orderKey); ok {
		return &c.order
	}
	return c.Context.Value(key)
}

func (o *order) in(ctx context.Context) *orderContext {
	return &orderContext{Context: ctx, order: *o} // o itself may be on the stack
}

// throughChain holds middleware to its contract of one result for each task.
func throughChain(ctx context.Context, chain EnqueueFunc, ts []*transport.Task) []Result {
	n := len(ts)
	results := chain(ctx, ts)
	if len(results) == n {
		return results
	}
	err := fmt.Errorf("middleware of UseEnqueue returned %d results for %d tasks: whether they were enqueued is unknown", len(results), n)
	results = make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// sendOne hands a task to the transport, retried as the order's policy says.
func (o *order) sendOne(ctx context.Context, t *transport.Task) (Receipt, error) {
	if !o.retries {
		r, err := o.app.cfg.Transport.Enqueue(ctx, t)
		return o.app.settle(t, r, err)
	}
	kept := *o
	return kept.sendRetried(ctx, t)
}

func (o *order) sendRetried(ctx context.Context, t *transport.Task) (Receipt, error) {
	random, err := o.identify(t)
	if err != nil {
		return Receipt{}, err
	}
	var r Receipt
	attempt := 0
	err = o.policy.Do(ctx, func(ctx context.Context) (err error) {
		attempt++
		r, err = o.app.cfg.Transport.Enqueue(ctx, t)
		r, err = o.settleRetried(ctx, t, random, r, err, attempt)
		return err
	})
	return r, err
}

// sendBatch hands tasks to the transport in as few calls as it offers. Those that fail are retried together.
func (o *order) sendBatch(ctx context.Context, ts []*transport.Task) []Result {
	if !o.retries {
		results := o.app.enqueueBatch(ctx, ts)
		for i, r := range results {
			results[i].Receipt, results[i].Err = o.app.settle(ts[i], r.Receipt, r.Err)
		}
		return results
	}
	kept := *o
	return kept.sendBatchRetried(ctx, ts)
}

func (o *order) sendBatchRetried(ctx context.Context, ts []*transport.Task) []Result {
	results := make([]Result, len(ts))
	random := make([]bool, len(ts))
	open := make([]int, 0, len(ts)) // those without an outcome yet
	for i, t := range ts {
		if random[i], results[i].Err = o.identify(t); results[i].Err == nil {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return results
	}
	attempt := 0
	// The policy's verdict falls here, task by task; to Do, an error means that some are still open.
	again := o.policy
	again.On = func(error) bool { return true }
	stopped := again.Do(ctx, func(ctx context.Context) error {
		attempt++
		batch := make([]*transport.Task, len(open))
		for i, at := range open {
			batch[i] = ts[at]
		}
		var retry []int
		for i, r := range o.app.enqueueBatch(ctx, batch) {
			at := open[i]
			r.Receipt, r.Err = o.settleRetried(ctx, ts[at], random[at], r.Receipt, r.Err, attempt)
			results[at] = r
			if r.Err != nil && o.policy.On(r.Err) {
				retry = append(retry, at)
			}
		}
		if open = retry; len(open) > 0 {
			return fmt.Errorf("%d tasks are not enqueued", len(open))
		}
		return nil
	})
	if stopped != nil {
		for _, at := range open {
			results[at].Err = fmt.Errorf("%w: %w", results[at].Err, stopped)
		}
	}
	return results
}

// enqueueBatch uses the transport's own batches where it has them.
func (a *App) enqueueBatch(ctx context.Context, ts []*transport.Task) []Result {
	if b, err := transport.As[transport.Batcher](a.cfg.Transport); err == nil {
		results := b.EnqueueBatch(ctx, ts)
		if len(results) == len(ts) {
			return results
		}
		err := fmt.Errorf("%T answered %d results for %d tasks: whether they were enqueued is unknown", a.cfg.Transport, len(results), len(ts))
		results = make([]Result, len(ts))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	results := make([]Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = a.cfg.Transport.Enqueue(ctx, t)
	}
	return results
}

// settle turns an id that is taken into a duplicate's receipt, and completes what a driver left out. What comes
// back from an eager task is its function's error, whatever it matches.
func (a *App) settle(t *transport.Task, r Receipt, err error) (Receipt, error) {
	if err != nil && a.eager {
		return r, err
	}
	if err != nil {
		kind := transport.KindOf(err)
		if t.ID == "" || kind != transport.KindExists && kind != transport.KindGone {
			return r, err
		}
		r.ID, r.Duplicate, r.Finished = t.ID, true, kind == transport.KindGone || r.Finished
	}
	if r.ID == "" {
		r.ID = t.ID
	}
	if r.Queue == "" {
		r.Queue = t.Queue
	}
	if r.ETA.IsZero() {
		r.ETA = t.ETA
	}
	return r, nil
}

// identify makes t safe to send again: without an id it gets a random one, with one a nonce. It comes after
// middleware, which may have named the task. The task is checked again with what was added.
func (o *order) identify(t *transport.Task) (random bool, err error) {
	if o.policy.Duplicates != backoff.Avoid {
		return false, nil
	}
	if random = t.ID == ""; random {
		t.ID = randomID(o.name())
	} else {
		o.sign(t)
	}
	return random, o.check(t)
}

func (o *order) name() string {
	if o.route == nil {
		return ""
	}
	return o.route.spec.Name
}

// settleRetried tells a task of ours, whose earlier answer was lost, from a true duplicate. A random id can
// only be ours; a named one is ours if the task that holds it carries our nonce.
func (o *order) settleRetried(ctx context.Context, t *transport.Task, random bool, r Receipt, err error, attempt int) (Receipt, error) {
	r, err = o.app.settle(t, r, err)
	if err == nil && r.Duplicate && attempt > 1 && (random || o.holds(ctx, t, r)) {
		r.Duplicate, r.Finished = false, false
	}
	return r, err
}

// sign puts a nonce on a named task, where the transport can show it later.
func (o *order) sign(t *transport.Task) {
	if _, err := transport.As[transport.Inspector](o.app.cfg.Transport); err != nil || t.Header[headerNonce] != nil {
		return
	}
	h := cloneHeader(t.Header, 1)
	h[headerNonce] = []string{randomID("n")[:16]}
	t.Header = h
}

// holds reports whether the task that holds t's id is t itself. One that is gone, or cannot be seen, counts as
// another's: the receipt then says Duplicate, and that it has run.
func (o *order) holds(ctx context.Context, t *transport.Task, r Receipt) bool {
	nonce := first(t.Header[headerNonce])
	in, err := transport.As[transport.Inspector](o.app.cfg.Transport)
	if err != nil || nonce == "" {
		return false
	}
	w, err := in.Get(ctx, r.Queue, t.ID)
	return err == nil && first(w.Header[headerNonce]) == nonce
}

// sendAnew enqueues a task that stands on its own: a snoozed one. An id that is taken means that it was
// enqueued before and the answer was lost.
func (a *App) sendAnew(ctx context.Context, rt *route, t *transport.Task) error {
	o := a.plainOrder()
	o.route = rt
	if err := o.check(t); err != nil {
		return err
	}
	_, err := o.send(ctx, t)
	return err
}

// cleanup bounds what is still done after a run's context has ended.
const cleanup = 20 * time.Second
