package memory

import (
	"context"

	"github.com/typedtasks/typedtasks/transport"
)

var (
	_ transport.QueueDeleter  = (*Transport)(nil)
	_ transport.QueueResolver = (*Transport)(nil)
)

// DeleteQueue implements [transport.QueueDeleter]. The ids of its tasks are forgotten too. The queue may come into being
// again at once, with its next task or by PutQueue; one that was declared has the settings that were declared then.
func (t *Transport) DeleteQueue(ctx context.Context, queue string) error {
	return t.engine.DeleteQueue(ctx, queue)
}

// ResolveQueue implements [transport.QueueResolver].
func (t *Transport) ResolveQueue(cfg transport.QueueConfig) transport.QueueConfig {
	return t.engine.ResolveQueue(cfg)
}
