package transport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// plain enqueues and keeps time, capable also takes batches, wrapper hides what it wraps.
type plain struct{}

func (plain) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, nil
}
func (plain) Now() time.Time { return time.Time{} }

type capable struct{ plain }

func (capable) EnqueueBatch(context.Context, []*transport.Task) []transport.Result { return nil }
func (capable) Backlog() int                                                       { return 7 }

type wrapper struct{ inner transport.Transport }

func (w wrapper) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	return w.inner.Enqueue(ctx, t)
}
func (w wrapper) Unwrap() transport.Transport { return w.inner }

func TestAs(t *testing.T) {
	t.Parallel()
	deep := wrapper{wrapper{capable{}}}
	if b, err := transport.As[transport.Backlogger](deep); err != nil || b.Backlog() != 7 {
		t.Errorf("an ability below two decorators was not found: %v", err)
	}
	if _, err := transport.As[transport.Batcher](capable{}); err != nil {
		t.Errorf("the transport's own batches were not found: %v", err)
	}
	if _, err := transport.As[transport.Batcher](deep); !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("batches were found below a decorator, which bypasses its Enqueue: %v", err)
	}
	type both interface {
		transport.Backlogger
		transport.Batcher
	}
	if _, err := transport.As[both](deep); !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("an interface that includes batches was found below a decorator: %v", err)
	}
	if c, err := transport.As[capable](deep); err != nil || c.Backlog() != 7 {
		t.Errorf("a concrete type was not found: %v", err)
	}
	_, err := transport.As[transport.Inspector](deep)
	if !errors.Is(err, transport.ErrUnsupported) || !strings.Contains(err.Error(), "transport_test.wrapper") || !strings.Contains(err.Error(), "transport.Inspector") {
		t.Errorf("the error must name both types: %v", err)
	}
	for _, none := range []transport.Transport{nil, wrapper{}} {
		if _, err := transport.As[transport.Inspector](none); !errors.Is(err, transport.ErrUnsupported) {
			t.Errorf("%T: %v", none, err)
		}
	}
}

type keeper struct{ transport.Scheduler }

func (keeper) CreateJob(context.Context, *transport.Job) error     { return nil }
func (keeper) Job(context.Context, string) (*transport.Job, error) { return &transport.Job{}, nil }
func (keeper) PauseJob(context.Context, string) error              { return nil }
func (keeper) ResumeJob(context.Context, string) error             { return nil }
func (keeper) RunJob(context.Context, string) error                { return nil }

type auditor struct{ transport.Scheduler }

func (a auditor) Unwrap() transport.Scheduler { return a.Scheduler }

func TestSchedulerAs_CreatesJobs_OnTheOutermostOnly(t *testing.T) {
	t.Parallel()
	if _, err := transport.SchedulerAs[transport.JobCreator](keeper{}); err != nil {
		t.Errorf("the scheduler's own was not found: %v", err)
	}
	if _, err := transport.SchedulerAs[transport.JobCreator](auditor{keeper{}}); !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("it was found below a decorator, whose PutJob it bypasses: %v", err)
	}
	if _, err := transport.SchedulerAs[transport.JobAdmin](auditor{keeper{}}); err != nil {
		t.Errorf("what puts nothing in was not found: %v", err)
	}
}
