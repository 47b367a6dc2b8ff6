package pubsub

import (
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// key is a message's ordering key.
type key struct {
	text string
	err  error // the method panicked: of a message that is not valid this says nothing new
}

// orderingKey is the key of boxed data that may not be valid, or nil: as the options say, else its own method.
func orderingKey(v any, c call) (k key) {
	if c.orderingKey != "" {
		return key{text: c.orderingKey}
	}
	own, ok := v.(interface{ OrderingKey() string })
	if !ok {
		return key{}
	}
	defer func() {
		if p := recover(); p != nil {
			k = key{err: &keyPanicError{v, p}}
		}
	}()
	return key{text: own.OrderingKey()}
}

// keyPanicError is about an OrderingKey method that panicked.
type keyPanicError struct{ of, value any }

func (e *keyPanicError) Error() string {
	return fmt.Sprintf("method OrderingKey of %T panicked: %v", e.of, e.value)
}

// Unwrap returns the panic's value where it was an error.
func (e *keyPanicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// followError is about a message that was not sent because one before it failed. What is wrong with that one is not
// wrong with this: of its error only the cause is reachable, not what classifies it.
type followError struct {
	key string
	err error
}

func (e *followError) Error() string {
	return fmt.Sprintf("not sent, because an earlier message of ordering key %q failed: %v", e.key, e.err)
}

func (e *followError) Unwrap() error {
	cause := e.err
	if refused, ok := errors.AsType[*transport.Error](cause); ok {
		cause = refused.Err
	}
	if refused, ok := errors.AsType[*tasks.ValidationError](cause); ok {
		cause = refused.Err
	}
	if errors.Is(cause, tasks.ErrInvalid) || errors.Is(cause, tasks.ErrTooLarge) {
		return nil
	}
	return cause
}
