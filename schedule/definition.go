package schedule

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// definition is a periodic task with its payload type erased.
type definition struct {
	typ         reflect.Type // T
	schedule    *cron.Schedule
	wrong       error // with the schedule; nil: nothing
	zone        string
	zoneGiven   bool
	loaded      atomic.Pointer[time.Location]
	description string
	retry       *transport.RetryConfig
	noOIDC      bool
	taskOptions []tasks.Option
	errs        []error

	payload atomic.Pointer[any] // boxed: a pointer, see box; nil: the zero T
}

func (d *definition) problem(format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf(format, args...))
}

func (d *definition) setWhen(w When) {
	if w == nil {
		d.wrong = errors.New("the schedule is nil: pass schedule.New a Cron, Every or Interval")
		return
	}
	d.schedule, d.wrong = w.parse()
}

func (d *definition) setZone(name string) { d.zone, d.zoneGiven = name, true }

func (d *definition) setDescription(text string) {
	if d.description = text; utf8.RuneCountInString(text) > transport.MaxJobDescription {
		d.problem("Description: %d characters, at most %d are allowed", utf8.RuneCountInString(text), transport.MaxJobDescription)
	}
	if !utf8.ValidString(text) {
		d.problem("Description: it is not UTF-8")
	}
}

func (d *definition) setRetry(c transport.RetryConfig) {
	d.retry = &c
	for _, errs := range each(c.CheckForJob()) {
		for _, err := range each(errs) {
			d.problem("Retry: %w", err)
		}
	}
}

// retries reports whether a run that fails is tried again.
func (d *definition) retries() bool {
	if d.retry == nil {
		return false
	}
	r := d.retry.ForJob()
	return r.MaxAttempts > 1 || r.MaxRetryDuration > 0
}

// location is the zone. It is looked up late: package variables are made before time/tzdata may be there.
func (d *definition) location() (*time.Location, error) {
	if loc := d.loaded.Load(); loc != nil {
		return loc, nil
	}
	if d.zoneGiven && d.zone == "" {
		return nil, errors.New("TimeZone: the name is empty: leave the option out for UTC")
	}
	loc, err := cron.LoadZone(d.zone)
	if err != nil {
		return nil, fmt.Errorf("TimeZone: %w", err)
	}
	d.loaded.Store(loc)
	return loc, nil
}

// timing is the zone, or all that is wrong with the times at which the task runs.
func (d *definition) timing() (*time.Location, error) {
	loc, err := d.location()
	return loc, errors.Join(d.wrong, err)
}

// next tells n times after now.
func (d *definition) next(now time.Time, n int) ([]time.Time, error) {
	loc, err := d.timing()
	if n < 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d runs are less than none", tasks.ErrInvalid, n))
	}
	if err != nil {
		return nil, err
	}
	runs := make([]time.Time, 0, min(n, 1024))
	for at := now.In(loc); len(runs) < n; {
		if at = d.schedule.Next(at); at.IsZero() {
			break
		}
		runs = append(runs, at)
	}
	return runs, nil
}

// spec is that of the task with the schedule.
func (d *definition) spec(s tasks.Spec, resolved func(*tasks.App) any) tasks.Spec {
	s.Kind = tasks.KindPeriodic
	s.JobRetries = d.retries()
	s.Header.Del(headers.Retry) // which is of what is enqueued: Cloud Scheduler's retries are another matter
	_, wrong := d.timing()
	errs := slices.Concat(each(s.Err), each(wrong), d.errs)
	if s.Err = errors.Join(errs...); d.wrong == errZero { // which says it all
		s.Err = errZero
	}
	s.Resolve = func(app *tasks.App) (any, error) {
		e, err := d.resolve(app, s)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	s.Start = func(app *tasks.App) error { return start(app, resolved(app)) }
	return s
}

// box is the payload as codecs and validation see it: a pointer, for a T that is one T itself.
func box[T any](p *T) any {
	if reflect.TypeFor[T]().Kind() == reflect.Pointer {
		return *p
	}
	return p
}

// newBox is the box of a zero T, for a pointer type of what it points to.
func (d *definition) newBox() any {
	if d.typ.Kind() == reflect.Pointer {
		return reflect.New(d.typ.Elem()).Interface()
	}
	return reflect.New(d.typ).Interface()
}

// each are the errors that err joins, or err itself.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.Clone(joined.Unwrap())
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// fold writes text with single spaces.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }
