package pubsub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/internal/printable"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// message makes a message of boxed data, checked. topic, where it is not empty, wins over the publisher's.
func (out *outlet) message(ctx context.Context, v any, topic string, c call) (*transport.Message, error) {
	return out.keyed(ctx, v, topic, c, orderingKey(v, c))
}

// keyed is message, once the ordering key is known.
func (out *outlet) keyed(ctx context.Context, v any, topic string, c call, key key) (*transport.Message, error) {
	m := &transport.Message{Topic: topic, Attributes: c.attributes, OrderingKey: key.text}
	if m.Topic == "" {
		if m.Topic = out.topic; m.Topic == "" {
			return nil, fmt.Errorf("%w: the message has no topic: set Draft.Topic, or pubsub.Topic", tasks.ErrInvalid)
		}
	}
	if err := out.encode(v, m); err != nil {
		return nil, err
	}
	if key.err != nil {
		return nil, key.err
	}
	if m.OrderingKey == "" && out.ordered {
		return nil, fmt.Errorf("%w: the publisher is Ordered and the message has no ordering key: pass pubsub.OrderingKey, or give the type a method OrderingKey() string", tasks.ErrInvalid)
	}
	h := out.app.Carried(ctx)
	if h == nil {
		return m, m.Check()
	}
	bare := *m
	out.addHeaders(m, h)
	err := m.Check()
	if err != nil && bare.Check() == nil { // who sent them must not keep the message from being published
		out.app.Config().Logger.LogAttrs(ctx, slog.LevelWarn, "pubsub: propagated headers stay behind: no room beside the rest",
			slog.String("topic", printable.Text(m.Topic)), slog.String("headers", strings.Join(slices.Sorted(maps.Keys(h)), ", ")))
		return &bare, nil
	}
	return m, err
}

func (out *outlet) encode(v any, m *transport.Message) (err error) {
	if out.raw {
		m.Data = slices.Clone(*v.(*Raw)) // middleware may change it
		return nil
	}
	if err := out.app.Validate(v); err != nil {
		return err
	}
	m.Data, err = out.codec.Marshal(v)
	return err
}

// addHeaders puts propagated headers where Python services look for them: into the data where it is a JSON object,
// else into attributes, as far as these have room. Raw data is the caller's own, and stays as it is.
func (out *outlet) addHeaders(m *transport.Message, h map[string]string) {
	if !out.raw {
		if data, ok := pushwire.InjectHeaders(m.Data, out.headerKey, h, out.trusted); ok {
			m.Data = data
			return
		}
	}
	m.Attributes = maps.Clone(m.Attributes)
	if m.Attributes == nil {
		m.Attributes = make(map[string]string, len(h))
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		key, value := pushwire.HeaderAttribute(name), h[name]
		_, set := m.Attributes[key]
		if !set && len(m.Attributes) < transport.MaxAttributes && len(key) <= transport.MaxAttributeKey && len(value) <= transport.MaxAttributeValue {
			m.Attributes[key] = value
		}
	}
}

// publishAll publishes n messages of boxed data; results has one place for each. One that does not even get to the
// broker fails those behind it with its ordering key, as the broker would.
func (out *outlet) publishAll(ctx context.Context, n int, data func(i int) any, c call, results []tasks.Result) {
	broken := map[string]error{} // ordering key -> why a message of it is not sent
	ms := make([]*transport.Message, 0, n)
	at := make([]int, 0, n) // where each message's result goes
	for i := range n {
		v, own := data(i), c
		key := orderingKey(v, c)
		if cause := broken[key.text]; cause != nil {
			results[i].Err = &transport.Error{Op: transport.OpPublish, Resource: fmt.Sprintf("topic %q", out.topic), Err: &followError{key.text, cause}}
			continue
		}
		own.attributes = maps.Clone(c.attributes) // middleware may change them
		m, err := out.keyed(ctx, v, "", own, key)
		if err != nil {
			if results[i].Err = err; key.text != "" {
				broken[key.text] = err
			}
			continue
		}
		ms, at = append(ms, m), append(at, i)
	}
	for i, r := range out.app.PublishMessages(out.from(ctx), ms) {
		results[at[i]] = r
	}
}

// later is the body of a task that publishes.
type later struct {
	Topic       string            `json:"topic"`
	Data        []byte            `json:"data,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	OrderingKey string            `json:"ordering_key,omitempty"`
}

func (d *publisher) enqueue(ctx context.Context, def tasks.Definition, m *transport.Message, opts []tasks.EnqueueOption) (tasks.Receipt, error) {
	body, err := json.Marshal(later{m.Topic, m.Data, m.Attributes, m.OrderingKey})
	if err != nil {
		return tasks.Receipt{}, d.failed("enqueue", err)
	}
	r, err := tasks.EnqueueBody(ctx, def, body, opts...)
	if err != nil {
		return r, d.failed("enqueue", err)
	}
	return r, nil
}

// handle publishes what was enqueued.
func (d *publisher) handle(ctx context.Context, del *transport.Delivery) (any, error) {
	var l later
	if err := (tasks.JSONCodec{}).Unmarshal(del.Body, &l); err != nil {
		return nil, tasks.Reject(err)
	}
	app, ok := tasks.AppFrom(ctx)
	if !ok {
		return nil, d.failed("publish", errors.New("handled outside of an App"))
	}
	id, err := app.PublishMessage(origin.With(ctx, d.origin()), &transport.Message{Topic: l.Topic, Data: l.Data, Attributes: l.Attributes, OrderingKey: l.OrderingKey})
	if errors.Is(err, tasks.ErrInvalid) || errors.Is(err, tasks.ErrTooLarge) { // it will not get better
		return nil, tasks.Reject(d.failed("publish", err))
	}
	if err != nil {
		return nil, d.failed("publish", err)
	}
	return map[string]string{"message_id": id}, nil
}
