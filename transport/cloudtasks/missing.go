package cloudtasks

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

const (
	// settling is how long a queue may go on answering NotFound after it was created. Read 2026-11 from the text
	// of that answer ("wait at least a minute").
	settling = time.Minute

	// diverting is how long tasks go straight to the backup queue before their own is tried again: names of deleted
	// queues are held for days, and each try costs two calls. A queue that seemed to be created and never came
	// costs a minute of waiting.
	diverting, divertingLong = time.Minute, time.Hour

	settlingFirst, settlingMost = 50 * time.Millisecond, 5 * time.Second
)

// fate is what came of creating a queue, for all who wanted it. It is replaced, never changed.
type fate struct {
	until    time.Time   // until when it counts
	created  bool        // it was missing
	found    bool        // it was there
	diverted bool        // it was deleted too recently to be created
	err      error       // it could not be created
	worked   atomic.Bool // a task was accepted since
}

func (f *fate) counts() bool { return f != nil && time.Now().Before(f.until) }

// onQueue calls send for the queue id. Where send's error says that the queue is missing, it creates the queue
// and calls send again, or goes on with the backup queue. It returns the queue it ended on.
func (t *Transport) onQueue(ctx context.Context, id string, send func(*queue) error) (*queue, error) {
	q := t.queue(id)
	wanted := q
	delay := settlingFirst
	for {
		known := q.fate.Load()
		if known != nil && known.diverted && known.counts() {
			if q != wanted || t.backupOf(q) == q {
				return wanted, &uncreatedError{create: errBothDeleted}
			}
			q = t.backupOf(q)
			wanted.warning.Do(func() {
				t.logger.WarnContext(ctx, "cloudtasks: the queue was deleted too recently to be created again: its tasks go to another queue",
					"queue", wanted.name, "instead", q.name)
			})
			continue
		}
		err := send(q)
		if err == nil || !isQueueMissing(err) {
			if known != nil && !known.worked.Load() {
				known.worked.Store(true)
			}
			return q, err
		}
		if !known.counts() {
			if createErr := t.create(ctx, q, known); createErr != nil {
				return q, &uncreatedError{create: createErr, after: err}
			}
			continue
		}
		if known.found && !namesQueue(err) {
			return q, err // something else was not found
		}
		if gcp.Pause(ctx, delay) != nil {
			return q, err
		}
		delay = min(2*delay, settlingMost)
	}
}

// create creates a queue unless somebody else has done so since known was seen. Those who come meanwhile wait
// for it and share what came of it.
func (t *Transport) create(ctx context.Context, q *queue, known *fate) error {
	select {
	case q.creating <- struct{}{}:
		defer func() { <-q.creating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if f := q.fate.Load(); f != known {
		return f.err
	}
	f := &fate{}
	created, err := call(ctx, t.client.CreateQueue, &cloudtaskspb.CreateQueueRequest{Parent: t.location, Queue: t.newQueue(q)})
	now := time.Now()
	switch code := status.Code(err); {
	case err == nil && known != nil && known.created && !known.worked.Load():
		// It was created before and never came: so it is, the API says, with a name that is still held.
		f.diverted, f.until = true, now.Add(divertingLong)
	case err == nil:
		f.created, f.until = true, now.Add(settling)
		t.settle(ctx, q, created)
	case code == codes.AlreadyExists:
		f.found, f.until = true, now.Add(settling)
	case code == codes.FailedPrecondition && existedLately(err):
		f.diverted, f.until = true, now.Add(diverting)
	case ctx.Err() != nil:
		return gcp.Ended(ctx, err) // says nothing about the queue: the next in line tries
	default:
		f.err = err
	}
	q.fate.Store(f)
	if f.created {
		t.logger.InfoContext(ctx, "cloudtasks: created a queue that was missing", "queue", q.name)
	}
	return f.err
}

// newQueue has the settings that were declared for the queue, if any.
func (t *Transport) newQueue(q *queue) *cloudtaskspb.Queue {
	cfg, ok := t.declarations.of(q.id)
	if !ok {
		return &cloudtaskspb.Queue{Name: q.name}
	}
	return queueProto(q.name, cfg)
}

// settle sets what a new queue cannot be created with: no doubling, which on the wire is the same as unset.
func (t *Transport) settle(ctx context.Context, q *queue, created *cloudtaskspb.Queue) {
	cfg, ok := t.declarations.of(q.id)
	if !ok || cfg.Or(transport.CloudTasksQueue()).Retry.MaxDoublings == int(created.GetRetryConfig().GetMaxDoublings()) {
		return
	}
	if err := t.PutQueue(ctx, q.id, cfg); err != nil {
		t.logger.WarnContext(ctx, "cloudtasks: a new queue has other retry settings than declared", "queue", q.name, "error", err)
	}
}

var errBothDeleted = errors.New("it was deleted too recently, and so was its backup queue")

// uncreatedError says that a queue is missing and why it was not created.
type uncreatedError struct{ create, after error }

func (e *uncreatedError) Error() string {
	s := "it could not be created: " + e.create.Error()
	if status.Code(e.create) == codes.PermissionDenied {
		s += " (grant the caller roles/cloudtasks.queueAdmin, or create the queue)"
	}
	if e.after != nil {
		s += "; before: " + e.after.Error()
	}
	return s
}

func (e *uncreatedError) Unwrap() []error {
	if e.after == nil {
		return []error{e.create}
	}
	return []error{e.create, e.after}
}
