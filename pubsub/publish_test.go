package pubsub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestPublish_SendsDataAttributesAndKey(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	attrs := map[string]string{"region": "emea", "n": "1"}
	kept := maps.Clone(attrs)
	several := pubsub.Attributes(attrs)
	attrs["late"] = "x"
	id, err := p.Publish(t.Context(), evOrder{ID: 7, Note: "ü<"}, several, pubsub.Attribute("n", "2"), nil, pubsub.OrderingKey("acme"))
	if err != nil || id != "m1" {
		t.Fatalf("id %q, %v", id, err)
	}
	evEqual(t, "the message", b.last(t), transport.Message{
		Topic: "orders", OrderingKey: "acme", Data: []byte(`{"id":7,"note":"ü\u003c"}`), Attributes: map[string]string{"region": "emea", "n": "2"}})
	if _, err := p.Publish(t.Context(), evOrder{ID: 8}, several); err != nil {
		t.Fatal(err)
	}
	if got := b.last(t).Attributes; !maps.Equal(got, kept) {
		t.Errorf("the options, used again, give %v", got)
	}
	if _, err := p.Publish(t.Context(), evOrder{ID: 9}, pubsub.Attributes(nil)); err != nil || len(b.last(t).Attributes) != 0 {
		t.Errorf("attributes %v, %v", b.last(t).Attributes, err)
	}
}

func TestPublish_WhatIsRefused_SendsNothing(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	ordered := pubsub.NewPublisher[evOrder](pubsub.Topic("lines"), pubsub.Ordered())
	pointers := pubsub.NewPublisher[*evOrder](pubsub.Topic("pointers"))
	badly := pubsub.NewPublisher[evOrder](pubsub.Topic("badly"), pubsub.WithCodec(evFails{}))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, ordered, pointers, badly, raw)
	order := evOrder{ID: 1}
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprint("k", i)] = "v"
	}
	for _, c := range []struct {
		name string
		err  error
		says []string
		call func(ctx context.Context) error
	}{
		{"invalid", nil, []string{"pubsub: publish orders: ", "id fails rule required"}, func(ctx context.Context) error { _, err := p.Publish(ctx, evOrder{}); return err }},
		{"too large", tasks.ErrTooLarge, []string{`topic "raw"`, "10000001 bytes, at most 10000000"}, func(ctx context.Context) error {
			_, err := raw.Publish(ctx, make(pubsub.Raw, transport.MaxMessageSize+1))
			return err
		}},
		{"too large with its attributes", tasks.ErrTooLarge, []string{"10000002 bytes"}, func(ctx context.Context) error {
			_, err := raw.Publish(ctx, make(pubsub.Raw, transport.MaxMessageSize-1), pubsub.Attribute("a", "b"), pubsub.OrderingKey("k"))
			return err
		}},
		{"nothing in it", tasks.ErrInvalid, []string{"neither data nor attributes"}, func(ctx context.Context) error { _, err := raw.Publish(ctx, nil); return err }},
		{"many attributes", tasks.ErrInvalid, []string{"101 attributes, at most 100"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.Attributes(many))
			return err
		}},
		{"long key", tasks.ErrInvalid, []string{"256"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.Attribute(strings.Repeat("k", 257), "v"))
			return err
		}},
		{"long value", tasks.ErrInvalid, []string{`attribute "k"`, "1024"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.Attribute("k", strings.Repeat("v", 1025)))
			return err
		}},
		{"reserved key", tasks.ErrInvalid, []string{"reserved"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.Attribute("googly", "v"))
			return err
		}},
		{"not UTF-8", tasks.ErrInvalid, []string{"UTF-8"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.Attribute("k", "\xff"))
			return err
		}},
		{"long ordering key", tasks.ErrInvalid, []string{"ordering key"}, func(ctx context.Context) error {
			_, err := p.Publish(ctx, order, pubsub.OrderingKey(strings.Repeat("k", 1025)))
			return err
		}},
		{"no ordering key", tasks.ErrInvalid, []string{"pubsub: publish lines: ", "pass pubsub.OrderingKey"}, func(ctx context.Context) error {
			_, err := ordered.Publish(ctx, order)
			return err
		}},
		{"nil", nil, []string{"pubsub: publish pointers: payload is nil"}, func(ctx context.Context) error { _, err := pointers.Publish(ctx, nil); return err }},
		{"codec", errEv, []string{"pubsub: publish badly: "}, func(ctx context.Context) error { _, err := badly.Publish(ctx, order); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.call(app.Context(t.Context()))
			evSays(t, err, c.says...)
			if c.err != nil {
				evIs(t, err, c.err)
			} else if _, ok := errors.AsType[*tasks.ValidationError](err); !ok {
				t.Errorf("error %T, want a ValidationError in it", err)
			}
		})
	}
	if n := len(b.all()); n > 0 {
		t.Errorf("%d were sent", n)
	}
	if _, err := raw.Publish(t.Context(), nil, pubsub.Attribute("a", "b")); err != nil {
		t.Errorf("attributes alone make a message: %v", err)
	}
	if _, err := raw.Publish(t.Context(), make(pubsub.Raw, transport.MaxMessageSize)); err != nil {
		t.Errorf("10 MB are fine: %v", err)
	}
}

// evFails is a codec that knows nothing.
type evFails struct{}

func (evFails) Name() string                { return "fails" }
func (evFails) Marshal(any) ([]byte, error) { return nil, errEv }
func (evFails) Unmarshal([]byte, any) error { return errEv }

// evKeyed says its ordering key itself.
type evKeyed struct {
	Customer string `json:"customer"`
}

func (k *evKeyed) OrderingKey() string { return k.Customer }

func TestPublish_OrderingKey_IsTheOptionsElseTheMethods(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evKeyed](pubsub.Topic("values"), pubsub.Ordered())
	pp := pubsub.NewPublisher[*evKeyed](pubsub.Topic("pointers"), pubsub.Ordered())
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, pp)
	for _, c := range []struct {
		want string
		call func() (string, error)
	}{
		{"acme", func() (string, error) { return p.Publish(t.Context(), evKeyed{"acme"}) }},
		{"other", func() (string, error) { return p.Publish(t.Context(), evKeyed{"acme"}, pubsub.OrderingKey("other")) }},
		{"acme", func() (string, error) { return p.Publish(t.Context(), evKeyed{"acme"}, pubsub.OrderingKey("")) }},
		{"acme", func() (string, error) { return pp.Publish(t.Context(), &evKeyed{"acme"}) }},
	} {
		if _, err := c.call(); err != nil || b.last(t).OrderingKey != c.want {
			t.Errorf("ordering key %q, %v, want %q", b.last(t).OrderingKey, err, c.want)
		}
	}
	_, err := p.Publish(t.Context(), evKeyed{})
	evIs(t, err, tasks.ErrInvalid)
}

func TestPublish_PointersMapsAndCodecs(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	pointers := pubsub.NewPublisher[*evOrder](pubsub.Topic("pointers"))
	maps := pubsub.NewPublisher[map[string]any](pubsub.Topic("maps"))
	shouting := pubsub.NewPublisher[evOrder](pubsub.Topic("shouting"), pubsub.WithCodec(evShouts{}))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, pointers, maps, shouting, raw)
	for want, call := range map[string]func() (string, error){
		`{"id":7}`:     func() (string, error) { return pointers.Publish(t.Context(), &evOrder{ID: 7}) },
		`{"a":[1]}`:    func() (string, error) { return maps.Publish(t.Context(), map[string]any{"a": []int{1}}) },
		`null`:         func() (string, error) { return maps.Publish(t.Context(), nil) },
		`{"ID":8}`:     func() (string, error) { return shouting.Publish(t.Context(), evOrder{ID: 8}) },
		"\x00 {\"a\":": func() (string, error) { return raw.Publish(t.Context(), pubsub.Raw("\x00 {\"a\":")) },
	} {
		if _, err := call(); err != nil || string(b.last(t).Data) != want {
			t.Errorf("data %q, %v, want %q", b.last(t).Data, err, want)
		}
	}
}

// evShouts is JSON in upper case.
type evShouts struct{}

func (evShouts) Name() string { return "shouts" }

func (evShouts) Marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return []byte(strings.ToUpper(string(b))), err
}

func (evShouts) Unmarshal(data []byte, v any) error {
	return json.Unmarshal([]byte(strings.ToLower(string(data))), v)
}

func TestPublish_ErrorsOfTheBroker_AreWrapped(t *testing.T) {
	t.Parallel()
	broken := &transport.Error{Op: transport.OpPublish, Resource: `topic "orders"`, Kind: transport.KindCapacity, Err: errEv}
	b := &evBroker{fail: func(*transport.Message) error { return broken }}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	id, err := p.Publish(t.Context(), evOrder{ID: 1})
	evSays(t, err, "pubsub: publish orders: ", `topic "orders"`)
	evIs(t, err, errEv)
	evIs(t, err, transport.ErrCapacity)
	if id != "" {
		t.Errorf("id %q", id)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Publish(ctx, evOrder{ID: 1})
	evIs(t, err, context.Canceled)
	orphan := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}}, orphan)
	_, err = orphan.Publish(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNoBroker)
	if r := orphan.PublishAll(t.Context(), []evOrder{{ID: 1}, {ID: 2}}); len(r) != 2 || !errors.Is(r[0].Err, tasks.ErrNoBroker) || !errors.Is(r[1].Err, tasks.ErrNoBroker) {
		t.Errorf("PublishAll: %+v", r)
	}
}

func TestPublish_WhichApp(t *testing.T) {
	t.Parallel()
	b1, b2 := &evBroker{}, &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	_, err := p.Publish(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	evSays(t, err, "App.Register")

	app1 := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b1}, p)
	evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
	app2 := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b2, Name: "two"}, p)
	_, err = p.Publish(t.Context(), evOrder{ID: 2})
	evIs(t, err, tasks.ErrAmbiguousApp)
	evDo(p.Publish(app2.Context(t.Context()), evOrder{ID: 3}))(t)
	evDo(p.Publish(app1.Context(t.Context()), evOrder{ID: 4}))(t)
	stranger := evApp(t, tasks.Config{})
	_, err = p.Publish(stranger.Context(t.Context()), evOrder{ID: 5})
	evIs(t, err, tasks.ErrNotRegistered)

	if err := app1.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = p.Publish(app1.Context(t.Context()), evOrder{ID: 6})
	evIs(t, err, tasks.ErrShutdown)
	evDo(p.Publish(t.Context(), evOrder{ID: 7}))(t)
	if err := app2.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { _, err := p.Publish(t.Context(), evOrder{ID: 8}); return err },
		func() error { _, err := p.Enqueue(t.Context(), evOrder{ID: 8}); return err },
		func() error { return p.PublishAll(t.Context(), []evOrder{{ID: 8}})[0].Err },
	} {
		err := call()
		evIs(t, err, tasks.ErrShutdown)
		evIs(t, err, tasks.ErrNotRegistered)
	}
	if n1, n2 := len(b1.all()), len(b2.all()); n1 != 2 || n2 != 2 {
		t.Errorf("%d and %d were published, want 2 each", n1, n2)
	}
}

func TestPublish_DerivedTopics_AreEachApps(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[OrderPaid]()
	one := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	two := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, Name: "two", Delimiter: "."}, p)
	for app, want := range map[*tasks.App]string{one: "shop--order-paid", two: "two.order-paid"} {
		if _, err := p.Publish(app.Context(t.Context()), OrderPaid{}); err != nil || b.last(t).Topic != want {
			t.Errorf("published to %q, %v, want %q", b.last(t).Topic, err, want)
		}
	}
}

func TestUsePublish_WrapsOneAndMany(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, raw)
	var sizes []int
	app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
		return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
			sizes = append(sizes, len(ms))
			for i, m := range ms {
				if m.Attributes == nil {
					m.Attributes = map[string]string{}
				}
				m.Attributes["nth"] = fmt.Sprint(i)
				for i := range m.Data {
					if m.Data[i] == '1' {
						m.Data[i] = '7'
					}
				}
			}
			return next(ctx, ms)
		}
	})
	attrs := map[string]string{"a": "b"}
	mine := pubsub.Raw("1")
	evDo(raw.Publish(t.Context(), mine, pubsub.Attributes(attrs)))(t)
	evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
	for i, r := range p.PublishAll(t.Context(), []evOrder{{ID: 1}, {}, {ID: 2}}, pubsub.Attributes(attrs)) {
		if (r.Err != nil) != (i == 1) {
			t.Errorf("result %d: %v", i, r.Err)
		}
	}
	if string(mine) != "1" || len(attrs) != 1 {
		t.Errorf("middleware has changed the caller's own: %s, %v", mine, attrs)
	}
	var got []string
	for _, m := range b.all() {
		got = append(got, fmt.Sprintf("%s %s", m.Data, evJSON(t, m.Attributes)))
	}
	evEqual(t, "what is published", got, []string{
		`7 {"a":"b","nth":"0"}`, `{"id":7} {"nth":"0"}`, `{"id":7} {"a":"b","nth":"0"}`, `{"id":2} {"a":"b","nth":"1"}`})
	evEqual(t, "what middleware sees", sizes, []int{1, 1, 2})

	app.UsePublish(func(tasks.PublishFunc) tasks.PublishFunc {
		return func(context.Context, []*transport.Message) []tasks.Result { return nil }
	})
	_, err := p.Publish(t.Context(), evOrder{ID: 1})
	evSays(t, err, "pubsub: publish orders: ", "returned 0 results for 1 messages")
}

func TestPublishAll_ResultsComeInOrder(t *testing.T) {
	t.Parallel()
	b := &evBatching{evBroker: &evBroker{fail: func(m *transport.Message) error {
		if string(m.Data) == `{"id":4}` {
			return errEv
		}
		return nil
	}}}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	results := p.PublishAll(t.Context(), []evOrder{{ID: 1}, {}, {ID: 3}, {ID: 4}, {ID: 5}}, pubsub.Attribute("a", "b"))
	for i, want := range []string{"m1", "", "m2", "", "m3"} {
		if r := results[i]; r.Receipt.ID != want || (r.Err != nil) != (want == "") {
			t.Errorf("result %d: %q, %v, want %q", i, r.Receipt.ID, r.Err, want)
		}
	}
	evSays(t, results[1].Err, "pubsub: publish orders: ", "id fails rule required")
	evSays(t, results[3].Err, "pubsub: publish orders: ")
	evIs(t, results[3].Err, errEv)
	evEqual(t, "the calls", b.sizes, []int{4})
	for _, m := range b.all() {
		if !maps.Equal(m.Attributes, map[string]string{"a": "b"}) {
			t.Errorf("attributes %v", m.Attributes)
		}
	}
	if r := p.PublishAll(t.Context(), nil); len(r) != 0 {
		t.Errorf("results of nothing: %v", r)
	}
	if r := p.PublishAll(t.Context(), []evOrder{{}, {}}); r[0].Err == nil || r[1].Err == nil || len(b.sizes) != 1 {
		t.Errorf("results of nothing valid: %v, in calls of %v", r, b.sizes)
	}
	if r := p.PublishAll(t.Context(), []evOrder{{ID: 1}}, nil, pubsub.OrderingKey("k")); r[0].Err != nil || b.last(t).OrderingKey != "k" || len(b.sizes) != 1 {
		t.Errorf("one alone: %v, in calls of %v", r, b.sizes)
	}
}

func TestPublishAll_WithoutBatches_PublishesOneByOne(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[*evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	order := &evOrder{ID: 1}
	for i, r := range p.PublishAll(t.Context(), []*evOrder{order, nil, {ID: 2}}) {
		if (r.Err != nil) != (i == 1) {
			t.Errorf("result %d: %v", i, r.Err)
		}
	}
	if all := b.all(); len(all) != 2 || string(all[1].Data) != `{"id":2}` {
		t.Errorf("published %s", evJSON(t, all))
	}
}

func TestPublish_ConcurrentUse(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	m := pubsub.NewModelPublisher(func(_ context.Context, id int) (pubsub.Draft[evOrder], error) {
		return pubsub.Draft[evOrder]{Data: evOrder{ID: id}}, nil
	}, pubsub.Topic("models"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, m)
	prepared := evDo(m.Prepare(t.Context(), 1))(t)
	attribute := pubsub.Attributes(map[string]string{"a": "b"})
	key := pubsub.Attribute("c", "d")
	app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
		return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
			for _, m := range ms {
				if m.Attributes != nil {
					m.Attributes["x"] = "y"
				}
				m.Data[0] = ' '
			}
			return next(ctx, ms)
		}
	})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				_, err1 := p.Publish(t.Context(), evOrder{ID: 1 + i}, attribute, key)
				_, err2 := prepared.Publish(t.Context())
				_, err3 := m.Publish(t.Context(), 1+i, attribute)
				results := p.PublishAll(t.Context(), []evOrder{{ID: 1}, {ID: 2}}, attribute)
				if err := errors.Join(err1, err2, err3, results[0].Err, results[1].Err); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(b.all()); n != 8*20*5 {
		t.Errorf("%d were published", n)
	}
}
