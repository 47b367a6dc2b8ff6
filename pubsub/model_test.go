package pubsub_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// evAccount is a domain object that is published as an evChange.
type evAccount struct {
	ID     int
	Tags   []string
	Region string
	Body   pubsub.Raw
	Labels map[string]string
}

type evChange struct {
	ID   int      `json:"id" validate:"required"`
	Tags []string `json:"tags"`
}

func evChanged(_ context.Context, a *evAccount) (pubsub.Draft[*evChange], error) {
	if a == nil {
		return pubsub.Draft[*evChange]{}, errEv
	}
	d := pubsub.Draft[*evChange]{Data: &evChange{ID: a.ID, Tags: a.Tags}, Attributes: a.Labels, OrderingKey: fmt.Sprint("account-", a.ID)}
	if a.Region != "" {
		d.Topic = "changes-" + a.Region
	}
	return d, nil
}

func TestModel_Publish_BuildsTheMessage(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewModelPublisher(evChanged, pubsub.Topic("changes"), pubsub.Ordered())
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	labels := map[string]string{"a": "draft", "b": "draft"}
	account := &evAccount{ID: 7, Tags: []string{"x"}, Labels: labels}
	id, err := p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), account, pubsub.Attribute("b", "option"), pubsub.Attribute("c", "option"), nil)
	if err != nil || id != "m1" {
		t.Fatal(id, err)
	}
	evEqual(t, "the message", b.last(t), transport.Message{
		Topic: "changes", OrderingKey: "account-7", Data: []byte(`{"id":7,"tags":["x"],"_http_headers":{"traceparent":"00-1"}}`),
		Attributes: map[string]string{"a": "draft", "b": "option", "c": "option"}})
	evEqual(t, "the object's own map", labels, map[string]string{"a": "draft", "b": "draft"})

	account.Region, account.Labels = "emea", nil
	evDo(p.Publish(t.Context(), account, pubsub.OrderingKey("mine"), pubsub.Attribute("d", "option")))(t)
	evEqual(t, "the message", b.last(t), transport.Message{
		Topic: "changes-emea", OrderingKey: "mine", Data: []byte(`{"id":7,"tags":["x"]}`), Attributes: map[string]string{"d": "option"}})
}

func TestModel_Errors(t *testing.T) {
	t.Parallel()
	b, remote := &evBroker{}, &evRemote{}
	p := pubsub.NewModelPublisher(evChanged, pubsub.Topic("changes"))
	app := evApp(t, tasks.Config{Transport: remote, Broker: b}, p)
	other := evApp(t, tasks.Config{Name: "other"})
	for what, c := range map[string]struct {
		obj  *evAccount
		ctx  context.Context
		is   error
		says string
	}{
		"build":      {nil, t.Context(), errEv, errEv.Error()},
		"validation": {&evAccount{}, t.Context(), nil, "id fails rule required"},
		"topic":      {&evAccount{ID: 1, Region: "not legal"}, t.Context(), tasks.ErrInvalid, `topic "changes-not legal"`},
		"App":        {&evAccount{ID: 1}, other.Context(t.Context()), tasks.ErrNotRegistered, `the App "other"`},
	} {
		_, err1 := p.Publish(c.ctx, c.obj)
		_, err2 := p.Enqueue(c.ctx, c.obj)
		_, err3 := p.Prepare(c.ctx, c.obj)
		for verb, err := range map[string]error{"publish": err1, "enqueue": err2, "prepare": err3} {
			evSays(t, err, "pubsub: "+verb+" changes: ", c.says)
			if c.is != nil {
				evIs(t, err, c.is)
			}
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	if len(b.all())+len(remote.all()) > 0 {
		t.Error("something went out all the same")
	}
	b.fail = func(*transport.Message) error { return errEv }
	_, err := p.Publish(t.Context(), &evAccount{ID: 1})
	evIs(t, err, errEv)
	evSays(t, err, "pubsub: publish changes: ")
	if _, err := p.Prepare(app.Context(t.Context()), &evAccount{ID: 1}); err != nil {
		t.Error(err)
	}
}

func TestModel_WithoutATopic(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	named := pubsub.NewModelPublisher(func(_ context.Context, topic string) (pubsub.Draft[OrderPaid], error) {
		return pubsub.Draft[OrderPaid]{Topic: topic}, nil
	})
	nameless := pubsub.NewModelPublisher(func(_ context.Context, topic string) (pubsub.Draft[map[string]int], error) {
		return pubsub.Draft[map[string]int]{Topic: topic}, nil
	}, pubsub.WithName("Counts"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, named, nameless)
	evDo(named.Publish(t.Context(), ""))(t)
	if got := b.last(t).Topic; got != "shop--order-paid" {
		t.Errorf("published to %q", got)
	}
	evDo(named.Publish(t.Context(), "elsewhere"))(t)
	if got := b.last(t).Topic; got != "elsewhere" {
		t.Errorf("published to %q", got)
	}
	_, err := nameless.Publish(t.Context(), "")
	evIs(t, err, tasks.ErrInvalid)
	evSays(t, err, "pubsub: publish Counts: ", "set Draft.Topic, or pubsub.Topic")
	evDo(nameless.Publish(t.Context(), "counts"))(t)
	for def, want := range map[tasks.Definition]string{named: "shop--order-paid", nameless: ""} {
		if d, err := pubsub.Describe(app.Config(), def); err != nil || d.Topic != want {
			t.Errorf("described as %+v, %v, want topic %q", d, err, want)
		}
	}
}

func TestModel_Prepare_IsASnapshot(t *testing.T) {
	t.Parallel()
	b, remote := &evBroker{}, &evRemote{}
	changes := pubsub.NewModelPublisher(evChanged, pubsub.Topic("changes"))
	bodies := pubsub.NewModelPublisher(func(_ context.Context, a *evAccount) (pubsub.Draft[pubsub.Raw], error) {
		return pubsub.Draft[pubsub.Raw]{Data: a.Body, Attributes: a.Labels}, nil
	}, pubsub.Topic("bodies"))
	kept := pubsub.NewModelPublisher(func(_ context.Context, a *evAccount) (pubsub.Draft[evAccount], error) {
		return pubsub.Draft[evAccount]{Data: *a}, nil
	}, pubsub.Topic("kept"), pubsub.WithCodec(evKeeps{}))
	app := evApp(t, tasks.Config{Transport: remote, Broker: b}, changes, bodies, kept)
	app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
		return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
			results := next(ctx, ms)
			for _, m := range ms { // which is middleware's own
				m.Data[0], m.Topic, m.Attributes["a"] = '!', "nowhere", "!"
			}
			return results
		}
	})
	account := &evAccount{ID: 7, Tags: []string{"x"}, Body: pubsub.Raw("body"), Labels: map[string]string{"a": "b"}}
	ctx := evHeaders(t.Context(), "traceparent", "00-1")
	options := map[string]string{"o": "p"}
	change := evDo(changes.Prepare(ctx, account, pubsub.Attributes(options), nil, pubsub.OrderingKey("k")))(t)
	body := evDo(bodies.Prepare(t.Context(), account))(t)
	keep := evDo(kept.Prepare(t.Context(), account, pubsub.Attribute("a", "b")))(t)
	account.ID, account.Tags[0], account.Labels["a"], options["o"] = 8, "y", "c", "q"
	copy(account.Body, "BODY")

	wantChange := transport.Message{Topic: "changes", OrderingKey: "k", Data: []byte(`{"id":7,"tags":["x"],"_http_headers":{"traceparent":"00-1"}}`),
		Attributes: map[string]string{"a": "b", "o": "p"}}
	wantBody := transport.Message{Topic: "bodies", Data: []byte("body"), Attributes: map[string]string{"a": "b"}}
	for range 3 {
		evDo(change.Publish(evHeaders(t.Context(), "traceparent", "00-2")))(t)
		evEqual(t, "the change", b.last(t), wantChange)
		evDo(body.Publish(t.Context()))(t)
		evEqual(t, "the body", b.last(t), wantBody)
		evDo(keep.Publish(t.Context()))(t)
		if got := string(b.last(t).Data); got != "body" {
			t.Errorf("published %q, which the codec has kept", got)
		}
	}
	rcpt := evDo(change.Enqueue(t.Context(), pubsub.Task(tasks.In(time.Hour), tasks.WithID("a")), nil, pubsub.Attribute("too", "late"), pubsub.OrderingKey("late")))(t)
	evDo(change.Enqueue(t.Context()))(t)
	if all := remote.all(); rcpt.ID != "a" || len(all) != 2 || all[0].ETA.IsZero() || !all[1].ETA.IsZero() {
		t.Fatalf("enqueued %+v, receipt %+v", all, rcpt)
	}
	for _, task := range remote.all() {
		evRun(t, app, task, 1).want(t, http.StatusOK, "executed")
		evEqual(t, "the change", b.last(t), wantChange)
	}
}

// evKeeps is a codec whose bytes are the payload's own.
type evKeeps struct{}

func (evKeeps) Name() string                  { return "keeps" }
func (evKeeps) Marshal(v any) ([]byte, error) { return v.(*evAccount).Body, nil }
func (evKeeps) Unmarshal(d []byte, v any) error {
	v.(*evAccount).Body = d
	return nil
}

func TestModel_Enqueue_BuildsNow(t *testing.T) {
	t.Parallel()
	b, remote := &evBroker{}, &evRemote{}
	p := pubsub.NewModelPublisher(evChanged, pubsub.Topic("changes"))
	app := evApp(t, tasks.Config{Transport: remote, Broker: b}, p)
	account := &evAccount{ID: 7, Region: "emea"}
	rcpt := evDo(p.Enqueue(t.Context(), account, pubsub.Attribute("a", "b"), nil, pubsub.Task(tasks.OnQueue("later"))))(t)
	account.ID, account.Region = 8, "apac"
	task := remote.one(t)
	if rcpt.Queue != "later" || task.Queue != "later" {
		t.Errorf("enqueued %+v, receipt %+v", task, rcpt)
	}
	evRun(t, app, task, 1).want(t, http.StatusOK, "executed")
	evEqual(t, "the message", b.last(t), transport.Message{Topic: "changes-emea", OrderingKey: "account-7", Data: []byte(`{"id":7,"tags":null}`), Attributes: map[string]string{"a": "b"}})
}

func TestPrepared_BelongsToItsApp(t *testing.T) {
	t.Parallel()
	b1, r1 := &evBroker{}, &evRemote{}
	p := pubsub.NewModelPublisher(evChanged, pubsub.Topic("changes"))
	one := evApp(t, tasks.Config{Transport: r1, Broker: b1}, p)
	prepared := evDo(p.Prepare(t.Context(), &evAccount{ID: 1}))(t)
	two := evApp(t, tasks.Config{Name: "two"}, p)
	evDo(prepared.Publish(two.Context(t.Context())))(t)
	evDo(prepared.Enqueue(t.Context()))(t)
	b1.fail = func(*transport.Message) error { return errEv }
	_, err := prepared.Publish(t.Context())
	evIs(t, err, errEv)
	evSays(t, err, "pubsub: publish changes: ")
	b1.fail = nil
	if err := one.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = prepared.Publish(t.Context())
	evIs(t, err, tasks.ErrShutdown)
	_, err = prepared.Enqueue(t.Context())
	evIs(t, err, tasks.ErrShutdown)
	if len(b1.all()) != 1 || len(r1.all()) != 1 {
		t.Errorf("published %d, enqueued %d, want 1 each", len(b1.all()), len(r1.all()))
	}
}
