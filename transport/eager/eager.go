// Package eager runs each task in the goroutine that enqueues it, and the subscribers of each message in the one that
// publishes it: nothing waits, nothing is retried, and the handler's error comes back from Enqueue or Publish. It is
// for tests and scripts that want a task to be a function call.
//
// # Smallest program
//
//	t := eager.New()
//	err := t.Serve("", handle)
//	_, err = t.Enqueue(ctx, &transport.Task{Queue: "mail", URL: url, Body: body})
//
// # Delivery guarantees
//
// Exactly one attempt, over when Enqueue returns. ETA and retry settings are ignored, and an id may be used any
// number of times.
//
// A message goes to the declared subscriptions of its topic whose filter matches, one after the other, in the order of
// their declaration, by the handler that serves their push endpoint; one that is pulled and has none gets nothing. All
// get it, even if one fails. There are no dead letters, and ordering keys say nothing: Publish is over when all have
// handled the message.
//
// # Concurrency
//
// A Transport is safe for concurrent use and starts no goroutine. A handler may enqueue and publish: the calls nest.
//
// # Limits
//
// A task must satisfy [transport.Task.Check], a message [transport.Message.Check], so that what runs eagerly is
// accepted by Cloud Tasks and Pub/Sub too.
//
// # Testing
//
// Nothing to wait for. Where time, retries or order matter, use transport/memory or tasktest.
package eager

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// Transport is a transport that waits for its tasks, and for those who subscribe to its messages. Use [New].
type Transport struct {
	mu      sync.Mutex
	table   *serving.Table
	running map[canceler]struct{}
	closing bool
	drained chan struct{} // closed once closing and nothing runs

	subs   []declared // replaced, never changed
	lastID uint64     // of a message
}

// canceler is what runs: a task, or a message with all its subscribers.
type canceler interface{ Cancel() }

// Option sets up a Transport. There is none yet.
type Option interface{ eager() }

// New returns a transport that serves nothing yet.
func New(opts ...Option) *Transport {
	for _, o := range opts {
		if o != nil {
			o.eager()
		}
	}
	return &Transport{
		table:   &serving.Table{},
		running: make(map[canceler]struct{}),
		drained: make(chan struct{}),
	}
}

// Enqueue runs the handler that serves the task's URL, with ctx and the task's timeout, and returns when it has
// returned. A status of 200 to 299 is success. Otherwise the handler's own error comes back as it is, or one
// that names the status. [transport.ErrUnsupported] where nobody serves the URL; [transport.ErrClosed].
func (t *Transport) Enqueue(ctx context.Context, task *transport.Task) (transport.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return transport.Receipt{}, failed(task, transport.KindOther, err)
	}
	now := time.Now()
	if err := task.Check(now); err != nil {
		return transport.Receipt{}, err
	}
	d := attempt(task, now)
	run := lazyctx.WithDeadline(ctx, now.Add(d.Timeout))
	defer run.Cancel()
	h, err := t.enter(task, run)
	if err != nil {
		return transport.Receipt{}, err
	}
	defer t.leave(run)

	status, _, err := serving.Call(run, h, d)
	switch {
	case serving.OK(status):
		return transport.Receipt{ID: d.ID, Queue: d.Queue}, nil
	case err != nil:
		return transport.Receipt{}, err
	default:
		return transport.Receipt{}, failed(task, transport.KindOther, fmt.Errorf("its handler answered %d", status))
	}
}

// Serve implements [transport.Server].
func (t *Transport) Serve(endpoint string, h transport.Handler) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return &transport.Error{Op: transport.OpServe, Kind: transport.KindClosed}
	}
	table, err := t.table.With(endpoint, h)
	if err != nil {
		return err
	}
	t.table = table
	return nil
}

// Withdraw implements [transport.Sharer].
func (t *Transport) Withdraw(endpoint string) (left int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table = t.table.Without(endpoint)
	return t.table.Len()
}

// Shutdown implements [transport.Server]. Enqueue and Publish answer ErrClosed once nothing runs any more.
func (t *Transport) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	if !t.closing {
		t.closing = true
		t.checkDrained()
	}
	t.mu.Unlock()
	select {
	case <-t.drained:
		return nil
	default:
	}
	select {
	case <-t.drained:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.running) == 0 {
		return nil
	}
	for run := range t.running {
		run.Cancel()
	}
	return &transport.Error{Op: "shut down", Err: fmt.Errorf("%d tasks and messages were still running: %w", len(t.running), ctx.Err())}
}

// enter finds the handler and counts run among those that run. While closing, only tasks of tasks that still run
// get in.
func (t *Transport) enter(task *transport.Task, run *lazyctx.Context) (transport.Handler, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing && len(t.running) == 0 {
		return nil, failed(task, transport.KindClosed, nil)
	}
	h := t.table.Find(task.URL)
	if h == nil {
		return nil, failed(task, transport.KindUnsupported, fmt.Errorf("nobody serves %q: call Serve first", task.URL))
	}
	t.running[run] = struct{}{}
	return h, nil
}

func (t *Transport) leave(run canceler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, run)
	t.checkDrained()
}

func (t *Transport) checkDrained() {
	if !t.closing || len(t.running) > 0 {
		return
	}
	select {
	case <-t.drained:
	default:
		close(t.drained)
	}
}

// attempt makes the only attempt at task, with copies of what it refers to.
func attempt(task *transport.Task, now time.Time) *transport.Delivery {
	d := &transport.Delivery{Task: *task, Attempt: 1, FirstAttempt: now}
	if d.ID == "" {
		d.ID = strconv.FormatUint(rand.Uint64(), 10)
	}
	if d.Timeout == 0 {
		d.Timeout = transport.DefaultTimeout
	}
	d.ETA = now
	d.Body = slices.Clone(task.Body)
	if task.Header != nil {
		d.Header = make(http.Header, len(task.Header))
		for name, values := range task.Header {
			if len(values) > 0 {
				d.Header.Set(name, strings.Join(values, ", "))
			}
		}
	}
	return d
}

func failed(task *transport.Task, kind transport.Kind, err error) error {
	return &transport.Error{Op: transport.OpEnqueue, Queue: task.Queue, ID: task.ID, Kind: kind, Err: err}
}
