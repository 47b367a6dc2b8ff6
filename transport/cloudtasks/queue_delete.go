package cloudtasks

import (
	"context"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport"
)

var (
	_ transport.QueueDeleter  = (*Transport)(nil)
	_ transport.QueueResolver = (*Transport)(nil)
)

// DeleteQueue deletes the queue and every task in it. Cloud Tasks lets nobody create a queue of its name for days;
// what is enqueued there meanwhile goes to the backup queue.
func (t *Transport) DeleteQueue(ctx context.Context, queue string) error {
	return t.administer(ctx, transport.OpDeleteQueue, queue, func(ctx context.Context, name string) error {
		defer t.queues.Delete(queue) // with what is known of it, which holds no longer
		return t.client.DeleteQueue(ctx, &cloudtaskspb.DeleteQueueRequest{Name: name})
	})
}

// ResolveQueue returns cfg as Cloud Tasks keeps it: NoRateLimit as 500 per second. The burst is its own affair.
func (t *Transport) ResolveQueue(cfg transport.QueueConfig) transport.QueueConfig {
	cfg = queueConfig(queueProto("", cfg))
	cfg.MaxBurst = 0
	return cfg
}
