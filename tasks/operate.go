package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// run is Task.Run: encode, then the pipeline, so that it behaves as a delivery would.
func (d *definition) run(ctx context.Context, b *Binding, v any) (any, error) {
	app, err := b.App(ctx)
	if err != nil {
		return nil, fmt.Errorf("tasks: %s: %w", d.label(), err)
	}
	rt := app.table.Load().byOwner[b]
	if rt == nil {
		return nil, fmt.Errorf("tasks: %s: %w with %s", d.label(), ErrNotRegistered, app)
	}
	body, err := app.encode(d, v)
	if err != nil {
		return nil, fmt.Errorf("tasks: %s: %w", d.label(), err)
	}
	header, _ := addPropagated(app.carriedBy(ctx), rt.header, false)
	ended := app.runHere(ctx, rt, false, &transport.Delivery{
		Task:    transport.Task{Queue: rt.queue, URL: rt.url, Header: header, Body: body, ETA: app.now(), Timeout: d.timeout, Retry: d.retry},
		Attempt: 1,
	})
	return ended.result, ended.forCaller()
}

// runHere runs a delivery in its caller. queued says that it is one of a task that stays in its queue.
func (a *App) runHere(ctx context.Context, rt *route, queued bool, del *transport.Delivery) verdict {
	timeout := rt.timeout
	if del.Timeout != 0 {
		timeout = del.Timeout
	}
	now := time.Now()
	run := lazyctx.WithDeadline(ctx, now.Add(timeout))
	defer run.Cancel()
	src := inCaller
	if queued {
		src = onDemand
	}
	return a.newRun(run, rt, del, src, now.Sub(a.made)).deliver()
}

func (d *definition) debug(ctx context.Context, b *Binding, id string) error {
	app, rt, in, err := d.inspect(ctx, b)
	if err != nil {
		return fmt.Errorf("tasks: debug %s: %w", d.label(), err)
	}
	w, err := app.find(ctx, in, rt, id)
	if err != nil {
		return fmt.Errorf("tasks: debug %s: %w", d.label(), err)
	}
	return app.runHere(ctx, rt, true, &transport.Delivery{Task: w.Task, Attempt: w.Dispatches + 1}).forCaller()
}

func (d *definition) delete(ctx context.Context, b *Binding, id string) error {
	app, rt, in, err := d.inspect(ctx, b)
	if err != nil {
		return fmt.Errorf("tasks: delete %s: %w", d.label(), err)
	}
	w, err := app.find(ctx, in, rt, id)
	if err == nil {
		err = in.Delete(ctx, w.Queue, w.ID)
	}
	if err != nil {
		return fmt.Errorf("tasks: delete %s: %w", d.label(), err)
	}
	return nil
}

// deleteBatch is how many ids go to the transport in one call: enough for a driver to have several requests in flight.
const deleteBatch = 10_000

func (d *definition) deleteAll(ctx context.Context, b *Binding, opts []DeleteOption) (int, error) {
	app, rt, in, err := d.inspect(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("tasks: delete all %s: %w", d.label(), err)
	}
	del := deletion{queue: rt.queue}
	for _, o := range opts {
		if o != nil {
			o.del(&del)
		}
	}
	var (
		ids     []string
		done    int // deleted, or found not to be deletable
		deleted int
		errs    []error
	)
	progress := plan.ProgressFrom(ctx)
	flush := func() {
		if len(ids) == 0 {
			return
		}
		n, err := len(ids), error(nil)
		if !del.countOnly {
			n, err = deleteEach(ctx, in, del.queue, ids)
		}
		deleted, done = deleted+n, done+len(ids)
		progress(done, 0, "task")
		if err != nil {
			errs = append(errs, err)
		}
		ids = ids[:0]
	}
	for w, err := range in.All(ctx, del.queue) {
		if err != nil {
			if !errors.Is(err, transport.ErrQueueMissing) { // a queue that never was holds nothing
				errs = append(errs, err)
			}
			break
		}
		if app.owns(rt, w.URL) && max(w.Dispatches-1, 0) >= del.minRetries {
			if ids = append(ids, w.ID); len(ids) == deleteBatch {
				flush()
			}
		}
		if del.countOnly {
			progress(done+len(ids), 0, "task")
		}
	}
	flush()
	if err := errors.Join(errs...); err != nil {
		return deleted, fmt.Errorf("tasks: delete all %s: %w", d.label(), err)
	}
	return deleted, nil
}

// deleteEach deletes ids and counts those that were there. The driver's error joins one for each that failed;
// those that had vanished are no errors here.
func deleteEach(ctx context.Context, in transport.Inspector, queue string, ids []string) (int, error) {
	err := in.Delete(ctx, queue, ids...)
	if err == nil {
		return len(ids), nil
	}
	each, ok := err.(interface{ Unwrap() []error })
	if !ok { // of the call as a whole, or of the only one
		return 0, unless(transport.ErrNotFound, err)
	}
	var errs []error
	for _, e := range each.Unwrap() {
		errs = append(errs, unless(transport.ErrNotFound, e))
	}
	return max(len(ids)-len(errs), 0), errors.Join(errs...)
}

// unless is err, or nil where it matches what is expected.
func unless(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// inspect finds who can look into the queues of this definition.
func (d *definition) inspect(ctx context.Context, b *Binding) (*App, *route, transport.Inspector, error) {
	app, err := b.App(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	rt := app.table.Load().byOwner[b]
	if rt == nil {
		return nil, nil, nil, fmt.Errorf("%w with %s", ErrNotRegistered, app)
	}
	in, err := transport.As[transport.Inspector](app.cfg.Transport)
	return app, rt, in, err
}

// find gets a waiting task of the route by id, "queue/id" or Cloud Tasks' full name.
func (a *App) find(ctx context.Context, in transport.Inspector, rt *route, id string) (*transport.Waiting, error) {
	queue := rt.queue
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		prefix := strings.TrimSuffix(id[:i], "/tasks")
		queue, id = prefix[strings.LastIndexByte(prefix, '/')+1:], id[i+1:]
	}
	w, err := in.Get(ctx, queue, id)
	if err != nil {
		return nil, err
	}
	if !a.owns(rt, w.URL) {
		return nil, fmt.Errorf("%w: task %q on queue %q is delivered to %q", ErrNotOurs, id, queue, w.URL)
	}
	return w, nil
}

// owns reports whether tasks with this URL are the route's, aliases included.
func (a *App) owns(rt *route, url string) bool {
	r := a.table.Load().byURL[url]
	return r != nil && r.def == rt.def
}

// Shutdown refuses new deliveries with 503, waits for the running ones, which may still enqueue, and stops a
// transport that runs in this process; then it releases the App's definitions and logs how many tasks wait.
// When ctx ends first it cancels what a local transport still runs, and returns ctx's error. Calling it again
// waits again.
func (a *App) Shutdown(ctx context.Context) error {
	a.leaving.Do(a.withdraw) // once: the endpoint may be another's afterwards
	a.gate.close()
	var errs []error
	if err := a.gate.wait(ctx); err != nil {
		errs = append(errs, fmt.Errorf("%d deliveries are still running: %w", a.gate.count(), err))
	}
	for _, s := range a.alone { // last, because what ran until now may have enqueued
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if !a.released.Swap(true) {
		a.release()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tasks: shutdown: %w", err)
	}
	return nil
}

// ShuttingDown returns a channel that is closed when Shutdown begins: the App takes no more deliveries then.
func (a *App) ShuttingDown() <-chan struct{} { return a.gate.closed }

// release lets go of the definitions and tells what is left.
func (a *App) release() {
	for d := range a.Definitions() {
		d.binding().release(a)
	}
	if b, err := transport.As[transport.Backlogger](a.cfg.Transport); err == nil {
		if n := b.Backlog(); n > 0 {
			a.cfg.Logger.Warn("tasks: shut down with tasks left waiting", "app", a.cfg.Name, "waiting", n)
		}
	}
}
