package cloudpubsub

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// failed makes an error of what a call about a resource answered. The kind follows from the gRPC code; role is what
// the caller may lack.
func (b *Broker) failed(ctx context.Context, op, resource, role string, err error) error {
	e := &transport.Error{Op: op, Resource: resource, Err: b.emulator.Unanswered(ctx, err, b.link.cause())}
	switch status.Code(err) {
	case codes.NotFound:
		e.Kind = transport.KindNotFound
	case codes.AlreadyExists:
		e.Kind = transport.KindExists
	case codes.InvalidArgument:
		e.Kind = transport.KindInvalid
	case codes.Unimplemented:
		e.Kind = transport.KindUnsupported
	case codes.PermissionDenied:
		e.Err = gcp.NotAllowed(e.Err, role)
	}
	return e
}

func invalid(op, resource string, err error) error {
	return &transport.Error{Op: op, Resource: resource, Kind: transport.KindInvalid, Err: err}
}

func closedError(op, resource string) error {
	return &transport.Error{Op: op, Resource: resource, Kind: transport.KindClosed}
}

// The roles that calls need.
const (
	rolePublisher  = "roles/pubsub.publisher"
	roleSubscriber = "roles/pubsub.subscriber"
	roleEditor     = "roles/pubsub.editor"
	roleViewer     = "roles/pubsub.viewer"
)

// uncreatedError says that a topic is missing and why it was not created.
type uncreatedError struct{ create, after error }

func (e *uncreatedError) Error() string {
	s := "it could not be created: " + e.create.Error()
	if status.Code(e.create) == codes.PermissionDenied {
		s += " (grant the caller " + roleEditor + ", which has pubsub.topics.create, or create the topic: pubsub.Sync does)"
	}
	return s + "; before: " + e.after.Error()
}

func (e *uncreatedError) Unwrap() []error { return []error{e.after, e.create} }

// followError is about a message that was not sent because one before it failed. What failed is the other message,
// so of its error only the platform's own is reachable.
type followError struct {
	key string
	err error
}

func (e *followError) Error() string {
	return fmt.Sprintf("not sent, because an earlier message of ordering key %q failed: %v", e.key, e.err)
}

func (e *followError) Unwrap() error {
	if cause, ok := errors.AsType[*transport.Error](e.err); ok {
		return cause.Err
	}
	return e.err
}
