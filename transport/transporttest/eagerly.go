package transporttest

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func eagerLaws() []law {
	return []law{
		{"eager/before-return", "A driver that runs in the caller has run the task when Enqueue returns.", eagerBeforeReturn},
		{"eager/error", "A driver that runs in the caller returns the handler's error from Enqueue and does not retry.", eagerError},
		{"eager/done", "A driver that runs in the caller takes a status of 200 to 299 as done, whatever error comes with it.", eagerDone},
	}
}

func (t *trial) needsEager() {
	if !t.Eager {
		t.skipf("is about drivers that run in the caller: Driver.Eager is not set")
	}
}

func eagerBeforeReturn(t *trial) {
	t.needsEager()
	var ran atomic.Int32
	t.receive(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		ran.Add(1)
		return http.StatusOK, 0, nil
	})
	t.enqueue(t.due("today", distant))
	if n := ran.Load(); n != 1 {
		t.errorf("the handler ran %d times before Enqueue returned, want 1", n)
	}
}

func eagerError(t *trial) {
	t.needsEager()
	broken := errors.New("broken")
	box := t.receive(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		return http.StatusInternalServerError, 0, broken
	})
	t.refuses(t.retried("broken"), broken)
	box.next()
	box.none("the caller has the error")
}

func eagerDone(t *trial) {
	t.needsEager()
	t.receive(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		return http.StatusAccepted, 0, errors.New("discarded")
	})
	t.enqueue(t.task("discarded"))
}
