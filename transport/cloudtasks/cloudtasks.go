// Package cloudtasks carries tasks over Google Cloud Tasks, through Google's own client.
//
// # Smallest program
//
//	t, err := cloudtasks.New(ctx)
//	defer t.Close()
//	receipt, err := t.Enqueue(ctx, &transport.Task{Queue: "mail", URL: url, Body: body})
//
// Through package tasks it is Config.Transport. On Cloud Run, Functions and Compute Engine New needs no option:
// project, location and service account come from the metadata server. Elsewhere set CLOUD_TASKS_PROJECT,
// CLOUD_TASKS_LOCATION and CLOUD_TASKS_SERVICE_ACCOUNT, or the options of those names. With
// CLOUD_TASKS_EMULATOR_HOST set to host:port it talks to an emulator, without credentials.
//
// # Queues
//
// A queue that does not exist is created when a task is enqueued, with the settings declared for it. One that
// was deleted lately cannot be created again for days: its tasks go to a backup queue, which the Receipt names,
// and a warning is logged once.
//
// # Delivery guarantees
//
// At least once, in no particular order. An id stays taken for up to 24 hours after its task is gone. Cloud
// Tasks deletes a task that is out of retries without a trace.
//
// # Concurrency
//
// A Transport is safe for concurrent use. It runs goroutines only during EnqueueBatch and Delete, and those of
// Google's client.
//
// # Limits
//
// Those of Cloud Tasks, checked before anything is sent, and [CallTimeout] for each call. What the driver may
// do beside enqueueing depends on the caller's roles: roles/cloudtasks.enqueuer to enqueue,
// roles/iam.serviceAccountUser on the service account whose tokens the deliveries carry,
// roles/cloudtasks.queueAdmin to create queues, roles/cloudtasks.viewer and roles/cloudtasks.taskDeleter to look
// and delete.
//
// # Testing
//
// Tests of a program need no Cloud Tasks: transport/memory and tasktest behave the same.
package cloudtasks

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	apiv2 "cloud.google.com/go/cloudtasks/apiv2"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// Transport enqueues to the queues of one project and location. It is made by [New] and safe for concurrent
// use. Besides Enqueue it is a transport.Batcher, Inspector, QueueAdmin, QueueDeclarer and QueueDeleter.
type Transport struct {
	client *apiv2.Client
	owned  bool // whether Close ends it
	logger *slog.Logger

	location string // projects/P/locations/L
	account  string // whose tokens the deliveries carry; empty: none
	audience string
	backup   string // empty: the queue's own
	inFlight int
	emulator gcp.Value // host:port, and what said so; empty: none

	closed       atomic.Bool
	noCreates    atomic.Bool // the server has no BatchCreateTasks
	noDeletes    atomic.Bool // the server has no BatchDeleteTasks
	queues       sync.Map    // id -> *queue
	declarations declarations
}

var (
	_ transport.Transport     = (*Transport)(nil)
	_ transport.Batcher       = (*Transport)(nil)
	_ transport.Inspector     = (*Transport)(nil)
	_ transport.QueueAdmin    = (*Transport)(nil)
	_ transport.QueueDeclarer = (*Transport)(nil)
)

// New connects to Cloud Tasks. What no option sets comes from the environment (see [OptionsFromEnv]), then from
// the metadata server; the error names all that is missing or wrong, and how to set it. ctx bounds these
// questions; New does not wait for the connection, which is made in the background.
func New(ctx context.Context, opts ...Option) (*Transport, error) {
	s, err := resolve(ctx, opts)
	if err != nil {
		return nil, err
	}
	t := &Transport{
		client:   s.client,
		logger:   s.Logger,
		location: "projects/" + s.Project.Text + "/locations/" + s.Location.Text,
		account:  s.Account.Text,
		audience: s.audience,
		backup:   s.backup.Text,
		inFlight: s.inFlight,
		emulator: s.Endpoint,
	}
	if t.client == nil {
		if t.client, err = apiv2.NewClient(ctx, s.dialOptions()...); err != nil {
			return nil, gcp.NotConnected(driver(), err)
		}
		t.owned = true
	} else {
		t.emulator = gcp.Value{} // the client leads where it leads
	}
	return t, nil
}

// Enqueue creates the task with one call, or more where its queue is missing. A queue that was just created may
// not be known to all of Cloud Tasks for up to a minute: Enqueue then tries again, as long as ctx allows.
func (t *Transport) Enqueue(ctx context.Context, task *transport.Task) (transport.Receipt, error) {
	if err := t.check(ctx, task, time.Now()); err != nil {
		return transport.Receipt{}, err
	}
	var name string
	q, err := t.onQueue(ctx, task.Queue, func(q *queue) error {
		created, err := call(ctx, t.client.CreateTask, t.request(q, task))
		name = created.GetName()
		return err
	})
	if err != nil {
		return t.refused(ctx, q, task, err)
	}
	return accepted(q, task, name), nil
}

// Close ends the connections that New opened. A client that was passed in with [WithClient] stays open.
// Afterwards Enqueue answers ErrClosed. Calling it again does nothing.
func (t *Transport) Close() error {
	if t.closed.Swap(true) || !t.owned {
		return nil
	}
	return t.client.Close()
}

// check reports why a task must not be sent.
func (t *Transport) check(ctx context.Context, task *transport.Task, now time.Time) error {
	fail := func(kind transport.Kind, err error) error {
		return &transport.Error{Op: transport.OpEnqueue, Queue: task.Queue, ID: task.ID, Kind: kind, Err: err}
	}
	if t.closed.Load() {
		return fail(transport.KindClosed, nil)
	}
	if err := ctx.Err(); err != nil {
		return fail(transport.KindOther, err)
	}
	if err := task.Check(now); err != nil {
		return err
	}
	if !hasScheme(task.URL) {
		return fail(transport.KindInvalid, urlError(task.URL))
	}
	return nil
}

func accepted(q *queue, task *transport.Task, name string) transport.Receipt {
	r := transport.Receipt{ID: task.ID, Queue: q.id, ETA: task.ETA}
	if r.ID == "" {
		_, r.ID = splitTask(name)
	}
	return r
}
