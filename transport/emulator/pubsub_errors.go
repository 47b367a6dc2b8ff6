package emulator

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

const (
	textDetached = "The subscription is detached from its topic."
	textPushed   = "This method is not supported for this subscription type."
	textStopping = "the emulator is shutting down"
)

func noResource(name string) error {
	return status.Errorf(codes.NotFound, "Resource not found (resource=%s).", shortID(name))
}

func resourceExists(name string) error {
	return status.Errorf(codes.AlreadyExists, "Resource already exists in the project (resource=%s).", shortID(name))
}

func unimplemented(what, instead string) error {
	return status.Errorf(codes.Unimplemented, "%s not emulated: %s.", what, instead)
}

// brokerError is what the service answers to a call about a resource that the broker refused.
func brokerError(err error, resource string) error {
	switch transport.KindOf(err) {
	case transport.KindNotFound:
		return noResource(resource)
	case transport.KindExists:
		return resourceExists(resource)
	case transport.KindInvalid, transport.KindTooLarge:
		return invalid("%s", causeOf(err))
	case transport.KindCapacity:
		return status.Errorf(codes.ResourceExhausted, "the emulator is full: %s", causeOf(err))
	case transport.KindClosed:
		return status.Error(codes.Unavailable, textStopping)
	default:
		return status.FromContextError(err).Err()
	}
}

// causeOf is what an error of our own says beside the resource, which the caller knows.
func causeOf(err error) string {
	if e, ok := errors.AsType[*transport.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}
