// Package engine is queues, timers and retries with the semantics of Cloud Tasks, in this process. It knows no
// wire: transport/memory, the emulator and tasktest are its faces.
//
// # How it works
//
// Each queue has a mutex, a slab of entries (its tasks), a heap of those that wait for their time, a FIFO of
// those that are ready, and one timer. Work is done by goroutines that are started when there is some, go on
// while there is more, and end at once when there is none: an idle engine has a pending timer at most.
//
// # Manual mode
//
// With [Config].Manual nothing runs by itself: [Engine.Next] tells when something is due, [Engine.RunNext] runs
// one task in the caller's goroutine. Rate limits and concurrency do not apply.
package engine

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// Defaults of Config.
const (
	DefaultCapacity       = 4_000_000
	DefaultCapacityBytes  = 1 << 30
	DefaultExhaustedLimit = 1000
)

// Config sets an Engine up. The zero value works; a number that is not positive means its default.
type Config struct {
	Clock  Clock // nil: WallClock
	Manual bool  // nothing runs by itself, see the package documentation

	// Queue completes the settings of every queue; what it leaves unset is as for a new queue of Cloud Tasks.
	Queue transport.QueueConfig
	// DeclaredOnly answers ErrQueueMissing for a queue that was neither declared nor put; without it a queue
	// comes into being with its first task.
	DeclaredOnly bool

	Capacity       int   // tasks in all queues; also the most tombstones of one queue
	CapacityBytes  int64 // payload bytes in all queues
	ExhaustedLimit int   // tasks kept in the list of those given up

	Journal Journal // hears what becomes of tasks; nil: nobody
	History bool    // keep when the latest attempt at each task began and ended
	Brake   bool    // slow a queue down whose worker answers 429 or 503
}

// Engine holds the queues. It implements every ability in package transport that Cloud Tasks has, and
// transport.Server. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	clock  Clock
	base   context.Context // of all attempts
	cancel context.CancelFunc

	envelopes envelopes
	held      capacity
	exhausted exhaustedList
	seq       atomic.Uint32
	agenda    agenda // manual mode only

	queues atomic.Pointer[map[string]*queue] // replaced under mu, never changed
	table  atomic.Pointer[serving.Table]     // likewise

	mu       sync.Mutex // taken before any queue's
	declared map[string]transport.QueueConfig
	stage    stage
	removed  []*queue      // those that may still run something
	busy     atomic.Int64  // queues that still run something while draining, and Shutdown itself
	drained  chan struct{} // closed when nothing runs any more
}

// stage is how far the engine is on its way to its end.
type stage uint8

const (
	open     stage = iota
	draining       // starts no attempts, accepts tasks
	closed
)

// New returns an engine without queues.
func New(cfg Config) *Engine {
	if cfg.Clock == nil {
		cfg.Clock = WallClock{}
	}
	if cfg.Capacity <= 0 {
		cfg.Capacity = DefaultCapacity
	}
	if cfg.CapacityBytes <= 0 {
		cfg.CapacityBytes = DefaultCapacityBytes
	}
	if cfg.ExhaustedLimit <= 0 {
		cfg.ExhaustedLimit = DefaultExhaustedLimit
	}
	cfg.Queue = cfg.Queue.Or(transport.CloudTasksQueue())
	e := &Engine{
		cfg:       cfg,
		clock:     cfg.Clock,
		envelopes: envelopes{seed: maphash.MakeSeed()},
		held:      capacity{maxTasks: int64(cfg.Capacity), maxBytes: cfg.CapacityBytes},
		exhausted: exhaustedList{limit: cfg.ExhaustedLimit},
		drained:   make(chan struct{}),
	}
	e.base, e.cancel = context.WithCancel(context.Background())
	e.queues.Store(&map[string]*queue{})
	e.table.Store(&serving.Table{})
	return e
}

// Now implements transport.Clock.
func (e *Engine) Now() time.Time { return e.clock.Now() }

// Backlog implements transport.Backlogger.
func (e *Engine) Backlog() int { return int(e.held.tasks.Load()) }

// Enqueue implements transport.Transport.
func (e *Engine) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return transport.Receipt{}, fail(transport.OpEnqueue, t.Queue, t.ID, transport.KindOther, err)
	}
	now := e.clock.Now()
	q := (*e.queues.Load())[t.Queue]
	if q != nil {
		if env := q.last.Load(); env != nil && env.suits(t, now) {
			return q.enqueue(t, entry{env: env, data: pack(t.Body, nil)}, now, false)
		}
	}
	if err := t.Check(now); err != nil {
		return transport.Receipt{}, err
	}
	if q == nil {
		if e.cfg.DeclaredOnly {
			return transport.Receipt{}, missing(transport.OpEnqueue, t.Queue, t.ID)
		}
		e.mu.Lock()
		q = e.makeQueue(t.Queue)
		e.mu.Unlock()
	}
	return q.enqueue(t, q.wrap(t), now, false)
}

// EnqueueBatch implements transport.Batcher.
func (e *Engine) EnqueueBatch(ctx context.Context, ts []*transport.Task) []transport.Result {
	results := make([]transport.Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = e.Enqueue(ctx, t)
	}
	return results
}

// makeQueue returns the queue of that name, which it makes if need be. e.mu is held.
func (e *Engine) makeQueue(name string) *queue {
	queues := *e.queues.Load()
	if q := queues[name]; q != nil {
		return q
	}
	q := &queue{
		e:     e,
		name:  name,
		ids:   scrambler{rand.Uint64()},
		stage: e.stage,
		names: names{limit: e.cfg.Capacity},
	}
	cfg, declared := e.declared[name] // until it was removed
	q.chosen = declared
	q.configure(cfg)
	queues = maps.Clone(queues)
	queues[name] = q
	e.queues.Store(&queues)
	return q
}

// now is the clock in the engine's own unit, Unix nanoseconds.
func (e *Engine) now() int64 { return e.clock.Now().UnixNano() }

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }

func fail(op, queue, id string, kind transport.Kind, cause error) error {
	return &transport.Error{Op: op, Queue: queue, ID: id, Kind: kind, Err: cause}
}

func missing(op, queue, id string) error {
	return fail(op, queue, id, transport.KindQueueMissing, fmt.Errorf("declare it, or create it with PutQueue"))
}
