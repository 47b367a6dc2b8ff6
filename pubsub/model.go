package pubsub

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Draft is the message that a domain object is published as.
type Draft[M any] struct {
	Topic       string // empty: the publisher's
	Data        M
	Attributes  map[string]string
	OrderingKey string
}

// ModelPublisher publishes domain objects as messages whose data is an M. It is made by [NewModelPublisher].
type ModelPublisher[Obj, M any] struct {
	tasks.Binding
	def   *publisher
	build func(context.Context, Obj) (Draft[M], error)
}

// NewModelPublisher defines a publisher that makes each message by build. The topic may depend on the object.
// What is wrong with the definition is an error of App.Register.
func NewModelPublisher[Obj, M any](build func(context.Context, Obj) (Draft[M], error), opts ...PublisherOption) *ModelPublisher[Obj, M] {
	d := definePublisher[M](opts)
	d.dynamic = true
	if build == nil {
		d.problem("the function is nil: pass one to pubsub.NewModelPublisher")
	}
	return &ModelPublisher[Obj, M]{def: d, build: build}
}

// Publish builds the message of obj and publishes it, as [Publisher.Publish] does. An error of build comes back as
// it is, wrapped.
func (p *ModelPublisher[Obj, M]) Publish(ctx context.Context, obj Obj, opts ...PublishOption) (string, error) {
	var c call
	for _, o := range opts {
		if o != nil {
			o.publish(&c)
		}
	}
	prepared, err := p.prepare(ctx, obj, c)
	if err != nil {
		return "", p.definition().failed("publish", err)
	}
	return prepared.Publish(ctx)
}

// Enqueue builds the message of obj now, and publishes it later, as [Publisher.Enqueue] does.
func (p *ModelPublisher[Obj, M]) Enqueue(ctx context.Context, obj Obj, opts ...EnqueueOption) (tasks.Receipt, error) {
	var c call
	for _, o := range opts {
		if o != nil {
			o.enqueue(&c)
		}
	}
	prepared, err := p.prepare(ctx, obj, c)
	if err != nil {
		return tasks.Receipt{}, p.definition().failed("enqueue", err)
	}
	return prepared.Enqueue(ctx, Task(c.task...))
}

// Prepare builds, validates and encodes the message of obj: a snapshot that what happens to obj later does not
// change. It is published, or enqueued, any number of times, each time as it was prepared, headers included.
func (p *ModelPublisher[Obj, M]) Prepare(ctx context.Context, obj Obj, opts ...PublishOption) (Prepared[M], error) {
	var c call
	for _, o := range opts {
		if o != nil {
			o.publish(&c)
		}
	}
	prepared, err := p.prepare(ctx, obj, c)
	if err != nil {
		return Prepared[M]{}, p.definition().failed("prepare", err)
	}
	return prepared, nil
}

func (p *ModelPublisher[Obj, M]) prepare(ctx context.Context, obj Obj, c call) (Prepared[M], error) {
	out, err := p.definition().under(ctx, &p.Binding)
	if err != nil {
		return Prepared[M]{}, err
	}
	draft, err := p.build(ctx, obj)
	if err != nil {
		return Prepared[M]{}, err
	}
	attributes := maps.Clone(draft.Attributes)
	if attributes == nil {
		attributes = c.attributes
	} else {
		maps.Copy(attributes, c.attributes)
	}
	c.attributes = attributes
	if c.orderingKey == "" {
		c.orderingKey = draft.OrderingKey
	}
	msg, err := out.message(ctx, payload.Box(&draft.Data), draft.Topic, c)
	if err != nil {
		return Prepared[M]{}, err
	}
	msg.Data = slices.Clone(msg.Data) // a codec may have kept it
	return Prepared[M]{model: p, publisher: p.definition(), app: out.app, msg: msg}, nil
}

// Spec describes the definition.
func (p *ModelPublisher[Obj, M]) Spec() tasks.Spec { return p.definition().spec() }

func (p *ModelPublisher[Obj, M]) publishes(M) {}

func (p *ModelPublisher[Obj, M]) definition() *publisher {
	if p.def == nil { // a zero ModelPublisher, which no App registers
		return &publisher{definition: definition{typ: reflect.TypeFor[M](), errs: []error{errZero("ModelPublisher")}}}
	}
	return p.def
}

// Prepared is a message that is ready to be published, of the App that it was prepared under. It never changes.
type Prepared[M any] struct {
	model     bindable
	publisher *publisher
	app       *tasks.App
	msg       *transport.Message
}

// bindable is a definition as one that asks for its App.
type bindable interface {
	tasks.Definition
	App(context.Context) (*tasks.App, error)
}

var errUnprepared = errors.New("pubsub: a zero Prepared: make it with ModelPublisher.Prepare")

// Publish publishes the message now and returns the server's id of it.
func (p Prepared[M]) Publish(ctx context.Context) (string, error) {
	if p.msg == nil {
		return "", errUnprepared
	}
	if _, err := p.model.App(p.app.Context(ctx)); err != nil { // shut down meanwhile
		return "", p.publisher.failed("publish", err)
	}
	id, err := p.app.PublishMessage(origin.With(ctx, p.publisher.origin()), p.copy())
	if err != nil {
		return "", p.publisher.failed("publish", err)
	}
	return id, nil
}

// Enqueue publishes the message later, by a task. Of the options [Task] alone has an effect: the message is made.
func (p Prepared[M]) Enqueue(ctx context.Context, opts ...EnqueueOption) (tasks.Receipt, error) {
	if p.msg == nil {
		return tasks.Receipt{}, errUnprepared
	}
	var c call
	for _, o := range opts {
		if o != nil {
			o.enqueue(&c)
		}
	}
	return p.publisher.enqueue(p.app.Context(ctx), p.model, p.msg, c.task)
}

// copy is for middleware to change.
func (p Prepared[M]) copy() *transport.Message {
	m := *p.msg
	m.Attributes = maps.Clone(m.Attributes)
	m.Data = slices.Clone(m.Data)
	return &m
}
