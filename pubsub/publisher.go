package pubsub

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/internal/printable"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Publisher publishes messages whose data is an M. It is made by [NewPublisher], usually as a package variable, and
// belongs to the Apps that it is registered with. It is safe for concurrent use.
type Publisher[M any] struct {
	tasks.Binding
	def *publisher
}

// NewPublisher defines a publisher. It never fails: what is wrong with it is an error of App.Register.
//
// M is validated before it is published, as a task's payload is. An OrderingKey() string method of M gives the
// message its ordering key.
func NewPublisher[M any](opts ...PublisherOption) *Publisher[M] {
	return &Publisher[M]{def: definePublisher[M](opts)}
}

// Publish validates m, publishes it and waits for the server's id of the message. A topic that does not exist is
// created.
//
// Errors: *[tasks.ValidationError]; tasks.ErrNotRegistered and tasks.ErrAmbiguousApp; tasks.ErrTooLarge and
// tasks.ErrInvalid; tasks.ErrNoBroker; or the broker's, which alone leave open whether it was published.
func (p *Publisher[M]) Publish(ctx context.Context, m M, opts ...PublishOption) (string, error) {
	d := p.definition()
	out, err := d.under(ctx, &p.Binding)
	if err != nil {
		return "", d.failed("publish", err)
	}
	var c call
	for _, o := range opts {
		if o != nil {
			o.publish(&c)
		}
	}
	msg, err := out.message(ctx, payload.Box(&m), "", c)
	if err != nil {
		return "", d.failed("publish", err)
	}
	id, err := out.app.PublishMessage(out.from(ctx), msg)
	if err != nil {
		return "", d.failed("publish", err)
	}
	return id, nil
}

// PublishAll publishes many in as few requests as the broker allows. The results come in the order of ms, one
// each, whose Receipt.ID is the message's. One that fails, be it that it does not validate or that the broker refuses
// it, fails those behind it with its ordering key, which are not sent, so that order is kept, and hinders no other.
// Errors are those of Publish; of one that was not sent for another's sake it wraps the cause, and matches neither
// tasks.ErrInvalid nor tasks.ErrTooLarge nor *[tasks.ValidationError]: the message itself may be sound.
func (p *Publisher[M]) PublishAll(ctx context.Context, ms []M, opts ...PublishOption) []tasks.Result {
	d := p.definition()
	results := make([]tasks.Result, len(ms))
	out, err := d.under(ctx, &p.Binding)
	if err != nil {
		for i := range results {
			results[i].Err = d.failed("publish", err)
		}
		return results
	}
	var c call
	for _, o := range opts {
		if o != nil {
			o.publish(&c)
		}
	}
	out.publishAll(ctx, len(ms), func(i int) any {
		m := ms[i]
		return payload.Box(&m)
	}, c, results)
	for i := range results {
		if err := results[i].Err; err != nil {
			results[i].Err = d.failed("publish", err)
		}
	}
	return results
}

// Enqueue publishes m later: it is validated and encoded now, with the headers of ctx, and published by a task, which
// is retried as its queue says: like any task it may run twice, and publish m twice. [Task] says when, and on which
// queue. Tasks keep no order: messages of one ordering key are published as their tasks happen to run. Errors as those of
// Publish and Task.Enqueue; a message over a task's 1 MiB (in base64) is tasks.ErrTooLarge.
func (p *Publisher[M]) Enqueue(ctx context.Context, m M, opts ...EnqueueOption) (tasks.Receipt, error) {
	d := p.definition()
	out, err := d.under(ctx, &p.Binding)
	if err != nil {
		return tasks.Receipt{}, d.failed("enqueue", err)
	}
	var c call
	for _, o := range opts {
		if o != nil {
			o.enqueue(&c)
		}
	}
	msg, err := out.message(ctx, payload.Box(&m), "", c)
	if err != nil {
		return tasks.Receipt{}, d.failed("enqueue", err)
	}
	return d.enqueue(ctx, p, msg, c.task)
}

// Spec describes the definition.
func (p *Publisher[M]) Spec() tasks.Spec { return p.definition().spec() }

func (p *Publisher[M]) publishes(M) {}

func (p *Publisher[M]) definition() *publisher {
	if p.def == nil { // a zero Publisher, which no App registers
		return &publisher{definition: definition{typ: reflect.TypeFor[M](), errs: []error{errZero("Publisher")}}}
	}
	return p.def
}

// Typed is a publisher whose messages carry an M: what test kits take.
type Typed[M any] interface {
	tasks.Definition
	publishes(M)
}

// publisher is a publisher with its data's type erased.
type publisher struct {
	definition
	dynamic bool // the topic may come with each message
}

func definePublisher[M any](opts []PublisherOption) *publisher {
	d := &publisher{definition: definition{typ: reflect.TypeFor[M]()}}
	for _, o := range opts {
		if o == nil {
			d.problem("an option is nil: leave it out")
			continue
		}
		o.publisher(d)
	}
	return d
}

// nameOf is the definition's name: as given, else the topic's id, else the type's.
func (d *publisher) nameOf() string {
	if d.name != "" {
		return d.name
	}
	if id := transport.ResourceID(d.topic); isName(id) {
		return id
	}
	return d.typeName()
}

func (d *publisher) spec() tasks.Spec {
	name, errs := d.nameOf(), d.errs
	if !isName(name) {
		errs = append(errs[:len(errs):len(errs)], fmt.Errorf("name %q: give it letters, digits, \".\", \"-\" and \"_\" with pubsub.WithName", name))
	}
	return tasks.Spec{
		Kind: tasks.KindPublisher, Name: name, Path: name + publishSuffix, Payload: d.typ, Handle: d.handle, Err: errors.Join(errs...),
		Resolve: func(app *tasks.App) (any, error) { return d.resolve(app) },
	}
}

// publishSuffix keeps the tasks that publish apart from a task of the payload's own name.
const publishSuffix = ".publish"

// outlet is a publisher under one App.
type outlet struct {
	app       *tasks.App
	topic     string // empty: each message brings its own
	codec     tasks.Codec
	trusted   bool   // the codec is ours, and writes valid JSON
	headerKey string // of the data's object
	raw       bool
	ordered   bool
	origin    *origin.Publisher
}

func (d *publisher) resolve(app *tasks.App) (*outlet, error) {
	cfg := app.Config()
	topic, err := d.topicUnder(cfg)
	if err != nil && d.dynamic && d.topic == "" {
		topic, err = "", nil
	}
	if err := errors.Join(err, d.checkPayload(app)); err != nil {
		return nil, err
	}
	out := &outlet{app: app, topic: topic, codec: d.codecUnder(cfg), headerKey: cfg.PropagatedHeadersKey, raw: d.isRaw(), ordered: d.ordered}
	_, out.trusted = out.codec.(tasks.JSONCodec)
	out.origin = d.origin()
	out.origin.ValidJSON = out.trusted
	return out, nil
}

// origin is what is said of the publisher to those around a publish.
func (d *publisher) origin() *origin.Publisher {
	return &origin.Publisher{Name: d.nameOf(), Raw: d.isRaw()}
}

// from names the publisher in ctx.
func (out *outlet) from(ctx context.Context) context.Context { return origin.With(ctx, out.origin) }

// under finds the App of a call and what the publisher is there.
func (d *publisher) under(ctx context.Context, b *tasks.Binding) (*outlet, error) {
	app, err := b.App(ctx)
	if err != nil {
		return nil, err
	}
	out, ok := b.Resolved(app).(*outlet)
	if !ok { // released meanwhile
		return nil, tasks.ErrNotRegistered
	}
	return out, nil
}

func (d *publisher) failed(verb string, err error) error {
	return fmt.Errorf("pubsub: %s %s: %w", verb, printable.Text(d.nameOf()), err)
}

func errZero(what string) error {
	return fmt.Errorf("a zero %s: make it with pubsub.New%s", what, what)
}
