package transporttest_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func (r *reference) EnqueueBatch(ctx context.Context, ts []*transport.Task) []transport.Result {
	results := make([]transport.Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = r.Enqueue(ctx, t)
		if results[i].Err != nil && r.has("ends a batch at its first error") {
			break
		}
	}
	switch {
	case r.has("answers batches out of order"):
		slices.Reverse(results)
	case r.has("answers batches in part"):
		results = slices.DeleteFunc(results, func(r transport.Result) bool { return r.Err != nil })
	case r.has("loses the ETA in batches"):
		for i := range results {
			results[i].Receipt.ETA = time.Time{}
		}
	}
	return results
}

func (r *reference) Get(_ context.Context, queue, id string) (*transport.Waiting, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.existing(transport.OpGet, queue)
	if err != nil {
		return nil, err
	}
	it := q.find(id)
	if it == nil {
		kind := transport.KindNotFound
		if r.has("takes an unknown id for a gone one") {
			kind = transport.KindGone
		}
		return nil, &transport.Error{Op: transport.OpGet, Queue: queue, ID: id, Kind: kind}
	}
	if r.has("lends out its own task") && it.Dispatches == 0 {
		return &it.Waiting, nil
	}
	w := it.Waiting
	w.Task = clone(&it.Task)
	if r.has("gets tasks without their bodies") {
		w.Body = nil
	}
	return &w, nil
}

func (r *reference) All(_ context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		r.mu.Lock()
		q, err := r.existing(transport.OpList, queue)
		var all []*transport.Waiting
		if err == nil {
			for _, it := range q.items {
				w := it.Waiting
				all = append(all, &w)
			}
		}
		r.mu.Unlock()
		switch {
		case err != nil:
			yield(nil, err)
			return
		case len(all) > 2000 && r.has("loses the second page"):
			all = slices.Delete(all, 1000, 2000)
		case len(all) > 2000 && r.has("lists the first page twice"):
			all = append(all, all[:1000]...)
		case len(all) == 5 && r.has("cannot be listed again"):
			r.fault = "lists nothing"
		case r.has("lists nothing"):
			all = nil
		}
		for _, w := range all {
			if !yield(w, nil) {
				return
			}
		}
	}
}

func (r *reference) Delete(_ context.Context, queue string, ids ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.existing(transport.OpDelete, queue)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		it := q.find(id)
		switch {
		case it != nil:
			q.remove(it)
			if r.has("forgets ids of deleted tasks") {
				delete(q.gone, id)
			}
		case r.has("stops deleting at the first unknown id"):
			return &transport.Error{Op: transport.OpDelete, Queue: queue, ID: id, Kind: transport.KindNotFound}
		case !r.has("deletes unknown ids"):
			errs = append(errs, &transport.Error{Op: transport.OpDelete, Queue: queue, ID: id, Kind: transport.KindNotFound})
		}
	}
	return errors.Join(errs...)
}

func (r *reference) existing(op, queue string) (*queue, error) {
	q := r.queues[queue]
	if q == nil {
		kind := transport.KindQueueMissing
		if r.has("calls a missing queue a missing task") {
			kind = transport.KindNotFound
		}
		return nil, &transport.Error{Op: op, Queue: queue, Kind: kind}
	}
	return q, nil
}

func (r *reference) Queue(_ context.Context, queue string) (transport.QueueConfig, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.existing(transport.OpQueue, queue)
	if err != nil {
		return transport.QueueConfig{}, err
	}
	cfg := q.cfg
	if r.has("leaves defaults unresolved") && cfg.Retry == (transport.RetryConfig{}).WithDefaults() {
		cfg.Retry = transport.RetryConfig{}
	}
	return cfg, nil
}

func (r *reference) PutQueue(_ context.Context, queue string, cfg transport.QueueConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cfg.Validate(); err != nil && !r.has("takes any settings") {
		return &transport.Error{Op: transport.OpPutQueue, Queue: queue, Kind: transport.KindInvalid, Err: err}
	}
	q := r.queues[queue]
	switch {
	case q == nil:
		q = r.create(queue, cfg)
	case r.has("merges settings"):
		q.set(cfg.Or(q.cfg))
	default:
		q.set(cfg)
	}
	r.dispatch(q)
	return nil
}

func (r *reference) DeclareQueues(cfgs map[string]transport.QueueConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has("ignores declared queues") {
		return nil
	}
	for queue, cfg := range cfgs {
		r.declared[queue] = cfg
	}
	if r.has("keeps the declared map") {
		r.declared = cfgs
	}
	return nil
}

func (r *reference) Pause(_ context.Context, name string) error {
	return r.change(transport.OpPause, name, func(q *queue) { q.paused = true })
}

func (r *reference) Resume(_ context.Context, name string) error {
	return r.change(transport.OpResume, name, func(q *queue) { q.paused = r.has("never resumes") })
}

func (r *reference) Purge(_ context.Context, name string) error {
	return r.change(transport.OpPurge, name, func(q *queue) {
		for _, it := range slices.Clone(q.items) {
			if !r.has("purges nothing") {
				q.remove(it)
			}
		}
	})
}

func (r *reference) RunNow(_ context.Context, name, id string) error {
	var err error
	missing := r.change(transport.OpRun, name, func(q *queue) {
		it := q.find(id)
		switch {
		case it == nil:
			err = &transport.Error{Op: transport.OpRun, Queue: name, ID: id, Kind: transport.KindNotFound}
		case r.has("runs now what is due only"):
			it.due = time.Time{}
		default:
			it.forced = true
		}
	})
	return cmp.Or(missing, err)
}

func (r *reference) change(op, name string, f func(*queue)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.existing(op, name)
	if err != nil {
		return err
	}
	f(q)
	r.dispatch(q)
	return nil
}

func (r *reference) Serve(endpoint string, h transport.Handler) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.served[endpoint] != nil && !r.has("replaces a served endpoint") {
		return &transport.Error{Op: transport.OpServe, Kind: transport.KindExists}
	}
	r.served[endpoint] = h
	for _, q := range r.queues {
		r.dispatch(q)
	}
	return nil
}

func (r *reference) Withdraw(endpoint string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has("withdraws nothing") {
		delete(r.served, endpoint)
	}
	return len(r.served)
}

func (r *reference) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.closing = true
	if r.running == 0 || r.has("does not wait in Shutdown") {
		r.close()
	}
	r.mu.Unlock()
	if r.has("does not wait in Shutdown") {
		return nil
	}
	select {
	case <-r.idle:
		return nil
	case <-ctx.Done():
		if !r.has("does not cancel in Shutdown") {
			r.cancel()
		}
		return ctx.Err()
	}
}

func (r *reference) close() {
	if !r.closed {
		r.closed = true
		close(r.idle)
	}
}

func (r *reference) Backlog() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, q := range r.queues {
		for _, it := range q.items {
			if !it.running || !r.has("leaves running tasks out of the backlog") {
				n++
			}
		}
	}
	return n
}

func (r *reference) Now() time.Time {
	now := time.Now()
	if !r.has("turns the clock back") {
		return now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ticks++
	return now.Add(-time.Duration(r.ticks%2) * time.Millisecond)
}
