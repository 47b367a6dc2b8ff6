package engine

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

const pageSize = 4 * slabChunk // places that All reads at a time

// Get implements transport.Inspector.
func (e *Engine) Get(ctx context.Context, queue, id string) (*transport.Waiting, error) {
	q, err := e.lookup(ctx, transport.OpGet, queue, id)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	ent, idx, gone := q.find(id, e.now())
	if ent == nil {
		q.mu.Unlock()
		return nil, notFound(transport.OpGet, queue, id, gone)
	}
	w := q.waiting(idx, ent)
	q.mu.Unlock()
	own(&w.Task)
	return w, nil
}

// All implements transport.Inspector.
func (e *Engine) All(ctx context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		for from, more := uint32(0), true; more; from += pageSize {
			q, err := e.lookup(ctx, transport.OpList, queue, "")
			if err != nil {
				yield(nil, err)
				return
			}
			var page []*transport.Waiting
			page, more = q.page(from)
			for _, w := range page {
				own(&w.Task)
				if !yield(w, nil) {
					return
				}
			}
		}
	}
}

// Delete implements transport.Inspector.
func (e *Engine) Delete(ctx context.Context, queue string, ids ...string) error {
	var errs []error
	for _, id := range ids {
		q, err := e.lookup(ctx, transport.OpDelete, queue, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		now := e.now()
		q.mu.Lock()
		ent, idx, gone := q.find(id, now)
		if ent != nil {
			q.remove(idx, ent, now)
			q.kick(now)
		}
		q.mu.Unlock()
		if ent == nil {
			errs = append(errs, notFound(transport.OpDelete, queue, id, gone))
		}
	}
	return errors.Join(errs...)
}

// lookup finds a queue for a call that must not make one.
func (e *Engine) lookup(ctx context.Context, op, queue, id string) (*queue, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail(op, queue, id, transport.KindOther, err)
	}
	if q := (*e.queues.Load())[queue]; q != nil {
		return q, nil
	}
	return nil, missing(op, queue, id)
}

// page returns the tasks in the pageSize places from from on, and whether there are places beyond.
func (q *queue) page(from uint32) (tasks []*transport.Waiting, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for idx := from; idx < q.tasks.used; idx++ {
		if idx == from+pageSize {
			return tasks, true
		}
		if ent := q.tasks.at(idx); ent.flags&occupied != 0 {
			tasks = append(tasks, q.waiting(idx, ent))
		}
	}
	return tasks, false
}

// waiting returns ent as it stands; see own.
func (q *queue) waiting(idx uint32, ent *entry) *transport.Waiting {
	w := &transport.Waiting{
		Task:       q.task(idx, ent),
		Created:    instant(ent.created),
		Dispatches: int(ent.dispatches),
	}
	if ent.more != nil {
		w.Seen = int(ent.more.seen)
	}
	return w
}

// own replaces what t shares with the engine by copies that the caller may change.
func own(t *transport.Task) {
	t.Body = slices.Clone(t.Body)
	if t.Header != nil {
		h := make(http.Header, len(t.Header))
		for name, values := range t.Header {
			h[name] = slices.Clone(values)
		}
		t.Header = h
	}
	if t.Retry != nil {
		r := *t.Retry
		t.Retry = &r
	}
}

func notFound(op, queue, id string, gone bool) error {
	var cause error
	if gone {
		cause = transport.ErrGone
	}
	return fail(op, queue, id, transport.KindNotFound, cause)
}
