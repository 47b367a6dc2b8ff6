package tasks

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/transport"
)

// Task is a function that runs later, with a payload of type T. It is made by [New], usually as a package
// variable, and belongs to the Apps that it is registered with. It is safe for concurrent use.
type Task[T any] struct {
	Binding
	def *definition
}

// Receipt tells what became of an enqueued task: ID, Queue, ETA (zero: at once), Duplicate (the id was taken, nothing
// was enqueued) and Finished (its holder has already run).
type Receipt = transport.Receipt

// Result is the outcome of one payload of EnqueueAll: Receipt or Err.
type Result = transport.Result

// New defines a task that runs fn. It never fails: what is wrong with the definition is an error of
// App.Register.
//
// T may be a struct, a pointer to one, a slice, a map or a scalar. Payloads are validated by their validate
// tags, then by a Validate() error method where T has one, before they are enqueued and again before fn sees
// them. A TaskName() string method names the task, UniqueKey() string is what [Unique] goes by.
func New[T any](fn func(context.Context, T) error, opts ...Option) *Task[T] {
	call := func(ctx context.Context, v any) (any, error) { return nil, fn(ctx, payload.Unbox[T](v)) }
	return &Task[T]{def: define[T](call, fn == nil, opts)}
}

// Enqueue validates p and hands it to the transport, to run as soon as possible or as the options say.
//
// Errors: *[ValidationError]; [ErrNotRegistered] and [ErrAmbiguousApp]; [ErrTooLarge] and [ErrTooFar];
// [ErrInvalid] for an option out of range; or the transport's, see package transport. Only the latter leave
// open whether the task was enqueued. A duplicate is no error, see [Unique].
func (t *Task[T]) Enqueue(ctx context.Context, p T, opts ...EnqueueOption) (Receipt, error) {
	return t.definition().enqueue(ctx, t.binding(), payload.Box(&p), opts)
}

// EnqueueAll enqueues many payloads in as few calls as the transport allows. The results come in the order
// of the payloads, one each: one that fails hinders no other.
func (t *Task[T]) EnqueueAll(ctx context.Context, payloads []T, opts ...EnqueueOption) []Result {
	boxed := make([]any, len(payloads))
	for i := range payloads {
		p := payloads[i]
		boxed[i] = payload.Box(&p)
	}
	return t.definition().enqueueAll(ctx, t.binding(), boxed, opts)
}

// Run runs the task here and now, in this goroutine, through the same pipeline as a delivery: validation,
// middleware and deadline included. It returns the function's error, nil for [Discard], an error for [Snooze]
// and [RetryAfter].
func (t *Task[T]) Run(ctx context.Context, p T) error {
	_, err := t.definition().run(ctx, t.binding(), payload.Box(&p))
	return err
}

// Debug fetches a task that waits in the queue and runs it here, with its own payload and metadata. It stays in
// the queue. id is as in Delete. Errors as Delete's, then as Run's.
func (t *Task[T]) Debug(ctx context.Context, id string) error {
	return t.definition().debug(ctx, t.binding(), id)
}

// Delete removes a waiting task of this definition. id is the one of its Receipt; "queue/id", or Cloud Tasks'
// full name, for one on another queue than the definition's. Errors: transport.ErrNotFound, [ErrNotOurs] for a
// task of another definition, transport.ErrUnsupported.
func (t *Task[T]) Delete(ctx context.Context, id string) error {
	return t.definition().delete(ctx, t.binding(), id)
}

// DeleteAll removes the waiting tasks of this definition from its queue, or from the one that [OnQueue] names,
// and returns how many: all that wait when it runs. What vanishes meanwhile is no error. Thousands take a while: the
// plan.Progress of ctx hears how many are done with, of a total that is not known.
func (t *Task[T]) DeleteAll(ctx context.Context, opts ...DeleteOption) (int, error) {
	return t.definition().deleteAll(ctx, t.binding(), opts)
}

// Spec describes the definition.
func (t *Task[T]) Spec() Spec { return t.definition().spec() }

func (t *Task[T]) typed(T) {}

// binding serves a nil Task too: a zero value of what embeds one.
func (t *Task[T]) binding() *Binding {
	if t == nil {
		return new(Binding)
	}
	return t.Binding.binding()
}

func (t *Task[T]) definition() *definition {
	if t == nil || t.def == nil { // a zero Task, which no App registers
		return define[T](nil, true, nil)
	}
	return t.def
}

// ResultTask is a [Task] whose function returns a value: Run returns it, and the HTTP answer carries it.
type ResultTask[T, R any] struct{ Task[T] }

// NewWithResult defines a task that runs fn and has a result. Otherwise it is like [New].
func NewWithResult[T, R any](fn func(context.Context, T) (R, error), opts ...Option) *ResultTask[T, R] {
	call := func(ctx context.Context, v any) (any, error) {
		r, err := fn(ctx, payload.Unbox[T](v))
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	return &ResultTask[T, R]{Task[T]{def: define[T](call, fn == nil, opts)}}
}

// Run is like [Task.Run] and returns the function's result.
func (t *ResultTask[T, R]) Run(ctx context.Context, p T) (R, error) {
	result, err := t.definition().run(ctx, t.binding(), payload.Box(&p))
	r, ok := result.(R)
	if err == nil && !ok && result != nil {
		err = fmt.Errorf("tasks: %s: the result is a %T, not a %T: middleware has replaced it", t.definition().label(), result, r)
	}
	return r, err
}

// Typed is a definition whose payload is a T: what test kits take. Task, ResultTask and periodic tasks are.
type Typed[T any] interface {
	Definition
	typed(T)
}
