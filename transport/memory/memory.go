// Package memory runs tasks in this process with the semantics of Cloud Tasks: rates, retries, schedules,
// de-duplication; carries messages with those of Pub/Sub, and fires periodic work with those of Cloud Scheduler: see
// the sections on messages and on periodic work. It is for development, for tests, and for work that may be lost with
// the process.
//
// # Smallest program
//
//	t := memory.New()
//	err := t.Serve("", handle)
//	receipt, err := t.Enqueue(ctx, &transport.Task{Queue: "mail", URL: url, Body: body})
//
// Through package tasks it is Config.Transport, and no more needs to be called.
//
// # Delivery guarantees
//
// At least once while the process lives; nothing survives it. Attempts of one task overlap only after a dispatch
// deadline that the handler ignored, or by RunNow. Tasks that are due run in about the order in which they
// became due. An explicit id stays taken for [transport.TombstoneTTL] after its task is gone.
//
// A failed task is retried as its queue says. One that is out of attempts, or older than
// [transport.MaxLifetime], is delivered once more as a notice ([transport.Delivery].Exhausted) and kept in the
// list that [Transport.Exhausted] returns. Answers 429 and 503 do not slow the queue down: Cloud Tasks does so
// by rules of its own.
//
// # Messages
//
// A message goes to each subscription of its topic whose filter matches, at least once while the process lives, and
// is acknowledged, or comes again: after the pause of the subscription's retry policy, or at once where it is pulled
// and after 100 ms to 60 s where it is pushed. What has failed as often as the dead-letter policy allows goes to the
// dead-letter topic, once, with the attributes that Pub/Sub adds. In an ordered subscription one message of an
// ordering key is out at a time, and a failed one holds the rest of its key up. Deliveries of one message overlap only
// past an ack deadline, or [transport.ReceiveSettings].MaxExtension, that the handler ignored.
//
// A push goes to whoever serves its endpoint, as a [transport.Delivery] with the Message in it and no Body; 102, 200,
// 201, 202 and 204 acknowledge it, and nothing else does. Where nobody serves it, it has failed. What a subscription
// has when its last Receive ends stays there for the next.
//
// Topics come into being with their first message, which is lost where nobody subscribes. A topic for dead letters
// must exist, or what failed too often is retried on.
//
// It differs from Pub/Sub in this: the pauses have no jitter; those of push are the message's own and do not slow the
// subscription down, and where there is a retry policy, its pause alone counts, not the larger of it and that of push;
// of an ordering key one message at a time is out, for pulls too; attempts are counted exactly, and what came to an App
// that is shutting down is none; subscriptions do not expire; there is no seek and no snapshot. Names are ids; of a
// full name the last part counts.
//
// # Periodic work
//
// A job is fired at the times of its schedule, by the wall clock of its time zone, as a [transport.Delivery] with the
// headers of Cloud Scheduler to whoever serves its URL; 200 to 299 means done. In spring a time that the clock skips
// does not run, in autumn one that it repeats runs twice. A failed run is attempted again as the job's RetryConfig
// says, which is not at all by default, and until the next time of the schedule at most. A job has one run at a time: a
// time that comes while one is being attempted is skipped, and of those that the machine slept through one run, late,
// is all that is made up for.
//
// What an App has registered ([Transport.DeclareJob]) goes when the App is shut down. Two Apps of one name share their
// jobs, which fire once.
//
// It differs from Cloud Scheduler in this: "every N seconds" is a schedule, for development; a job's method is not
// looked at; a job that is being attempted when it is to be run by hand runs once more after that; a time of the
// schedule that comes during a run by hand comes late instead of not at all; a paused job that is run by hand is not
// retried; an attempt that ignores its deadline has failed, but keeps its job waiting; the name of a deleted job is free
// at once. What a machine slept through is noticed ten minutes after it wakes at the latest.
//
// # Concurrency
//
// A Transport is safe for concurrent use. Goroutines are started for work that may run and end when there is
// none; tasks that wait cost a timer per queue, messages one per subscription, all jobs together one.
//
// # Limits
//
// Those of Cloud Tasks for a task, and [DefaultCapacity] and [DefaultCapacityBytes] for all of them together:
// beyond, Enqueue answers [transport.ErrCapacity]. A waiting task with a payload of 120 bytes takes about 240
// bytes.
//
// Those of Pub/Sub for a message, [DefaultMessageCapacity] and [DefaultMessageCapacityBytes] for all that are not
// acknowledged, and 100 pushes at a time in a subscription.
//
// # Testing
//
// All time is that of package time, so inside a testing/synctest bubble hours pass at once. Package tasktest
// goes further and runs nothing by itself.
package memory

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// Transport is an in-process Cloud Tasks, Pub/Sub and Cloud Scheduler. Use [New].
type Transport struct {
	engine *engine.Engine
	broker *broker.Broker
	jobs   *jobs.Jobs

	declaring sync.Mutex // so that of two Apps one is the first
}

// New returns a transport without tasks or topics. By default a queue comes into being with its first task, has no rate
// limit, runs 1000 attempts at a time and retries as Cloud Tasks does by default.
func New(opts ...Option) *Transport {
	s := settings{
		Config: engine.Config{
			Queue:          transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit},
			Capacity:       DefaultCapacity,
			CapacityBytes:  DefaultCapacityBytes,
			ExhaustedLimit: DefaultExhaustedLimit,
		},
		messages: broker.Config{
			AutoCreate:    true,
			Capacity:      DefaultMessageCapacity,
			CapacityBytes: DefaultMessageCapacityBytes,
		},
	}
	for _, o := range opts {
		if o != nil {
			o.memory(&s)
		}
	}
	t := &Transport{engine: engine.New(s.Config)}
	s.messages.Push = t.push
	t.broker = broker.New(s.messages)
	t.jobs = jobs.New(jobs.Config{Fire: t.fire, Served: func(url string) bool { return t.engine.Handler(url) != nil }})
	for name, cfg := range s.queues {
		// What is not valid is left out, as the option says: each queue stands for itself.
		_ = t.engine.DeclareQueues(map[string]transport.QueueConfig{name: cfg})
	}
	return t
}

// Enqueue implements [transport.Transport].
func (t *Transport) Enqueue(ctx context.Context, task *transport.Task) (transport.Receipt, error) {
	return t.engine.Enqueue(ctx, task)
}

// EnqueueBatch implements [transport.Batcher].
func (t *Transport) EnqueueBatch(ctx context.Context, tasks []*transport.Task) []transport.Result {
	return t.engine.EnqueueBatch(ctx, tasks)
}

// Serve implements [transport.Server].
func (t *Transport) Serve(endpoint string, h transport.Handler) error {
	return t.engine.Serve(endpoint, h)
}

// Withdraw implements [transport.Sharer]. Jobs that were declared, and that nobody serves now, are gone.
func (t *Transport) Withdraw(endpoint string) (left int) {
	left = t.engine.Withdraw(endpoint)
	t.jobs.Prune()
	return left
}

// Shutdown implements [transport.Server] for tasks, messages and jobs together: handlers of any may put in more until
// all have returned; every Receive ends with [transport.ErrClosed], and no job fires again. What waits is lost with the
// process: [Transport.Backlog] and [Transport.SubscriptionBacklog] count it.
func (t *Transport) Shutdown(ctx context.Context) error {
	for _, drained := range []<-chan struct{}{t.engine.Drain(), t.broker.Drain(), t.jobs.Drain()} {
		select {
		case <-drained:
		case <-ctx.Done():
		}
	}
	return errors.Join(t.engine.Shutdown(ctx), t.broker.Shutdown(ctx), t.jobs.Shutdown(ctx))
}

// Backlog implements [transport.Backlogger]. It counts tasks, not messages.
func (t *Transport) Backlog() int { return t.engine.Backlog() }

// Now implements [transport.Clock].
func (t *Transport) Now() time.Time { return t.engine.Now() }

// Get implements [transport.Inspector].
func (t *Transport) Get(ctx context.Context, queue, id string) (*transport.Waiting, error) {
	return t.engine.Get(ctx, queue, id)
}

// All implements [transport.Inspector].
func (t *Transport) All(ctx context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return t.engine.All(ctx, queue)
}

// Delete implements [transport.Inspector].
func (t *Transport) Delete(ctx context.Context, queue string, ids ...string) error {
	return t.engine.Delete(ctx, queue, ids...)
}

// DeclareQueues implements [transport.QueueDeclarer]. The queues exist from then on. One that was declared or
// put before keeps its settings.
func (t *Transport) DeclareQueues(cfgs map[string]transport.QueueConfig) error {
	return t.engine.DeclareQueues(cfgs)
}

// Queue implements [transport.QueueAdmin].
func (t *Transport) Queue(ctx context.Context, queue string) (transport.QueueConfig, error) {
	return t.engine.Queue(ctx, queue)
}

// PutQueue implements [transport.QueueAdmin]. New settings hold at once.
func (t *Transport) PutQueue(ctx context.Context, queue string, cfg transport.QueueConfig) error {
	return t.engine.PutQueue(ctx, queue, cfg)
}

// Pause implements [transport.QueueAdmin].
func (t *Transport) Pause(ctx context.Context, queue string) error { return t.engine.Pause(ctx, queue) }

// Resume implements [transport.QueueAdmin].
func (t *Transport) Resume(ctx context.Context, queue string) error {
	return t.engine.Resume(ctx, queue)
}

// Purge implements [transport.QueueAdmin]. It takes effect before it returns; attempts in flight go on, and
// their outcomes are ignored.
func (t *Transport) Purge(ctx context.Context, queue string) error { return t.engine.Purge(ctx, queue) }

// RunNow implements [transport.QueueAdmin]. A task that runs already runs twice.
func (t *Transport) RunNow(ctx context.Context, queue, id string) error {
	return t.engine.RunNow(ctx, queue, id)
}
