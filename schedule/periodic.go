package schedule

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Periodic is a task that runs at the times of a schedule, with the same payload each time. It is a tasks.Task too,
// to be enqueued and run as one. It is made by [New], usually as a package variable, and belongs to the Apps that it
// is registered with. It is safe for concurrent use.
type Periodic[T any] struct {
	*tasks.Task[T]
	def *definition
}

// New defines a periodic task that runs fn at the times of when. It never fails: what is wrong with it is an error
// of App.Register.
//
// Where the App's scheduler runs in this process, memory say, Register makes it fire; elsewhere [Sync] does. Its
// payload is a T of zero value, or that of [Periodic.WithPayload]. Timeout and name are those of [Task]'s options;
// without tasks.WithTimeout an attempt that Cloud Scheduler makes has 3 minutes, and not a task's 10.
func New[T any](fn func(context.Context, T) error, when When, opts ...Option) *Periodic[T] {
	d := &definition{typ: reflect.TypeFor[T]()}
	d.setWhen(when)
	for _, o := range opts {
		if o == nil {
			d.problem("an option is nil: leave it out")
			continue
		}
		o.periodic(d)
	}
	if fn == nil {
		d.problem("the function is nil: pass one to schedule.New")
		fn = func(context.Context, T) error { return nil } // tasks.New need not say it again
	}
	return &Periodic[T]{Task: tasks.New(fn, d.taskOptions...), def: d}
}

// Spec describes the definition.
func (p *Periodic[T]) Spec() tasks.Spec {
	return p.definition().spec(p.Task.Spec(), func(app *tasks.App) any { return p.Resolved(app) })
}

// WithPayload sets what the task is given at each run, and returns p: it is for where the task is defined. Register
// encodes and validates it, and runs get copies; until then nothing that it refers to may change. What an App has
// registered keeps the payload that it had then. A nil or a zero p stays as it is: Register refuses it.
func (p *Periodic[T]) WithPayload(payload T) *Periodic[T] {
	if p != nil && p.def != nil {
		v := box(&payload)
		p.def.payload.Store(&v)
	}
	return p
}

// NextRuns tells the next n times of the schedule, in its time zone, or fewer where it has no more. It begins with the
// time of the App that p is registered with, if there is just one, else with that of the machine. It needs neither
// Register nor a scheduler, and knows of none that is paused. An error says that n is less than 0, or p nil, which are
// tasks.ErrInvalid, or what is wrong with the schedule or its zone.
func (p *Periodic[T]) NextRuns(n int) ([]time.Time, error) { return p.NextRunsAfter(p.now(), n) }

// NextRunsAfter is NextRuns from another time on: the first n times of the schedule that are later than t. Runs of
// "every N minutes" and the like are counted from t.
func (p *Periodic[T]) NextRunsAfter(t time.Time, n int) ([]time.Time, error) {
	if p == nil {
		return nil, fmt.Errorf("schedule: next runs: %w: a nil Periodic: make it with schedule.New", tasks.ErrInvalid)
	}
	runs, err := p.definition().next(t, n)
	if err != nil {
		return nil, fmt.Errorf("schedule: %s: next runs: %w", p.Task.Spec().Name, err)
	}
	return runs, nil
}

func (p *Periodic[T]) definition() *definition {
	if p.def == nil { // a zero Periodic, which no App registers
		return &definition{typ: reflect.TypeFor[T](), wrong: errZero}
	}
	return p.def
}

// now is the time of the App, if there is just one.
func (p *Periodic[T]) now() time.Time {
	if p == nil || p.Task == nil {
		return time.Now()
	}
	app, err := p.App(context.Background())
	if err != nil {
		return time.Now()
	}
	clock, err := transport.As[transport.Clock](app.Config().Transport)
	if err != nil {
		return time.Now()
	}
	return clock.Now()
}

var errZero = errors.New("a zero Periodic: make it with schedule.New")
