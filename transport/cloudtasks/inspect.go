package cloudtasks

import (
	"context"
	"iter"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/iterator"

	"github.com/typedtasks/typedtasks/transport"
)

// Get returns a waiting task with its body. The caller needs the permission cloudtasks.tasks.fullView.
func (t *Transport) Get(ctx context.Context, queue, id string) (*transport.Waiting, error) {
	q, err := t.open(transport.OpGet, queue, id)
	if err != nil {
		return nil, err
	}
	p, err := call(ctx, t.client.GetTask, &cloudtaskspb.GetTaskRequest{Name: q.tasks + id, ResponseView: cloudtaskspb.Task_FULL})
	if err != nil {
		return nil, t.failed(ctx, transport.OpGet, queue, id, t.whatIsMissing(ctx, q, err), err)
	}
	return waiting(p), nil
}

// All yields the queue's tasks without their bodies, which Get returns: a page holds up to 1000 tasks. Each page
// is read when the one before is used up.
func (t *Transport) All(ctx context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		q, err := t.open(transport.OpList, queue)
		if err != nil {
			yield(nil, err)
			return
		}
		for token, more := "", true; more; more = token != "" {
			var page []*cloudtaskspb.Task
			err := do(ctx, func(ctx context.Context) (err error) {
				page, token, err = t.page(ctx, q, token)
				return err
			})
			if err != nil {
				yield(nil, t.failed(ctx, transport.OpList, queue, "", transport.KindQueueMissing, err))
				return
			}
			for _, p := range page {
				if !yield(waiting(p), nil) {
					return
				}
			}
		}
	}
}

// page reads one page. Google's iterator would read all of them on one context.
func (t *Transport) page(ctx context.Context, q *queue, token string) (page []*cloudtaskspb.Task, next string, err error) {
	it := t.client.ListTasks(ctx, &cloudtaskspb.ListTasksRequest{Parent: q.name, PageToken: token, ResponseView: cloudtaskspb.Task_BASIC})
	for {
		p, err := it.Next()
		if err == iterator.Done {
			return page, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		if page = append(page, p); it.PageInfo().Remaining() == 0 {
			return page, it.PageInfo().Token, nil
		}
	}
}
