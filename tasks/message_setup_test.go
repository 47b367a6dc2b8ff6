package tasks_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// msgSubscriber is a subscriber as package pubsub makes them.
func msgSubscriber(name string, h func(context.Context, *transport.Delivery) error, set ...func(*tasks.Spec)) *enqHandmade {
	d := &enqHandmade{spec: tasks.Spec{Kind: tasks.KindSubscriber, Name: name, Path: name, Handle: func(ctx context.Context, d *transport.Delivery) (any, error) {
		return nil, h(ctx, d)
	}}}
	for _, f := range set {
		f(&d.spec)
	}
	return d
}

// msgOptions says how messages become tasks.
func msgOptions(opts ...tasks.EnqueueOption) func(*tasks.Spec) {
	return func(s *tasks.Spec) { s.TaskOptions = opts }
}

// msgRuns are the runs of a subscriber.
type msgRuns struct {
	mu   sync.Mutex
	runs []msgRun
}

type msgRun struct {
	message *transport.Message
	queue   string
	meta    tasks.Metadata
	headers http.Header   // propagated
	limit   time.Duration // how long the run may take
}

// handle notes each run and does what then says, nothing if nil.
func (r *msgRuns) handle(then func(context.Context, msgRun) error) func(context.Context, *transport.Delivery) error {
	return func(ctx context.Context, d *transport.Delivery) error {
		run := msgRun{message: d.Message, queue: d.Queue, headers: tasks.HeadersFrom(ctx)}
		run.meta, _ = tasks.MetadataFrom(ctx)
		if end, ok := ctx.Deadline(); ok {
			run.limit = time.Until(end).Round(time.Second)
		}
		r.mu.Lock()
		r.runs = append(r.runs, run)
		r.mu.Unlock()
		if then == nil {
			return nil
		}
		return then(ctx, run)
	}
}

// returns notes each run and returns err.
func (r *msgRuns) returns(err error) func(context.Context, *transport.Delivery) error {
	return r.handle(func(context.Context, msgRun) error { return err })
}

// all returns the runs since the last call.
func (r *msgRuns) all() []msgRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	runs := r.runs
	r.runs = nil
	return runs
}

// one returns the single run since the last call.
func (r *msgRuns) one(t testing.TB) msgRun {
	t.Helper()
	runs := r.all()
	if len(runs) != 1 {
		t.Fatalf("%d runs, want 1", len(runs))
	}
	return runs[0]
}

// msgBody is a push of data as Pub/Sub wraps it; members come beside the message, comma-terminated, or nothing.
func msgBody(data string, members ...string) string {
	return fmt.Sprintf(`{%s"message": {"data": %q, "messageId": "11", "publishTime": "2026-11-24T06:00:00Z"}, "subscription": "projects/p/subscriptions/audit"}`,
		strings.Join(members, ""), base64.StdEncoding.EncodeToString([]byte(data)))
}

// msgDecode is how package pubsub has its data decoded.
func msgDecode(ctx context.Context, data []byte) (o dlvOrder, err error) {
	app, _ := tasks.AppFrom(ctx)
	if err = app.Decode(tasks.JSONCodec{}, data, &o); err != nil {
		err = tasks.Reject(err)
	}
	return o, err
}
