package cloudtasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport"
)

// DeclareQueues keeps settings for queues that may have to be created. It changes no queue that exists: see
// [Transport.PutQueue]. The error joins every setting that is out of range; then none is kept.
func (t *Transport) DeclareQueues(cfgs map[string]transport.QueueConfig) error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(cfgs)) {
		if err := errors.Join(transport.CheckQueue(id), cfgs[id].Validate()); err != nil {
			errs = append(errs, fmt.Errorf("queue %q: %w", id, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	t.declarations.add(cfgs)
	return nil
}

// Queue returns the settings in force.
func (t *Transport) Queue(ctx context.Context, queue string) (transport.QueueConfig, error) {
	q, err := t.open(transport.OpQueue, queue)
	if err != nil {
		return transport.QueueConfig{}, err
	}
	p, err := call(ctx, t.client.GetQueue, &cloudtaskspb.GetQueueRequest{Name: q.name})
	if err != nil {
		return transport.QueueConfig{}, t.failed(ctx, transport.OpQueue, queue, "", transport.KindQueueMissing, err)
	}
	return queueConfig(p), nil
}

// PutQueue creates the queue or replaces its rate limits and retry settings. Routing, logging and whether it is
// paused stay as they are. Cloud Tasks has no queue without a rate limit: NoRateLimit becomes 500 per second,
// and MaxBurst is derived from the rate.
func (t *Transport) PutQueue(ctx context.Context, queue string, cfg transport.QueueConfig) error {
	q, err := t.open(transport.OpPutQueue, queue)
	if err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return &transport.Error{Op: transport.OpPutQueue, Queue: queue, Kind: transport.KindInvalid, Err: err}
	}
	req := &cloudtaskspb.UpdateQueueRequest{
		Queue:      queueProto(q.name, cfg),
		UpdateMask: &fieldmaskpb.FieldMask{Paths: queueMask()},
	}
	made, err := call(ctx, t.client.UpdateQueue, req)
	if err == nil && made.GetRetryConfig().GetMaxDoublings() != req.Queue.RetryConfig.MaxDoublings {
		_, err = call(ctx, t.client.UpdateQueue, req) // it is new, and no doubling was taken for unset: see settle
	}
	if err != nil {
		return t.failed(ctx, transport.OpPutQueue, queue, "", transport.KindQueueMissing, err)
	}
	return nil
}

// Pause stops dispatching from the queue.
func (t *Transport) Pause(ctx context.Context, queue string) error {
	return t.administer(ctx, transport.OpPause, queue, func(ctx context.Context, name string) error {
		_, err := t.client.PauseQueue(ctx, &cloudtaskspb.PauseQueueRequest{Name: name})
		return err
	})
}

// Resume starts dispatching from the queue again.
func (t *Transport) Resume(ctx context.Context, queue string) error {
	return t.administer(ctx, transport.OpResume, queue, func(ctx context.Context, name string) error {
		_, err := t.client.ResumeQueue(ctx, &cloudtaskspb.ResumeQueueRequest{Name: name})
		return err
	})
}

// Purge removes the tasks that were created before the call. It takes up to a minute, in which they may still be
// dispatched, and cannot be undone.
func (t *Transport) Purge(ctx context.Context, queue string) error {
	return t.administer(ctx, transport.OpPurge, queue, func(ctx context.Context, name string) error {
		_, err := t.client.PurgeQueue(ctx, &cloudtaskspb.PurgeQueueRequest{Name: name})
		return err
	})
}

// RunNow dispatches a waiting task at once. Cloud Tasks allows 60 of these calls per minute.
func (t *Transport) RunNow(ctx context.Context, queue, id string) error {
	q, err := t.open(transport.OpRun, queue, id)
	if err != nil {
		return err
	}
	if _, err := call(ctx, t.client.RunTask, &cloudtaskspb.RunTaskRequest{Name: q.tasks + id}); err != nil {
		return t.failed(ctx, transport.OpRun, queue, id, t.whatIsMissing(ctx, q, err), err)
	}
	return nil
}

func (t *Transport) administer(ctx context.Context, op, queue string, f func(context.Context, string) error) error {
	q, err := t.open(op, queue)
	if err != nil {
		return err
	}
	if err := do(ctx, func(ctx context.Context) error { return f(ctx, q.name) }); err != nil {
		return t.failed(ctx, op, queue, "", transport.KindQueueMissing, err)
	}
	return nil
}

// open checks that the transport is open, and ids before they become part of a name. No id is a queue's call.
func (t *Transport) open(op, queue string, ids ...string) (*queue, error) {
	if t.closed.Load() {
		return nil, &transport.Error{Op: op, Queue: queue, Kind: transport.KindClosed}
	}
	err := transport.CheckQueue(queue)
	for _, id := range ids {
		if err == nil {
			err = transport.CheckID(id)
		}
		if err != nil {
			return nil, &transport.Error{Op: op, Queue: queue, ID: id, Kind: transport.KindInvalid, Err: err}
		}
	}
	if err != nil {
		return nil, &transport.Error{Op: op, Queue: queue, Kind: transport.KindInvalid, Err: err}
	}
	return t.queue(queue), nil
}

// whatIsMissing tells a task that was not found from its queue. Where the text does not say it, the queue is
// asked for.
func (t *Transport) whatIsMissing(ctx context.Context, q *queue, err error) transport.Kind {
	switch {
	case status.Code(err) != codes.NotFound || existedLately(err):
		return transport.KindNotFound
	case namesQueue(err):
		return transport.KindQueueMissing
	}
	if _, err := call(ctx, t.client.GetQueue, &cloudtaskspb.GetQueueRequest{Name: q.name}); status.Code(err) == codes.NotFound {
		return transport.KindQueueMissing
	}
	return transport.KindNotFound
}
