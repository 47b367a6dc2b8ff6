package transporttest_test

import (
	"context"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

func (r *reference) ResolveQueue(cfg transport.QueueConfig) transport.QueueConfig {
	if r.has("resolves nothing") {
		return cfg
	}
	var q queue
	q.set(cfg)
	return q.cfg
}

func (r *reference) DeleteQueue(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.existing(transport.OpDeleteQueue, name)
	switch {
	case err != nil && r.has("deletes missing queues"):
		return nil
	case err != nil:
		return err
	case r.has("deletes no queue"):
		return nil
	}
	for other, o := range r.queues {
		if o != q && !r.has("deletes every queue") {
			continue
		}
		for _, it := range slices.Clone(o.items) {
			if !r.has("keeps the tasks of a deleted queue") {
				o.remove(it)
			}
		}
		delete(r.queues, other)
	}
	r.deleted[name] = true
	return nil
}
