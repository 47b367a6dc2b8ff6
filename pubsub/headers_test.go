package pubsub_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// evHeaders is a context with headers; pairs are name and value.
func evHeaders(ctx context.Context, pairs ...string) context.Context {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return tasks.ContextWithHeaders(ctx, h)
}

// evText is a codec whose bytes are no JSON object.
type evText struct{}

func (evText) Name() string                  { return "text" }
func (evText) Marshal(v any) ([]byte, error) { return fmt.Append(nil, v.(*evOrder).ID), nil }
func (evText) Unmarshal(data []byte, v any) error {
	_, err := fmt.Sscan(string(data), &v.(*evOrder).ID)
	return err
}

func TestPublish_PropagatedHeaders_RideInTheData(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	anything := pubsub.NewPublisher[any](pubsub.Topic("anything"))
	text := pubsub.NewPublisher[evOrder](pubsub.Topic("text"), pubsub.WithCodec(evText{}))
	shouts := pubsub.NewPublisher[evOrder](pubsub.Topic("shouts"), pubsub.WithCodec(evShouts{}))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, PropagatedHeaders: []string{"traceparent", "X-Tenant-ID"}}, p, anything, text, shouts, raw)
	ctx := evHeaders(t.Context(), "Traceparent", "00-1", "x-tenant-id", `a"ü`, "X-Other", "no")
	one := evHeaders(t.Context(), "traceparent", "00-1")
	const carried = `"_http_headers":{"X-Tenant-ID":"a\"ü","traceparent":"00-1"}`
	asAttributes := map[string]string{"http-traceparent": "00-1", "http-x-tenant-id": `a"ü`}
	for _, c := range []struct {
		name  string
		call  func() (string, error)
		data  string
		attrs map[string]string
	}{
		{"both", func() (string, error) { return p.Publish(ctx, evOrder{ID: 1}) }, `{"id":1,` + carried + `}`, nil},
		{"one", func() (string, error) { return p.Publish(one, evOrder{ID: 1}) }, `{"id":1,"_http_headers":{"traceparent":"00-1"}}`, nil},
		{"none", func() (string, error) { return p.Publish(t.Context(), evOrder{ID: 1}) }, `{"id":1}`, nil},
		{"others only", func() (string, error) { return p.Publish(evHeaders(t.Context(), "X-Other", "no"), evOrder{ID: 1}) }, `{"id":1}`, nil},
		{"no members", func() (string, error) { return anything.Publish(ctx, struct{}{}) }, `{` + carried + `}`, nil},
		{"no object: list", func() (string, error) { return anything.Publish(ctx, []int{1}) }, `[1]`, asAttributes},
		{"no object: null", func() (string, error) { return anything.Publish(ctx, nil) }, `null`, asAttributes},
		{"no object: string", func() (string, error) { return anything.Publish(ctx, "{}") }, `"{}"`, asAttributes},
		{"taken", func() (string, error) { return anything.Publish(ctx, map[string]any{"_http_headers": 1}) }, `{"_http_headers":1}`, asAttributes},
		{"not taken deeper", func() (string, error) {
			return anything.Publish(ctx, map[string]any{"a": map[string]any{"_http_headers": 1}})
		}, `{"a":{"_http_headers":1},` + carried + `}`, nil},
		{"other codec", func() (string, error) { return text.Publish(ctx, evOrder{ID: 7}) }, `7`, asAttributes},
		{"other codec that is JSON", func() (string, error) { return shouts.Publish(ctx, evOrder{ID: 7}) }, `{"ID":7,` + carried + `}`, nil},
		{"raw", func() (string, error) { return raw.Publish(ctx, pubsub.Raw(`{"a": 1}`)) }, `{"a": 1}`, asAttributes},
		{"raw without data", func() (string, error) { return raw.Publish(ctx, nil) }, ``, asAttributes},
		{"attribute wins", func() (string, error) {
			return text.Publish(one, evOrder{ID: 7}, pubsub.Attribute("http-traceparent", "mine"))
		}, `7`,
			map[string]string{"http-traceparent": "mine"}},
	} {
		if _, err := c.call(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if m := b.last(t); string(m.Data) != c.data || evJSON(t, m.Attributes) != evJSON(t, c.attrs) {
			t.Errorf("%s: data %s, attributes %v, want %s and %v", c.name, m.Data, m.Attributes, c.data, c.attrs)
		}
	}
	for i, r := range p.PublishAll(ctx, []evOrder{{ID: 1}, {ID: 2}}) {
		if want := fmt.Sprintf(`{"id":%d,%s}`, i+1, carried); r.Err != nil || string(b.all()[len(b.all())-2+i].Data) != want {
			t.Errorf("PublishAll: %v, %s", r.Err, b.last(t).Data)
		}
	}
	handler := app.Propagate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = p.Publish(r.Context(), evOrder{ID: 3}) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Tenant-ID", "acme")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if got, want := string(b.last(t).Data), `{"id":3,"_http_headers":{"X-Tenant-ID":"acme"}}`; got != want {
		t.Errorf("under a request: %s, want %s", got, want)
	}
}

func TestPublish_PropagatedHeaders_UnderTheConfiguredKey(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, PropagatedHeadersKey: `h"<`}, p)
	evDo(p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}))(t)
	if got, want := string(b.last(t).Data), `{"id":1,"h\"\u003c":{"traceparent":"00-1"}}`; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	none := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, PropagatedHeaders: []string{}}, none)
	evDo(none.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}))(t)
	if got, want := string(b.last(t).Data), `{"id":1}`; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
}

// What has no room among the attributes is left out: a message must not fail for the sake of its headers.
func TestPublish_PropagatedHeaders_AsAttributes_AsFarAsThereIsRoom(t *testing.T) {
	t.Parallel()
	long := "X-" + strings.Repeat("L", 255)
	b := &evBroker{}
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, PropagatedHeaders: []string{"X-C", "X-A", "X-B", long}}, raw)
	full := map[string]string{}
	for i := range transport.MaxAttributes - 1 {
		full[fmt.Sprint("k", i)] = "v"
	}
	ctx := evHeaders(t.Context(), "X-A", strings.Repeat("a", 1025), "X-B", "b", "X-C", "c", long, "l")
	for range 5 {
		evDo(raw.Publish(ctx, pubsub.Raw("x"), pubsub.Attributes(full)))(t)
		m := b.last(t)
		if len(m.Attributes) != 100 || m.Attributes["http-x-b"] != "b" {
			t.Fatalf("attributes %v", m.Attributes)
		}
	}
	evDo(raw.Publish(ctx, pubsub.Raw("x")))(t)
	evEqual(t, "attributes", b.last(t).Attributes, map[string]string{"http-x-b": "b", "http-x-c": "c"})
}

// A stranger's headers must not keep a message from being published that has room without them.
func TestPublish_PropagatedHeaders_NoRoomBesideTheRest_StayBehind(t *testing.T) {
	t.Parallel()
	b, log := &evBroker{}, &strings.Builder{}
	p := pubsub.NewPublisher[map[string]string](pubsub.Topic("texts"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b, Logger: slog.New(slog.NewTextHandler(log, nil)), Authenticator: tasks.TrustNetwork(),
		Quarantine: func(context.Context, tasks.Quarantined) error { return nil }}, p)
	data := map[string]string{"text": strings.Repeat("x", transport.MaxMessageSize-len(`{"text":""}`))}
	evDo(p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), data))(t)
	if got := b.last(t); len(got.Data) != transport.MaxMessageSize || len(got.Attributes) != 0 || strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "headers=traceparent") {
		t.Errorf("published %d bytes with %v, logged %s", len(got.Data), got.Attributes, log)
	}
}

func TestPublish_InHandlers_CarriesOnWhatTheyRunUnder(t *testing.T) {
	t.Parallel()
	b, remote := &evBroker{}, &evRemote{}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	task := tasks.New(func(ctx context.Context, o evOrder) error { _, err := p.Publish(ctx, o); return err })
	sub := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[evOrder]) error {
		m.Data.ID++
		_, err := p.Publish(ctx, m.Data)
		return err
	}, pubsub.Subscription("audit"))
	app := evApp(t, tasks.Config{Transport: remote, Broker: b}, p, task, sub)
	evApp(t, tasks.Config{Name: "other"}, p) // without the handler's context nobody could tell
	evDo(task.Enqueue(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}))(t)
	evRun(t, app, remote.one(t), 1).want(t, 200, "executed")
	if got, want := string(b.last(t).Data), `{"id":1,"_http_headers":{"traceparent":"00-1"}}`; got != want {
		t.Errorf("published by the task: %s, want %s", got, want)
	}
	post := evServer(t, app)
	post("/subscriptions/audit", evPush(string(b.last(t).Data))).want(t, 200, "executed")
	if got, want := string(b.last(t).Data), `{"id":2,"_http_headers":{"traceparent":"00-1"}}`; got != want {
		t.Errorf("published by the subscriber: %s, want %s", got, want)
	}
}
