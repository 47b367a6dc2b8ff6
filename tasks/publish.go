package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/transport"
)

// ErrNoBroker: the App has nothing that publishes messages.
var ErrNoBroker = errors.New("the App has no broker: set Config.Broker (cloudpubsub.New), or use a Transport that is one, as memory.New() is")

// ErrNoScheduler: the App has nothing that keeps recurring jobs.
var ErrNoScheduler = errors.New("the App has no scheduler: set Config.Scheduler (cloudscheduler.New), or use a Transport that is one, as memory.New() is")

// PublishMessage publishes a message through the middleware of UsePublish and returns its id. It is what the
// publishers of package pubsub stand on. Errors: [ErrNoBroker], or the broker's.
func (a *App) PublishMessage(ctx context.Context, m *transport.Message) (id string, err error) {
	if chain := a.table.Load().publish; chain != nil {
		r := throughPublish(ctx, chain, []*transport.Message{m})
		return r[0].Receipt.ID, r[0].Err
	}
	if id, err = a.publishOne(ctx, m); err == nil {
		a.logPublished(ctx, m, id)
	}
	return id, err
}

// PublishMessages is PublishMessage for many, in as few calls as the broker allows; the results come in order,
// one each. Without a [transport.BatchPublisher] they are published one after the other, and one that fails fails
// those that follow it under its ordering key.
func (a *App) PublishMessages(ctx context.Context, ms []*transport.Message) (results []Result) {
	if len(ms) == 0 {
		return nil
	}
	if chain := a.table.Load().publish; chain != nil {
		return throughPublish(ctx, chain, ms)
	}
	return a.publishLogged(ctx, ms)
}

// throughPublish gives middleware messages of its own, and holds it to its contract of one result for each.
func throughPublish(ctx context.Context, chain PublishFunc, ms []*transport.Message) []Result {
	n := len(ms)
	own := make([]*transport.Message, n)
	for i, m := range ms {
		c := *m
		c.Data, c.Attributes = bytes.Clone(m.Data), maps.Clone(m.Attributes)
		own[i] = &c
	}
	results := chain(ctx, own)
	if len(results) == n {
		return results
	}
	return failAll(n, fmt.Errorf("middleware of UsePublish returned %d results for %d messages: whether they were published is unknown", len(results), n))
}

// publishLogged is the innermost PublishFunc: it sees what middleware has put on the messages.
func (a *App) publishLogged(ctx context.Context, ms []*transport.Message) []Result {
	results := a.publishAll(ctx, ms)
	if a.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		for i, r := range results {
			if r.Err == nil {
				a.logPublished(ctx, ms[i], r.Receipt.ID)
			}
		}
	}
	return results
}

func (a *App) publishAll(ctx context.Context, ms []*transport.Message) []Result {
	if a.cfg.Broker == nil {
		return failAll(len(ms), ErrNoBroker)
	}
	if len(ms) > 1 {
		if b, err := transport.BrokerAs[transport.BatchPublisher](a.cfg.Broker); err == nil {
			results := b.PublishBatch(ctx, ms)
			if len(results) == len(ms) {
				return results
			}
			return failAll(len(ms), fmt.Errorf("%T answered %d results for %d messages: whether they were published is unknown", b, len(results), len(ms)))
		}
	}
	type stream struct{ topic, key string }
	failed := map[stream]error{}
	results := make([]Result, len(ms))
	for i, m := range ms {
		s := stream{transport.ResourceID(m.Topic), m.OrderingKey}
		if err := failed[s]; err != nil {
			results[i].Err = fmt.Errorf("an earlier message of ordering key %q was not published, and order is kept: %w", m.OrderingKey, err)
			continue
		}
		results[i].Receipt.ID, results[i].Err = a.publishOne(ctx, m)
		if m.OrderingKey != "" && results[i].Err != nil {
			failed[s] = results[i].Err
		}
	}
	return results
}

func (a *App) publishOne(ctx context.Context, m *transport.Message) (string, error) {
	if a.cfg.Broker == nil {
		return "", ErrNoBroker
	}
	return a.cfg.Broker.Publish(ctx, m)
}

func failAll(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// EnqueueBody enqueues a task for d, with a body that is made already: in the App's codec for a task, which it is
// decoded and validated by first, else in JSON unless d's Spec says another content type. It is what the definitions of
// sibling packages and the command line stand on. Errors are those of Task.Enqueue; [ErrInvalid] for a nil definition.
func EnqueueBody(ctx context.Context, d Definition, body []byte, opts ...EnqueueOption) (Receipt, error) {
	if isNil(d) {
		return Receipt{}, errNilDefinition
	}
	app, err := d.binding().App(ctx)
	if err != nil {
		return Receipt{}, err
	}
	rt, err := app.routeOf(ctx, d)
	if err != nil {
		return Receipt{}, err
	}
	if app.table.Load().enqueue != nil { // middleware may change it
		body = bytes.Clone(body)
	}
	var o order
	t, err := app.orderBody(ctx, rt, body, opts, &o)
	if err != nil {
		return Receipt{}, err
	}
	r, err := o.send(ctx, t)
	if err != nil {
		return r, o.located(t, err)
	}
	return r, nil
}

// CheckPayload tells why values of type t cannot be payloads: they hold no data, or their validate tags make no
// sense to the App's validator.
func (a *App) CheckPayload(t reflect.Type) error {
	p, err := a.plan(t)
	if err != nil {
		return err
	}
	return a.validator.Check(p)
}

// Validate checks the payload that v points to as Enqueue does. The error is a *[ValidationError], for a nil v too,
// unless the rules themselves are at fault or v is no pointer.
func (a *App) Validate(v any) error {
	p, err := a.pointed(v)
	if err != nil {
		return err
	}
	return a.validator.Validate(p, v)
}

// Decode decodes data through c into the payload that v points to, and validates it. An error is a *[DecodeError] or
// as Validate's. Without data v stays as it is and is validated.
func (a *App) Decode(c Codec, data []byte, v any) error {
	p, err := a.pointed(v)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		if err := p.Decode(c, data, v); err != nil {
			return err
		}
	}
	return a.validator.Validate(p, v)
}

// pointed is the plan of the payload that v points to.
func (a *App) pointed(v any) (*payload.Plan, error) {
	switch p := reflect.ValueOf(v); {
	case v == nil, p.Kind() == reflect.Pointer && p.IsNil():
		return nil, &ValidationError{Err: payload.ErrNil}
	case p.Kind() != reflect.Pointer:
		return nil, fmt.Errorf("%w: a %T is no pointer to a payload", ErrInvalid, v)
	}
	return a.plan(reflect.TypeOf(v).Elem())
}

// plan is made once for each type.
func (a *App) plan(t reflect.Type) (*payload.Plan, error) {
	if p, ok := a.plans.Load(t); ok {
		return p.(*payload.Plan), nil
	}
	p, err := payload.PlanFor(t)
	if err != nil {
		return nil, err
	}
	kept, _ := a.plans.LoadOrStore(t, p)
	return kept.(*payload.Plan), nil
}

// Carried returns the propagated headers of ctx, under their names as Config.PropagatedHeaders spells them: what a
// message takes along. nil without any.
func (a *App) Carried(ctx context.Context) map[string]string {
	picked := a.carriedBy(ctx)
	if picked == nil {
		return nil
	}
	out := make(map[string]string, len(picked))
	for i, name := range a.propagated {
		if vs := picked[name]; len(vs) > 0 {
			out[a.spelled[i]] = vs[0]
		}
	}
	return out
}
