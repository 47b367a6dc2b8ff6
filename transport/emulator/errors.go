package emulator

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// The service's texts, as it was recorded to send them.
const (
	textNoQueue     = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."
	textQueueExists = "Queue already exists"
	textQueueGone   = "The queue cannot be created because a queue with this name existed too recently."
	textNoEntity    = "Requested entity was not found."
	textTaskGone    = "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted."
	textTaskExists  = "Requested entity already exists"
	textTaskExisted = "The task cannot be created because a task with this name existed too recently."
)

// invalid is an InvalidArgument.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// taskError is what the service answers to a call about a task that the engine refused.
func taskError(err error) error {
	switch transport.KindOf(err) {
	case transport.KindQueueMissing:
		return status.Error(codes.NotFound, textNoQueue)
	case transport.KindNotFound:
		if isGone(err) {
			return status.Error(codes.NotFound, textTaskGone)
		}
		return status.Error(codes.NotFound, textNoEntity)
	case transport.KindExists:
		return status.Error(codes.AlreadyExists, textTaskExists)
	case transport.KindGone:
		return status.Error(codes.AlreadyExists, textTaskExisted)
	case transport.KindCapacity:
		return status.Errorf(codes.ResourceExhausted, "the emulator is full: %v", err)
	case transport.KindClosed:
		return status.Error(codes.Unavailable, "the emulator is shutting down")
	default:
		return status.FromContextError(err).Err()
	}
}

// isGone reports whether the task of an error was there lately.
func isGone(err error) bool { return errors.Is(err, transport.ErrGone) }
