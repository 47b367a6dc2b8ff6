package cloudtasks

import (
	"context"
	"errors"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// MaxBatchDeletes is the most tasks of one BatchDeleteTasks request. Read 2026-11 from the API definitions
// (cloudtasks 1.21.1).
const MaxBatchDeletes = 1000

// Delete removes tasks: one with DeleteTask, several with requests of up to [MaxBatchDeletes], or one by one
// where the server has no BatchDeleteTasks.
func (t *Transport) Delete(ctx context.Context, queue string, ids ...string) error {
	if len(ids) == 1 {
		return t.deleteOne(ctx, queue, ids[0])
	}
	q, err := t.open(transport.OpDelete, queue)
	if err != nil {
		return err
	}
	d := &deletion{t: t, q: q, ids: ids, errs: make([]error, len(ids))}
	sound := make([]int, 0, len(ids)) // one bad id would fail a whole batch
	for i, id := range ids {
		if _, d.errs[i] = t.open(transport.OpDelete, queue, id); d.errs[i] == nil {
			sound = append(sound, i)
		}
	}
	if !t.noDeletes.Load() {
		sound = d.many(ctx, sound)
	}
	atOnce(len(sound), t.inFlight*singlesPerBatch, func(i int) {
		d.errs[sound[i]] = t.deleteOne(ctx, queue, ids[sound[i]])
	})
	return errors.Join(d.errs...)
}

func (t *Transport) deleteOne(ctx context.Context, queue, id string) error {
	q, err := t.open(transport.OpDelete, queue, id)
	if err != nil {
		return err
	}
	err = do(ctx, func(ctx context.Context) error {
		return t.client.DeleteTask(ctx, &cloudtaskspb.DeleteTaskRequest{Name: q.tasks + id})
	})
	if err != nil {
		return t.failed(ctx, transport.OpDelete, queue, id, t.whatIsMissing(ctx, q, err), err)
	}
	return nil
}

// deletion is one Delete of several ids. Its goroutines work on ids of their own, known by their indices.
type deletion struct {
	t    *Transport
	q    *queue
	ids  []string
	errs []error
}

// many deletes by batches. It returns those that the server must get one by one.
func (d *deletion) many(ctx context.Context, indices []int) (left []int) {
	n := (len(indices) + MaxBatchDeletes - 1) / MaxBatchDeletes
	part := func(i int) []int { return indices[i*MaxBatchDeletes : min((i+1)*MaxBatchDeletes, len(indices))] }
	unsupported := make([]bool, n)
	atOnce(n, d.t.inFlight, func(i int) {
		unsupported[i] = d.t.noDeletes.Load() || !d.chunk(ctx, part(i))
	})
	for i := range n {
		if unsupported[i] {
			left = append(left, part(i)...)
		}
	}
	return left
}

// chunk deletes the tasks of one request. It returns false, and has done nothing, where the server knows no
// batches.
func (d *deletion) chunk(ctx context.Context, indices []int) bool {
	ids := make([]string, len(indices))
	for at, i := range indices {
		ids[at] = d.ids[i]
	}
	out, err := d.t.deleteTasks(ctx, d.q, ids)
	if status.Code(err) == codes.Unimplemented {
		d.t.noDeletes.Store(true)
		return false
	}
	if err != nil {
		out = &outcome{err: err}
	}
	missing := transport.KindOther // what NotFound means is asked once
	for at, i := range indices {
		err := out.failure(at)
		if err == nil {
			continue
		}
		if missing == transport.KindOther && isQueueMissing(err) {
			missing = d.t.whatIsMissing(ctx, d.q, err)
		}
		d.errs[i] = d.t.failed(ctx, transport.OpDelete, d.q.id, d.ids[i], missing, err)
	}
	return true
}
