package broker

import (
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// The verbs of errors that package transport has none for.
const (
	OpAcknowledge = "acknowledge on"
	OpModify      = "modify the ack deadline on"
	OpSeek        = "seek on"
	OpShutdown    = "shut down"
)

var (
	errDeadline = errors.New("the ack deadline passed without an answer")
	errGoexit   = errors.New("the handler ended its goroutine (runtime.Goexit, or FailNow of a test)")
	errLease    = errors.New("no lease has this ack id (any more): it was settled, or it ran out")
)

// NotTaken reports whether a handler's error says that nobody has looked at the message, and that it is to be given
// back: no attempt is counted. Such an error has a method NotTaken that returns true. It must have it itself: what it
// wraps may be the handler's own trouble with somebody else.
func NotTaken(err error) bool {
	e, ok := err.(interface{ NotTaken() bool })
	return ok && e.NotTaken()
}

func topicError(op, name string, kind transport.Kind, cause error) error {
	return &transport.Error{Op: op, Resource: fmt.Sprintf("topic %q", name), Kind: kind, Err: cause}
}

func subError(op, name string, kind transport.Kind, cause error) error {
	return &transport.Error{Op: op, Resource: fmt.Sprintf("subscription %q", name), Kind: kind, Err: cause}
}
