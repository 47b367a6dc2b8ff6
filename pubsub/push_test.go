package pubsub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// evVector is a push as it reaches a service, and what a subscriber must see of it.
type evVector struct {
	Method, Path, Body string
	Headers            map[string]string
	Expect             struct {
		Status          int
		Why             string
		Payload         map[string]any
		Attributes      map[string]string
		Headers         map[string]string
		MessageID       string `json:"message_id"`
		OrderingKey     string `json:"ordering_key"`
		DeliveryAttempt int    `json:"delivery_attempt"`
	}
}

func evReadVector(t testing.TB, name string) (v evVector) {
	t.Helper()
	f, err := os.Open("testdata/wire/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields() // all that is expected is looked at
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func (v evVector) pairs() (pairs []string) {
	for k, s := range v.Headers {
		pairs = append(pairs, k, s)
	}
	return pairs
}

// PleaseNotifyMeTask is what the vectors are named after.
type PleaseNotifyMeTask struct {
	Order int    `json:"order" validate:"required"`
	Total string `json:"total" validate:"required"`
}

// evGot is what a subscriber sees.
type evGot struct {
	data    any
	message pubsub.Message[struct{}] // but for the data
	headers http.Header
	meta    tasks.Metadata
	limit   time.Duration
}

// evNote is a subscriber's function that notes what it sees.
func evNote[M any](seen *evSeen[evGot], then func(M) error) func(context.Context, pubsub.Message[M]) error {
	return func(ctx context.Context, m pubsub.Message[M]) error {
		got := evGot{data: m.Data, headers: tasks.HeadersFrom(ctx), message: pubsub.Message[struct{}]{
			Attributes: m.Attributes, ID: m.ID, OrderingKey: m.OrderingKey, PublishTime: m.PublishTime, DeliveryAttempt: m.DeliveryAttempt}}
		got.meta, _ = tasks.MetadataFrom(ctx)
		if end, ok := ctx.Deadline(); ok {
			got.limit = time.Until(end).Round(time.Second)
		}
		seen.add(got)
		if then == nil {
			return nil
		}
		return then(m.Data)
	}
}

func TestPush_GoldenMessage_ReachesTheSubscriber(t *testing.T) {
	t.Parallel()
	v := evReadVector(t, "pubsub-push")
	name := pubsub.WithName("PleaseNotifyMeTask")
	const withHeaders = `{"order": 7, "total": "12.50", "_http_headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Tenant-ID": "acme"}}`
	for what, def := range map[string]func(*evSeen[evGot]) tasks.Definition{
		"by its type's name": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil))
		},
		"with a subscription": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil), pubsub.Subscription("shop--PleaseNotifyMeTask"))
		},
		"with a full name": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil), pubsub.Subscription("projects/potato-dev/subscriptions/shop--PleaseNotifyMeTask"))
		},
		"pointer": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[*PleaseNotifyMeTask](s, nil))
		},
		"map": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[map[string]any](s, nil), name, pubsub.Topic("orders"))
		},
		"any": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[any](s, nil), name, pubsub.Topic("orders"))
		},
		"strict": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil), pubsub.WithCodec(tasks.JSONCodec{Strict: true}))
		},
		"under an alias": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil), pubsub.WithName("new"), pubsub.WithAliases("PleaseNotifyMeTask"))
		},
		"raw": func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[pubsub.Raw](s, nil), name, pubsub.Topic("orders"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var seen evSeen[evGot]
			app := evApp(t, tasks.Config{}, def(&seen))
			evServer(t, app)(v.Path, v.Body, v.pairs()...).want(t, v.Expect.Status, "executed")
			got := seen.one(t)
			if raw, ok := got.data.(pubsub.Raw); ok {
				evEqual(t, "the data", string(raw), withHeaders)
			} else {
				evEqual(t, "the data", got.data, v.Expect.Payload)
			}
			evEqual(t, "the message", got.message, pubsub.Message[struct{}]{
				Attributes: v.Expect.Attributes, ID: v.Expect.MessageID, OrderingKey: v.Expect.OrderingKey, DeliveryAttempt: v.Expect.DeliveryAttempt,
				PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 1e6, time.UTC)})
			headers := map[string]string{}
			for k, vs := range got.headers {
				headers[strings.ToLower(k)] = strings.Join(vs, "|")
			}
			if !maps.Equal(headers, v.Expect.Headers) {
				t.Errorf("propagated %v, want %v", headers, v.Expect.Headers)
			}
			if m := got.meta; m.ID != v.Expect.MessageID || m.Attempt != v.Expect.DeliveryAttempt || got.message.PublishTime.Location() != time.UTC || got.limit != 10*time.Second {
				t.Errorf("metadata %+v, limit %s", m, got.limit)
			}
		})
	}
}

func TestPush_GoldenEmptyMessage(t *testing.T) {
	t.Parallel()
	v := evReadVector(t, "pubsub-empty")
	type optional struct {
		N int `json:"n"`
	}
	name, topic := pubsub.WithName("PleaseNotifyMeTask"), pubsub.Topic("objects")
	for what, c := range map[string]struct {
		status int
		data   string
		def    func(*evSeen[evGot]) tasks.Definition
	}{
		"required fields": {v.Expect.Status, "", func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](s, nil))
		}},
		"pointer to required fields": {v.Expect.Status, "", func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[*PleaseNotifyMeTask](s, nil))
		}},
		"raw": {200, `null`, func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[pubsub.Raw](s, nil), name, topic)
		}},
		"optional fields": {200, `{"n":0}`, func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[optional](s, nil), name, topic)
		}},
		"pointer to optional fields": {200, `{"n":0}`, func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[*optional](s, nil), name, topic)
		}},
		"no fields": {200, `{}`, func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[struct{}](s, nil), name, topic)
		}},
		"map": {200, `null`, func(s *evSeen[evGot]) tasks.Definition {
			return pubsub.NewSubscriber(evNote[map[string]any](s, nil), name, topic)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var seen evSeen[evGot]
			app := evApp(t, tasks.Config{}, c.def(&seen))
			a := evServer(t, app)(v.Path, v.Body, v.pairs()...)
			if c.status != 200 {
				a.want(t, c.status, "rejected")
				if !strings.Contains(a.error, "order fails rule required") || len(seen.all()) > 0 {
					t.Errorf("answered %q", a.error)
				}
				return
			}
			a.want(t, 200, "executed")
			got := seen.one(t)
			evEqual(t, "the data", got.data, c.data)
			evEqual(t, "the message", got.message, pubsub.Message[struct{}]{
				Attributes: map[string]string{"eventType": "OBJECT_FINALIZE"}, ID: "1", PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)})
		})
	}
}

func TestPush_Unwrapped_TheBodyIsTheData(t *testing.T) {
	t.Parallel()
	var seen evSeen[evGot]
	app := evApp(t, tasks.Config{}, pubsub.NewSubscriber(evNote[PleaseNotifyMeTask](&seen, nil), pubsub.Unwrapped(), pubsub.Subscription("audit"), pubsub.AckDeadline(time.Minute)),
		pubsub.NewSubscriber(evNote[pubsub.Raw](&seen, nil), pubsub.Unwrapped(), pubsub.WithName("raw"), pubsub.Topic("raw")))
	post := evServer(t, app)
	meta := []string{"X-Goog-Pubsub-Subscription-Name", "projects/p/subscriptions/audit", "x-goog-pubsub-message-id", "77",
		"x-goog-pubsub-publish-time", "2026-11-24T08:00:00.5+02:00", "x-goog-pubsub-ordering-key", "acme"}
	post("/subscriptions/audit", `{"order": 7, "total": "12.50", "_http_headers": {"TraceParent": "00-1"}}`, append(meta, "region", "emea", "User-Agent", "CloudPubSub-Google")...).want(t, 200, "executed")
	got := seen.one(t)
	evEqual(t, "the data", got.data, PleaseNotifyMeTask{7, "12.50"})
	evEqual(t, "the message", got.message, pubsub.Message[struct{}]{Attributes: map[string]string{"region": "emea"}, ID: "77", OrderingKey: "acme",
		PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 5e8, time.UTC)})
	if got.headers.Get("Traceparent") != "00-1" || got.limit != time.Minute || got.message.PublishTime.Location() != time.UTC {
		t.Errorf("propagated %v, limit %s", got.headers, got.limit)
	}
	meta[1] = "projects/p/subscriptions/raw"
	post("/subscriptions/raw", "\x00\xff", meta...).want(t, 200, "executed")
	if got := seen.one(t); string(got.data.(pubsub.Raw)) != "\x00\xff" {
		t.Errorf("data %q", got.data)
	}
	post("/subscriptions/raw", "", append(meta, "a", "b")...).want(t, 200, "executed")
	if got := seen.one(t); len(got.data.(pubsub.Raw)) != 0 || got.message.Attributes["a"] != "b" {
		t.Errorf("got %+v", got)
	}
	post("/subscriptions/audit", "{", meta[2:]...).want(t, 400, "rejected")
	post("/subscriptions/audit", "", meta[2:]...).want(t, 400, "rejected")
	post("/subscriptions/audit", `{"order": 7, "total": "12.50"}`, meta...).want(t, 400, "rejected") // another's
	if a := post("/subscriptions/audit", `{"order": 7, "total": "12.50"}`); !strings.Contains(a.error, "write_metadata") {
		t.Errorf("without metadata answered %d %q", a.code, a.error)
	}
	if list := seen.all(); len(list) > 0 {
		t.Errorf("ran with %+v", list)
	}
}

func TestPush_WhatIsNotHandled_IsNotAcknowledged(t *testing.T) {
	t.Parallel()
	var seen evSeen[evGot]
	app := evApp(t, tasks.Config{}, pubsub.NewSubscriber(evNote[evOrder](&seen, nil), pubsub.Subscription("audit")),
		pubsub.NewSubscriber(evNote[pubsub.Raw](&seen, nil), pubsub.WithName("raw"), pubsub.Topic("raw")))
	post := evServer(t, app)
	for _, c := range []struct {
		name, path, body string
		code             int
		status, says     string
	}{
		{"no body", "/subscriptions/audit", ``, 400, "rejected", "no Pub/Sub push"},
		{"no JSON", "/subscriptions/audit", `{"message": {`, 400, "rejected", "no Pub/Sub push"},
		{"two values", "/subscriptions/audit", evPush(`{"id": 1}`) + `{}`, 400, "rejected", "no Pub/Sub push"},
		{"no object", "/subscriptions/audit", `[]`, 400, "rejected", "no Pub/Sub push"},
		{"no message", "/subscriptions/audit", `{"subscription": "s"}`, 400, "rejected", `no "message"`},
		{"null message", "/subscriptions/audit", `{"message": null}`, 400, "rejected", `no "message"`},
		{"no base64", "/subscriptions/audit", `{"message": {"data": "%%"}}`, 400, "rejected", "no base64"},
		{"base64 for URLs", "/subscriptions/audit", `{"message": {"data": "-_-_"}}`, 400, "rejected", "standard alphabet"},
		{"base64 cut short", "/subscriptions/audit", `{"message": {"data": "eyJpZCI6MX"}}`, 400, "rejected", "no base64"},
		{"data that is a number", "/subscriptions/audit", `{"message": {"data": 1}}`, 400, "rejected", "no Pub/Sub push"},
		{"no time", "/subscriptions/audit", `{"message": {"data": "eyJpZCI6MX0=", "publishTime": "noon"}}`, 400, "rejected", "publishTime"},
		{"data that is no JSON", "/subscriptions/audit", evPush(`{"id": `), 400, "rejected", "json"},
		{"data of another type", "/subscriptions/audit", evPush(`{"id": "x"}`), 400, "rejected", "json"},
		{"NaN", "/subscriptions/audit", evPush(`{"id": NaN}`), 400, "rejected", "json"},
		{"trailing data", "/subscriptions/audit", evPush(`{"id": 1} x`), 400, "rejected", "json"},
		{"not valid", "/subscriptions/audit", evPush(`{"id": 0}`), 400, "rejected", "id fails rule required"},
		{"no data", "/subscriptions/audit", `{"message": {"attributes": {"a": "b"}}}`, 400, "rejected", "id fails rule required"},
		{"another subscription", "/subscriptions/audit", strings.Replace(evPush(`{"id": 1}`), "/audit", "/other", 1), 400, "rejected", `takes messages of subscription "audit", not of "projects/p/subscriptions/other"`},
		{"unknown name", "/subscriptions/nobody", evPush(`{"id": 1}`), 404, "not_found", ""},
		{"a task's path", "/tasks/audit", evPush(`{"id": 1}`), 404, "not_found", ""},
		{"a path below", "/subscriptions/audit/x", evPush(`{"id": 1}`), 404, "not_found", ""},
		{"oversize", "/subscriptions/raw", evPush(strings.Repeat("x", 11<<20)), 413, "too_large", ""},
	} {
		a := post(c.path, c.body)
		a.want(t, c.code, c.status)
		if !strings.Contains(a.error, c.says) {
			t.Errorf("%s: answered %q, which does not say %q", c.name, a.error, c.says)
		}
	}
	if list := seen.all(); len(list) > 0 {
		t.Errorf("ran with %+v", list)
	}
	post("/subscriptions/raw", evPush(strings.Repeat("x", 10_000_000))).want(t, 200, "executed") // the most that Pub/Sub takes
}

func TestPush_OtherMethods_AreNotAllowed(t *testing.T) {
	t.Parallel()
	app := evApp(t, tasks.Config{}, pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("audit")))
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		r, err := http.NewRequest(method, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		srv := evServe(t, app)
		r.URL = srv.at("/subscriptions/audit")
		a := evAsk(t, srv.Client(), r)
		a.want(t, http.StatusMethodNotAllowed, "method_not_allowed")
		if a.header.Get("Allow") != http.MethodPost {
			t.Errorf("Allow: %q", a.header.Get("Allow"))
		}
	}
}

func TestPush_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		code   int
		status string
	}{
		{"nil", nil, 200, "executed"},
		{"error", errEv, 500, "failed"},
		{"wrapped", fmt.Errorf("x: %w", tasks.Discard(errEv)), 202, "discarded"},
		{"discard", tasks.Discard(nil), 202, "discarded"},
		{"retry after", tasks.RetryAfter(1500*time.Millisecond, errEv), 503, "retry_later"},
		{"snooze", tasks.Snooze(time.Hour), 200, "snoozed"},
		{"reject", tasks.Reject(errEv), 400, "rejected"},
		{"invalid", fmt.Errorf("%w", tasks.ErrInvalid), 500, "failed"},
		{"not registered", fmt.Errorf("%w", tasks.ErrNotRegistered), 500, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			remote := &evRemote{}
			app := evApp(t, tasks.Config{Transport: remote}, pubsub.NewSubscriber(
				func(context.Context, pubsub.Message[evOrder]) error { return c.err }, pubsub.Subscription("audit")))
			a := evServer(t, app)("/subscriptions/audit", evPush(`{"id": 1}`))
			a.want(t, c.code, c.status)
			if after := a.header.Get("Retry-After"); (after == "2") != (c.name == "retry after") {
				t.Errorf("Retry-After %q", after)
			}
			if n := len(remote.all()); (n == 1) != (c.name == "snooze") || n > 1 {
				t.Errorf("%d tasks were enqueued", n)
			}
		})
	}
	for name, fn := range map[string]func(context.Context, pubsub.Message[evOrder]) error{
		"text":  func(context.Context, pubsub.Message[evOrder]) error { panic("x") },
		"error": func(context.Context, pubsub.Message[evOrder]) error { panic(errEv) },
		"nil":   func(context.Context, pubsub.Message[evOrder]) error { var p *evOrder; p.ID++; return nil },
	} {
		app := evApp(t, tasks.Config{}, pubsub.NewSubscriber(fn, pubsub.Subscription("audit")))
		a := evServer(t, app)("/subscriptions/audit", evPush(`{"id": 1}`))
		if a.want(t, 500, "failed"); t.Failed() {
			t.Fatal(name)
		}
	}
}

// evBroken has rules that panic.
type evBroken struct{ ID int }

func (evBroken) Validate() error { panic("the rules are broken") }

func TestPush_RulesThatPanic_AreAFailureAndNotTheMessages(t *testing.T) {
	t.Parallel()
	kept := 0
	app := evApp(t, tasks.Config{Quarantine: func(context.Context, tasks.Quarantined) error { kept++; return nil }},
		pubsub.NewSubscriber(evNothing[evBroken], pubsub.Subscription("audit")))
	evServer(t, app)("/subscriptions/audit", evPush(`{"id": 1}`)).want(t, 500, "failed")
	if kept > 0 {
		t.Error("it was quarantined")
	}
}

// What a function does to its message is its own affair.
func TestPush_TheMessageIsTheFunctionsOwn(t *testing.T) {
	t.Parallel()
	remote := &evRemote{}
	var kept tasks.Quarantined
	spoil := func(then error) func(context.Context, pubsub.Message[pubsub.Raw]) error {
		return func(_ context.Context, m pubsub.Message[pubsub.Raw]) error {
			m.Data[0], m.Attributes["a"] = '!', "!"
			return then
		}
	}
	app := evApp(t, tasks.Config{Transport: remote, Quarantine: func(_ context.Context, q tasks.Quarantined) error { kept = q; return nil }},
		pubsub.NewSubscriber(spoil(tasks.Snooze(0)), pubsub.WithName("snoozes"), pubsub.Topic("raw"), pubsub.Unwrapped()),
		pubsub.NewSubscriber(spoil(tasks.Reject(errEv)), pubsub.WithName("rejects"), pubsub.Topic("raw"), pubsub.Unwrapped()))
	post := evServer(t, app)
	meta := []string{"x-goog-pubsub-message-id", "77", "a", "b"}
	post("/subscriptions/snoozes", "data", meta...).want(t, 200, "snoozed")
	var body struct {
		Message struct {
			Data       []byte
			Attributes map[string]string
		}
	}
	if err := json.Unmarshal(remote.one(t).Body, &body); err != nil || string(body.Message.Data) != "data" || body.Message.Attributes["a"] != "b" {
		t.Errorf("the task is %s", remote.one(t).Body)
	}
	post("/subscriptions/rejects", "data", meta...).want(t, 202, "quarantined")
	if string(kept.Body) != "data" {
		t.Errorf("quarantined %+v", kept)
	}
}
