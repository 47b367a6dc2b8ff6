package tasks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/internal/printable"
	"github.com/typedtasks/typedtasks/internal/seen"
	"github.com/typedtasks/typedtasks/transport"
)

// Definition is what an App registers: tasks here, publishers, subscribers and periodic tasks in the sibling
// packages. It is sealed: embed [Binding] to make one.
type Definition interface {
	Spec() Spec
	binding() *Binding
}

// Handler runs one delivery and returns its result. The context is the run's: it carries the App, the
// metadata and the propagated headers, and ends at the dispatch deadline. d must not be kept or changed.
type Handler func(ctx context.Context, d *transport.Delivery) (any, error)

// Spec describes a definition to its App.
type Spec struct {
	Kind    string        // KindTask, ...
	Name    string        // unique among the App's definitions of its kind
	Path    string        // last element of the path under which it is served; empty: not served
	Aliases []string      // further such elements
	Also    []string      // and further ones, where no other definition is served under them
	Queue   string        // the queue its tasks go to; empty: the App's default
	Timeout time.Duration // dispatch deadline; 0: the default
	Header  http.Header   // sent with each delivery, beside the content type
	Payload reflect.Type
	Handle  Handler
	Err     error // what is wrong with the definition

	// Upgrades are the types of older payloads that UpgradeFrom reads, in the order in which they are tried.
	Upgrades []reflect.Type

	// Resolve makes of the definition what holds under one App, names say, or tells what is wrong with it there;
	// see [Binding.Resolved]. It must change nothing, and neither register nor list definitions. Where the value has a
	// method Conflict(other any, whose string) error, Register calls it with the value of each definition before it
	// that has one too, and that definition's kind and name (`subscriber "audit"`); an error refuses the definition.
	Resolve func(*App) (any, error)
	// Start is called once the definition is registered, before Register returns. Its error undoes the registration
	// of all that were registered with it, but not their Starts. It must not register or list definitions either.
	Start func(*App) error

	// Of subscribers: the subscription whose messages alone are taken (its id, or the full name; empty: any), whether
	// each becomes a task, and how they are enqueued where they do.
	Subscription string
	ViaTasks     bool
	TaskOptions  []EnqueueOption

	// Of periodic tasks: whether their scheduler tries a run that failed again. If not, each run is its last attempt.
	JobRetries bool
}

// The kinds of definitions.
const (
	KindTask       = "task"
	KindPeriodic   = "periodic"
	KindPublisher  = "publisher"
	KindSubscriber = "subscriber"
)

// definition is a task with its payload type erased.
type definition struct {
	settings
	typ       reflect.Type
	plan      *payload.Plan
	newTarget func() any // what a payload is decoded into, see payload.Box
	call      function
	err       error
}

// function is the user's function with its payload boxed.
type function = func(ctx context.Context, v any) (any, error)

// define collects a definition and all that is wrong with it.
func define[T any](call function, fnMissing bool, opts []Option) *definition {
	d := &definition{typ: reflect.TypeFor[T](), newTarget: payload.Target[T](), call: call}
	for _, o := range opts {
		if o == nil {
			d.problem("an option is nil: leave it out")
			continue
		}
		o.define(&d.settings)
	}
	if d.name == "" {
		d.name = defaultName(d.typ)
	}
	if fnMissing {
		d.problem("the function is nil: pass one to tasks.New")
	}
	names := append([]string{d.name}, d.aliases...)
	for i, name := range names {
		if i > 0 && slices.Contains(names[:i], name) {
			d.problem("WithAliases: %q is a name of the task already", name)
		}
		if err := checkName(name); err != nil {
			if i == 0 && name == "" {
				err = errors.New("the payload's type gives no usable name: add tasks.WithName")
			}
			d.problem("%w", err)
		}
	}
	plan, err := payload.PlanFor(reflect.TypeOf(d.newTarget()).Elem()) // boxed, a pointer type is one level less
	if err != nil {
		d.problem("payload: %w", err)
	}
	d.plan = plan
	d.errs = append(d.errs, d.upgrades.Check(d.typ, "the payload of the task")...)
	d.err = errors.Join(d.errs...)
	return d
}

// label is the name as errors show it: nobody has checked the name of a task that was never registered.
func (d *definition) label() string { return printable.Text(d.name) }

func (d *definition) spec() Spec {
	s := Spec{
		Kind: KindTask, Name: d.name, Path: d.name, Aliases: slices.Clone(d.aliases),
		Queue: d.queue, Timeout: d.timeout, Header: d.ownHeader(), Payload: d.typ, Handle: d.handle, Err: d.err,
	}
	for _, u := range d.upgrades {
		s.Upgrades = append(s.Upgrades, u.From)
	}
	return s
}

// handle is the innermost Handler: decode, validate, call.
func (d *definition) handle(ctx context.Context, del *transport.Delivery) (any, error) {
	app := appFrom(ctx)
	if app == nil {
		return nil, fmt.Errorf("tasks: %s: handled outside of an App", d.label())
	}
	v := d.newTarget()
	if err := app.decode(d, del.Body, v); err != nil {
		older, err := d.upgrades.Find(err, app.upgrading(d, del.Body))
		if err != nil {
			return nil, err
		}
		if v, err = older.Upgrade(ctx); err != nil {
			return nil, err
		}
	}
	if see := seen.By(ctx); app.cfg.LogPayloads && see != nil {
		see(v)
	}
	return d.call(ctx, v)
}

// decode turns a body into a validated payload.
func (a *App) decode(d *definition, body []byte, v any) error {
	return a.decodeBy(a.cfg.Codec, d.plan, bodyless(d.typ), body, v)
}

// decodeBy is decode for any type. A payload without fields may have no body at all.
func (a *App) decodeBy(c Codec, p *payload.Plan, bodyless bool, body []byte, v any) error {
	if len(body) > 0 || !bodyless {
		if err := p.Decode(c, body, v); err != nil {
			return err
		}
	}
	return a.validator.Validate(p, v)
}

func bodyless(t reflect.Type) bool { return t.Kind() == reflect.Struct && t.NumField() == 0 }

// encode validates a payload and turns it into a body.
func (a *App) encode(d *definition, v any) ([]byte, error) {
	if reflect.ValueOf(v).IsNil() {
		return nil, &ValidationError{Err: payload.ErrNil}
	}
	if err := a.validator.Validate(d.plan, v); err != nil {
		return nil, err
	}
	return a.cfg.Codec.Marshal(v)
}

// baseHeader is what every task of the definition carries under a codec. It is shared and never changed.
func (d *definition) baseHeader(c Codec) http.Header {
	h := cloneHeader(d.header, 2)
	if _, set := h[headerContentType]; !set {
		h[headerContentType] = []string{payload.ContentType(c)}
	}
	if d.retry != nil {
		h[headerRetry] = []string{formatRetry(*d.retry)}
	}
	return h
}

// ownHeader is baseHeader without what the codec says, for the caller to keep.
func (d *definition) ownHeader() http.Header {
	h := cloneHeader(d.header, 1)
	if d.retry != nil {
		h[headerRetry] = []string{formatRetry(*d.retry)}
	}
	return h
}

// defaultName is what the payload's TaskName says, else the name of its type; empty where neither serves.
func defaultName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n, ok := reflect.New(t).Interface().(interface{ TaskName() string }); ok {
		return callTaskName(n)
	}
	if t.PkgPath() == "" { // a built-in or unnamed type
		return ""
	}
	if checkName(t.Name()) != nil { // an instantiated generic type
		return ""
	}
	return t.Name()
}

// callTaskName keeps New from panicking where TaskName cannot stand a zero payload.
func callTaskName(n interface{ TaskName() string }) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	return n.TaskName()
}

const maxName = 200

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("name %q has %d characters, not 1 to %d", name, len(name), maxName)
	}
	for i := range len(name) {
		c := name[i]
		if transport.CheckID(name[i:i+1]) != nil && c != '.' {
			return fmt.Errorf("name %q may hold letters, digits, \".\", \"-\" and \"_\" only, not %q", name, c)
		}
	}
	if name == "." || name == ".." {
		return fmt.Errorf("name %q would not survive in a URL", name)
	}
	return nil
}
