package cloudtasks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// OperationTimeout is how long the outcome of a batch is waited for, beyond what its context allows.
const OperationTimeout = 2 * time.Minute

// A batch is done in its first answer, or soon after: the pauses between questions begin short.
const firstPoll, mostPoll = 10 * time.Millisecond, time.Second

// outcome is what an operation says of its items, by their index in the request.
type outcome struct {
	failed map[int32]*statuspb.Status
	err    error // of the items that failed does not name; nil: they are done

	// names were given to tasks without an id of their own; Cloud Tasks lists what it created in the request's order.
	names []string
}

func (o *outcome) failure(at int) error {
	if s, ok := o.failed[int32(at)]; ok {
		return status.ErrorProto(s)
	}
	return o.err
}

// name returns the next name that the server gave. Tasks with an id of their own have one already.
func (o *outcome) name(task *transport.Task) (name string) {
	if task.ID == "" && len(o.names) > 0 {
		name, o.names = o.names[0], o.names[1:]
	}
	return name
}

// createTasks makes one BatchCreateTasks request and waits for its outcome. The request id is for those on the
// way who send a request twice, as a retrying interceptor does.
func (t *Transport) createTasks(ctx context.Context, q *queue, tasks []*transport.Task, indices []int) (*outcome, error) {
	req := &cloudtaskspb.BatchCreateTasksRequest{Parent: q.name, RequestId: requestID(), Requests: make([]*cloudtaskspb.CreateTaskRequest, len(indices))}
	own := make(map[string]bool)
	for at, i := range indices {
		req.Requests[at] = t.request(q, tasks[i])
		own[req.Requests[at].Task.Name] = true
	}
	op, err := call(ctx, t.client.BatchCreateTasks, req)
	if err != nil {
		return nil, err
	}
	var created *cloudtaskspb.BatchCreateTasksResponse
	out := &outcome{}
	out.err = await(ctx, op, func(ctx context.Context) (err error) {
		created, err = op.Poll(ctx)
		return err
	})
	meta, err := op.Metadata()
	out.read(op, meta.GetFailedRequests(), err)
	for _, p := range created.GetTasks() {
		if !own[p.Name] {
			out.names = append(out.names, p.Name)
		}
	}
	return out, nil
}

// deleteTasks makes one BatchDeleteTasks request and waits for its outcome.
func (t *Transport) deleteTasks(ctx context.Context, q *queue, ids []string) (*outcome, error) {
	req := &cloudtaskspb.BatchDeleteTasksRequest{Parent: q.name, RequestId: requestID(), Names: make([]string, len(ids))}
	for i, id := range ids {
		req.Names[i] = q.tasks + id
	}
	op, err := call(ctx, t.client.BatchDeleteTasks, req)
	if err != nil {
		return nil, err
	}
	out := &outcome{err: await(ctx, op, func(ctx context.Context) error { return op.Poll(ctx) })}
	meta, err := op.Metadata()
	out.read(op, meta.GetFailedRequests(), err)
	return out, nil
}

// read takes what the operation says of single items.
func (o *outcome) read(op operation, failed map[int32]*statuspb.Status, err error) {
	if o.failed = failed; err != nil && o.err == nil {
		o.err = &unknownError{op.Name(), err}
	}
}

type operation interface {
	Done() bool
	Name() string
}

// await polls op until it is done and returns how it ended; *unknownError if that is not known. A question that
// fails may be asked again: it changes nothing.
func await(ctx context.Context, op operation, poll func(context.Context) error) error {
	if op.Done() { // in the first answer: poll asks nobody then
		return poll(ctx)
	}
	began := time.Now()
	for delay := firstPoll; ; delay = min(delay*3/2, mostPoll) {
		if err := gcp.Pause(ctx, delay); err != nil {
			return &unknownError{op.Name(), err}
		}
		err := do(ctx, poll)
		switch {
		case op.Done():
			return err
		case err == nil && time.Since(began) > OperationTimeout:
			return &unknownError{op.Name(), errNotDone}
		case err != nil && (!passing(err) || time.Since(began) > OperationTimeout):
			return &unknownError{op.Name(), err}
		}
	}
}

// passing reports whether a later question may be answered.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.Aborted:
		return true
	default:
		return false
	}
}

// unknownError says that a request was taken, and not what came of it: it must not be sent again.
type unknownError struct {
	operation string
	err       error
}

func (e *unknownError) Error() string {
	return fmt.Sprintf("the outcome of operation %s is unknown: %v", e.operation, e.err)
}

func (e *unknownError) Unwrap() error { return e.err }

var errNotDone = errors.New("it goes on for more than " + OperationTimeout.String())

func requestID() string { return rand.Text() }
