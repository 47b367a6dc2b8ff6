package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

// DeclareQueues implements transport.QueueDeclarer: it makes the queues. One that has settings of its own
// already keeps them. With an error nothing is declared.
func (e *Engine) DeclareQueues(cfgs map[string]transport.QueueConfig) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfgs)) {
		if err := checkQueue(name, cfgs[name]); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for name, cfg := range cfgs {
		e.put(name, cfg, false)
	}
	return nil
}

// PutQueue implements transport.QueueAdmin.
func (e *Engine) PutQueue(ctx context.Context, queue string, cfg transport.QueueConfig) error {
	if err := ctx.Err(); err != nil {
		return fail(transport.OpPutQueue, queue, "", transport.KindOther, err)
	}
	if err := checkQueue(queue, cfg); err != nil {
		return err
	}
	e.put(queue, cfg, true)
	return nil
}

func checkQueue(name string, cfg transport.QueueConfig) error {
	if err := errors.Join(transport.CheckQueue(name), cfg.Validate()); err != nil {
		return fail(transport.OpPutQueue, name, "", transport.KindInvalid, err)
	}
	return nil
}

func (e *Engine) put(name string, cfg transport.QueueConfig, replace bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.declared[name]; !known && !replace {
		if e.declared == nil {
			e.declared = map[string]transport.QueueConfig{}
		}
		e.declared[name] = cfg
	}
	q := e.makeQueue(name)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.chosen && !replace {
		return
	}
	q.chosen = true
	q.configure(cfg)
	q.kick(e.now())
}

// DeleteQueue implements transport.QueueDeleter, see RemoveQueue.
func (e *Engine) DeleteQueue(ctx context.Context, queue string) error {
	if _, err := e.lookup(ctx, transport.OpDeleteQueue, queue, ""); err != nil {
		return err
	}
	return e.RemoveQueue(queue)
}

// ResolveQueue implements transport.QueueResolver.
func (e *Engine) ResolveQueue(cfg transport.QueueConfig) transport.QueueConfig {
	cfg = cfg.Or(e.cfg.Queue)
	cfg.MaxBurst = cfg.Burst()
	return cfg
}

// Queue implements transport.QueueAdmin.
func (e *Engine) Queue(ctx context.Context, queue string) (transport.QueueConfig, error) {
	q, err := e.lookup(ctx, transport.OpQueue, queue, "")
	if err != nil {
		return transport.QueueConfig{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cfg, nil
}

// Pause implements transport.QueueAdmin.
func (e *Engine) Pause(ctx context.Context, queue string) error {
	return e.setPaused(ctx, transport.OpPause, queue, true)
}

// Resume implements transport.QueueAdmin.
func (e *Engine) Resume(ctx context.Context, queue string) error {
	return e.setPaused(ctx, transport.OpResume, queue, false)
}

func (e *Engine) setPaused(ctx context.Context, op, queue string, paused bool) error {
	q, err := e.lookup(ctx, op, queue, "")
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = paused
	q.kick(e.now())
	return nil
}

// Purge implements transport.QueueAdmin. Attempts in flight go on; their outcomes are ignored.
func (e *Engine) Purge(ctx context.Context, queue string) error {
	q, err := e.lookup(ctx, transport.OpPurge, queue, "")
	if err != nil {
		return err
	}
	now := e.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for idx := range q.tasks.used {
		if ent := q.tasks.at(idx); ent.flags&occupied != 0 {
			q.drop(idx, ent, now)
		}
		if q.tasks.live == 0 {
			break // the slab may have been dropped
		}
	}
	if j := e.cfg.Journal; j != nil {
		j.Purged(q.name, instant(now))
	}
	q.kick(now)
	return nil
}

// RunNow implements transport.QueueAdmin. In manual mode it makes the task due, on a paused queue too.
func (e *Engine) RunNow(ctx context.Context, queue, id string) error {
	_, err := e.Force(ctx, queue, id)
	return err
}
