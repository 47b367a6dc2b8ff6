// Package memory runs tasks in this process with the semantics of Cloud Tasks: rates, retries, schedules,
// de-duplication. It is for development, for tests, and for work that may be lost with the process.
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
// # Concurrency
//
// A Transport is safe for concurrent use. Goroutines are started for work that may run and end when there is
// none; tasks that wait cost a timer per queue.
//
// # Limits
//
// Those of Cloud Tasks for a task, and [DefaultCapacity] and [DefaultCapacityBytes] for all of them together:
// beyond, Enqueue answers [transport.ErrCapacity]. A waiting task with a payload of 120 bytes takes about 240
// bytes.
//
// # Testing
//
// All time is that of package time, so inside a testing/synctest bubble hours pass at once. Package tasktest
// goes further and runs nothing by itself.
package memory

import (
	"context"
	"iter"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// Transport is an in-process Cloud Tasks. Use [New].
type Transport struct {
	engine *engine.Engine
}

// New returns a transport without tasks. By default a queue comes into being with its first task, has no rate
// limit, runs 1000 attempts at a time and retries as Cloud Tasks does by default.
func New(opts ...Option) *Transport {
	s := settings{Config: engine.Config{
		Queue:          transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit},
		Capacity:       DefaultCapacity,
		CapacityBytes:  DefaultCapacityBytes,
		ExhaustedLimit: DefaultExhaustedLimit,
	}}
	for _, o := range opts {
		if o != nil {
			o.memory(&s)
		}
	}
	t := &Transport{engine: engine.New(s.Config)}
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

// Withdraw implements [transport.Sharer].
func (t *Transport) Withdraw(endpoint string) (left int) { return t.engine.Withdraw(endpoint) }

// Shutdown implements [transport.Server]. What waits is lost with the process; [Transport.Backlog] counts it.
func (t *Transport) Shutdown(ctx context.Context) error { return t.engine.Shutdown(ctx) }

// Backlog implements [transport.Backlogger].
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
