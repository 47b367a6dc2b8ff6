package cloudtasks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// failed makes an error of what a call about a queue or one of its tasks answered. The kind follows from the
// gRPC code; notFound is what NotFound means to this call.
func (t *Transport) failed(ctx context.Context, op, queue, id string, notFound transport.Kind, err error) error {
	e := &transport.Error{Op: op, Queue: queue, ID: id, Err: t.emulator.Unanswered(ctx, err, nil)}
	var unknown *unknownError
	var uncreated *uncreatedError
	switch code := status.Code(err); {
	case errors.As(err, &unknown): // the code is a question's, not the request's
	case errors.As(err, &uncreated):
		e.Kind = transport.KindQueueMissing
	case code == codes.FailedPrecondition && namesQueue(err):
		e.Kind = transport.KindQueueMissing
	case code == codes.NotFound:
		e.Kind = notFound
		if existedLately(err) {
			e.Err = fmt.Errorf("%w: %w", transport.ErrGone, e.Err)
		}
	case code == codes.InvalidArgument:
		e.Kind = transport.KindInvalid
	case code == codes.Unimplemented:
		e.Kind = transport.KindUnsupported
	case code == codes.PermissionDenied:
		e.Err = gcp.NotAllowed(e.Err, t.grant(op))
	}
	if e.Kind == transport.KindQueueMissing {
		e.Err = missingError{t.location, e.Err}
	}
	return e
}

// refused tells why a task was not enqueued. A duplicate has a receipt as well.
func (t *Transport) refused(ctx context.Context, q *queue, task *transport.Task, err error) (transport.Receipt, error) {
	if status.Code(err) == codes.AlreadyExists {
		r := transport.Receipt{ID: task.ID, Queue: q.id, Duplicate: true, Finished: existedLately(err)}
		kind := transport.KindExists
		if r.Finished {
			kind = transport.KindGone
		}
		return r, &transport.Error{Op: transport.OpEnqueue, Queue: q.id, ID: task.ID, Kind: kind, Err: err}
	}
	return transport.Receipt{}, t.failed(ctx, transport.OpEnqueue, task.Queue, task.ID, q.notFound(err), err)
}

// isQueueMissing reports whether err may say that the queue does not exist. Older servers answer
// FailedPrecondition, which means other things too: there the text decides.
func isQueueMissing(err error) bool {
	if _, unknown := errors.AsType[*unknownError](err); unknown {
		return false
	}
	switch status.Code(err) {
	case codes.NotFound:
		return true
	case codes.FailedPrecondition:
		return namesQueue(err)
	default:
		return false
	}
}

// namesQueue tells "Queue does not exist." from other resources that were not found, such as the service
// account of a task's token, and from tasks.
func namesQueue(err error) bool {
	return strings.Contains(status.Convert(err).Message(), "ueue does not exist")
}

// existedLately tells names that are taken by what is gone from those of what is there, and tasks that are gone
// from those that never were; only the text does. Cloud Tasks says "existed too recently", "existed recently".
func existedLately(err error) bool {
	text := status.Convert(err).Message()
	return strings.Contains(text, "existed too recently") || strings.Contains(text, "existed recently")
}

type missingError struct {
	location string
	err      error
}

func (e missingError) Error() string {
	return fmt.Sprintf("in %s; create it there, or set the right location with WithLocation or %s: %v", e.location, gcp.EnvLocation, e.err)
}

func (e missingError) Unwrap() error { return e.err }

// grant is what a caller may lack for op.
func (t *Transport) grant(op string) string {
	switch {
	case op != transport.OpEnqueue:
		return "a role such as roles/cloudtasks.admin"
	case t.account != "":
		return "roles/cloudtasks.enqueuer and, on " + t.account + ", roles/iam.serviceAccountUser"
	default:
		return "roles/cloudtasks.enqueuer"
	}
}

type urlError string

func (e urlError) Error() string {
	return fmt.Sprintf("Task.URL %q must begin with http:// or https://", string(e))
}
