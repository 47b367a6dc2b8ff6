package transport

import (
	"context"
	"iter"
	"reflect"
	"time"
)

// Batcher enqueues many tasks in fewer calls. Results come in the order of the tasks, one each; each task
// stands for itself, as with [Transport.Enqueue].
//
// It puts work in, so [As] finds it on the outermost transport only: a decorator's Enqueue is never bypassed.
type Batcher interface {
	EnqueueBatch(ctx context.Context, ts []*Task) []Result
}

// Waiting is a task as it stands in its queue.
type Waiting struct {
	Task
	Created    time.Time
	Dispatches int // attempts begun, one in flight included
	Seen       int // attempts that got an answer
}

// Inspector looks into queues.
type Inspector interface {
	// Get returns the task with its body, as the caller's own. ErrNotFound if it does not wait; ErrGone as well where it is known to
	// have run or to have been deleted lately; ErrQueueMissing.
	Get(ctx context.Context, queue, id string) (*Waiting, error)

	// All yields the queue's tasks in no particular order, reading them page by page: tasks that come or go
	// meanwhile may or may not be seen. An error ends it.
	All(ctx context.Context, queue string) iter.Seq2[*Waiting, error]

	// Delete removes tasks, those that run too (the attempt in flight is not stopped). Every id is tried; the
	// error joins one for each that failed, ErrNotFound where it was not there.
	Delete(ctx context.Context, queue string, ids ...string) error
}

// QueueAdmin manages queues. Each method but PutQueue answers ErrQueueMissing for one that does not exist.
type QueueAdmin interface {
	// Queue returns the settings in force, defaults resolved.
	Queue(ctx context.Context, queue string) (QueueConfig, error)
	// PutQueue creates the queue or replaces its settings; ErrInvalid where they are out of range.
	PutQueue(ctx context.Context, queue string, cfg QueueConfig) error
	// Pause stops dispatching; tasks may still be enqueued, and RunNow still runs one. Attempts in flight go on.
	Pause(ctx context.Context, queue string) error
	// Resume starts dispatching again.
	Resume(ctx context.Context, queue string) error
	// Purge removes the tasks that were created before the call.
	Purge(ctx context.Context, queue string) error
	// RunNow dispatches a waiting task at once, over any limit, and does not wait for its answer.
	RunNow(ctx context.Context, queue, id string) error
}

// QueueDeleter deletes queues.
type QueueDeleter interface {
	// DeleteQueue deletes the queue with the tasks that wait in it, which are lost; attempts in flight go on, and
	// their outcomes are ignored. ErrQueueMissing if there is none. On Cloud Tasks no queue can be created under its
	// name for days.
	DeleteQueue(ctx context.Context, queue string) error
}

// QueueResolver tells what becomes of a queue's settings, and talks to nobody.
type QueueResolver interface {
	// ResolveQueue returns what Queue would after PutQueue of cfg, which is valid: defaults filled in, what the driver
	// cannot do replaced by what it does. MaxBurst is 0 where it is not for callers to set.
	ResolveQueue(cfg QueueConfig) QueueConfig
}

// QueueDeclarer takes the settings of queues that a program uses, before it uses them, and talks to nobody:
// they hold when a queue comes into being.
type QueueDeclarer interface {
	// DeclareQueues takes all of them or none; ErrInvalid where one is out of range.
	DeclareQueues(cfgs map[string]QueueConfig) error
}

// Delivery is one attempt to run a task.
type Delivery struct {
	Task
	Attempt          int       // from 1: the attempts before this one, plus one
	Executions       int       // earlier attempts that were answered with anything but 5xx
	PreviousResponse int       // HTTP status of the attempt before; 504 after a timeout, 0 on the first
	FirstAttempt     time.Time // when the first attempt began; zero where the driver cannot tell

	// Exhausted marks a notice instead of an attempt: the driver gives up on the task, and this is the last that
	// is heard of it. PreviousResponse tells how its last attempt ended, and LastErr why, where that is known. It
	// goes to who ran that attempt, or to whoever serves anything where nobody does.
	Exhausted bool
	LastErr   error

	// Message is the message that a subscription delivers, nil for a task. Where it comes in an HTTP request, Body
	// is that request's; else Body is empty.
	Message *Message
}

// Handler runs one delivery. A status of 200 to 299 means done; anything else failed. retryAfter, if positive,
// asks for the next attempt no sooner than that. err is why, for callers in this process; it never decides.
//
// ctx ends at the dispatch deadline. The handler may read d and what it refers to until it returns, and no
// longer.
type Handler func(ctx context.Context, d *Delivery) (status int, retryAfter time.Duration, err error)

// Server is a transport that runs its tasks in this process.
type Server interface {
	// Serve delivers to h the tasks whose URL is endpoint or continues it with "/" or "?"; the longest endpoint
	// wins, the empty one matches all. While nobody serves, tasks wait; a task that no endpoint matches fails
	// with 404 and is retried like any other. An endpoint that is served already is an error of KindExists.
	Serve(endpoint string, h Handler) error

	// Shutdown starts no new attempt and waits for the running ones, which may still enqueue; then Enqueue
	// answers ErrClosed. When ctx ends first, it cancels the running attempts' contexts and returns ctx's error.
	// Calling it again does no harm.
	Shutdown(ctx context.Context) error
}

// Sharer is a Server that several parties share, each with an endpoint of its own.
type Sharer interface {
	// Withdraw stops delivering to endpoint and returns how many endpoints are still served. It does not wait
	// for attempts in flight.
	Withdraw(endpoint string) (left int)
}

// Backlogger counts the tasks that wait, running ones included.
type Backlogger interface {
	Backlog() int
}

// Clock is a transport that keeps its own time; callers take "now" from it.
type Clock interface {
	Now() time.Time
}

// As finds an ability of t: t itself where it has it, else the first of what it wraps, by Unwrap() Transport,
// that does. Abilities that put work in ([Batcher], [BatchPublisher], and interfaces that include one) are asked
// of t alone. Without one it returns an error matching [ErrUnsupported] that names both types.
func As[A any](t Transport) (A, error) { return lookUp[A, Transport](t, "transport") }

// lookUp walks from t through what it wraps, each an S.
func lookUp[A, S any](t S, what string) (A, error) {
	want := reflect.TypeFor[A]()
	for cur := any(t); cur != nil; {
		if a, ok := cur.(A); ok {
			return a, nil
		}
		w, ok := cur.(interface{ Unwrap() S })
		if putsWorkIn(want) || !ok {
			break
		}
		cur = w.Unwrap()
	}
	var none A
	return none, &Error{Op: OpLookUp, Kind: KindUnsupported, Err: lacks{t, want, what}}
}

// putsWorkIn reports whether an ability would get past a decorator's own Enqueue, Publish or PutJob.
func putsWorkIn(a reflect.Type) bool {
	return a.Kind() == reflect.Interface && (a.Implements(reflect.TypeFor[Batcher]()) || a.Implements(reflect.TypeFor[BatchPublisher]()) ||
		a.Implements(reflect.TypeFor[JobCreator]()))
}

type lacks struct {
	t    any
	want reflect.Type
	what string
}

func (l lacks) Error() string {
	if l.t == nil {
		return "there is no " + l.what
	}
	return reflect.TypeOf(l.t).String() + " is no " + l.want.String()
}
