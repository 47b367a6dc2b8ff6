package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Call runs h. A panic is a failure with status 500 whose error carries the stack, and so is a status that HTTP
// does not have. It does not return if the handler ends its goroutine.
func Call(ctx context.Context, h transport.Handler, d *transport.Delivery) (status int, retryAfter time.Duration, err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		status, retryAfter = http.StatusInternalServerError, 0
		if cause, ok := v.(error); ok {
			err = fmt.Errorf("the handler panicked: %w\n%s", cause, debug.Stack())
		} else {
			err = fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	status, retryAfter, err = h(ctx, d)
	if status < 100 || status > 599 {
		err = errors.Join(fmt.Errorf("the handler answered %d, which is no HTTP status", status), err)
		status = http.StatusInternalServerError
	}
	return status, retryAfter, err
}

// OK reports whether status means that the task is done.
func OK(status int) bool { return status >= 200 && status <= 299 }

// Acknowledges reports whether status means that the message of a push is done. Pub/Sub takes no other for it.
func Acknowledges(status int) bool {
	switch status {
	case http.StatusProcessing, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return true
	}
	return false
}
