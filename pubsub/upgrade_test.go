package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// The data of an event over three versions of a program.
type (
	evMailV1 struct {
		To string `json:"to" validate:"required"`
	}
	evMailV2 struct {
		evMailV1
		Lang string `json:"lang" validate:"len=2"`
	}
	evMail struct {
		Recipients []string `json:"recipients" validate:"required,dive,email"`
		Lang       string   `json:"lang" validate:"required"`
	}
)

func evFromV1(_ context.Context, old evMailV1) (evMail, error) {
	return evMail{[]string{old.To}, "en"}, nil
}

func evFromV2(_ context.Context, old evMailV2) (evMail, error) {
	return evMail{[]string{old.To}, old.Lang}, nil
}

// evWay is how a message comes to a subscriber called "audit".
type evWay struct {
	name string
	opts []pubsub.SubscriberOption
	come func(t *testing.T, app *tasks.App, remote *evRemote, data string) evAnswer
}

// evWays are those over HTTP. A message that is handed over comes as the task that it has become.
func evWays() []evWay {
	push := func(t *testing.T, app *tasks.App, _ *evRemote, data string) evAnswer {
		return evServer(t, app)("/subscriptions/audit", evPush(data))
	}
	return []evWay{
		{"pushed", nil, push},
		{"pushed unwrapped", []pubsub.SubscriberOption{pubsub.Unwrapped()}, func(t *testing.T, app *tasks.App, _ *evRemote, data string) evAnswer {
			return evServer(t, app)("/subscriptions/audit", data, "x-goog-pubsub-message-id", "77")
		}},
		{"via tasks", []pubsub.SubscriberOption{pubsub.ViaTasks()}, func(t *testing.T, app *tasks.App, remote *evRemote, data string) evAnswer {
			a := push(t, app, remote, data)
			if a.status != "enqueued" {
				return a
			}
			task := remote.one(t)
			if string(task.Body) != evPush(data) {
				t.Errorf("the task is not the message as it came: %s", task.Body)
			}
			return evRun(t, app, task, 1)
		}},
	}
}

func TestUpgradeFrom_OnEveryWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, data string
		ran        string // the data; empty: rejected
		says       []string
	}{
		{"as it is now", `{"recipients": ["a@example.com"], "lang": "pt"}`, "{[a@example.com] pt}", nil},
		{"of the version before", `{"to": "a@example.com", "lang": "pt"}`, "{[a@example.com] pt}", nil},
		{"of the first version", `{"to": "a@example.com"}`, "{[a@example.com] en}", nil},
		{"of the first version, with headers", `{"to": "a@example.com", "_http_headers": {"traceparent": "00-1"}}`, "{[a@example.com] en}", nil},

		{"the new one, broken", `{"recipients": ["nobody"], "lang": "pt"}`, "", []string{"recipients[0] fails rule email", "as a pubsub_test.evMailV2: ", "recipients: there is no such field", "as a pubsub_test.evMailV1: "}},
		{"an old one, broken", `{"to": "", "lang": "pt"}`, "", []string{"recipients fails rule required", "as a pubsub_test.evMailV2: payload is not valid: to fails rule required", "lang: there is no such field"}},
		{"an old one with more in it", `{"to": "a@example.com", "x": 1}`, "", []string{"x: there is no such field"}},
		{"no JSON", `{`, "", []string{"payload is not valid json"}},
	} {
		for _, way := range evWays() {
			t.Run(c.name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				var seen evSeen[evGot]
				remote, log := &evRemote{}, &strings.Builder{}
				app := evApp(t, tasks.Config{Transport: remote, Logger: slog.New(slog.NewTextHandler(log, nil))}, pubsub.NewSubscriber(evNote[evMail](&seen, nil),
					append(way.opts, pubsub.WithName("audit"), pubsub.UpgradeFrom(evFromV2), pubsub.UpgradeFrom(evFromV1))...))
				got := way.come(t, app, remote, c.data)
				if c.ran == "" {
					got.want(t, 400, "rejected")
					evSays(t, errors.New(log.String()), c.says...)
					if list := seen.all(); len(list) > 0 {
						t.Errorf("ran with %+v", list)
					}
					return
				}
				got.want(t, 200, "executed")
				ran := seen.one(t)
				if fmt.Sprint(ran.data) != c.ran {
					t.Errorf("ran with %+v, want %s", ran.data, c.ran)
				}
				if trace := ran.headers.Get("Traceparent"); (trace == "00-1") != strings.Contains(c.data, "00-1") {
					t.Errorf("the trace is %q", trace)
				}
			})
		}
	}
}

func TestUpgradeFrom_WhatTheFunctionReturns_DecidesTheOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		order  evOrder
		err    error // errPanics: it panics
		code   int
		status string
	}{
		{"data", evOrder{ID: 7}, nil, 200, "executed"},
		{"an error", evOrder{ID: 7}, errEv, 400, "rejected"},
		{"data that is not valid", evOrder{}, nil, 400, "rejected"},
		{"Discard", evOrder{}, tasks.Discard(errEv), 202, "discarded"},
		{"RetryAfter", evOrder{}, tasks.RetryAfter(time.Second, errEv), 503, "retry_later"},
		{"Snooze, wrapped", evOrder{}, fmt.Errorf("not yet: %w", tasks.Snooze(time.Hour)), 200, "snoozed"},
		{"a panic", evOrder{}, errPanics, 500, "failed"},
	} {
		for _, way := range evWays() {
			t.Run(c.name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				var seen evSeen[evGot]
				upgraded, remote, log := 0, &evRemote{}, &strings.Builder{}
				app := evApp(t, tasks.Config{Transport: remote, Logger: slog.New(slog.NewTextHandler(log, nil))}, pubsub.NewSubscriber(evNote[evOrder](&seen, nil),
					append(way.opts, pubsub.WithName("audit"), pubsub.Topic("orders"), pubsub.UpgradeFrom(func(ctx context.Context, _ evMailV1) (evOrder, error) {
						if _, in := tasks.MetadataFrom(ctx); !in {
							t.Error("the context is not the run's")
						}
						if upgraded++; c.err == errPanics {
							panic("out of ink")
						}
						return c.order, c.err
					}))...))
				got := way.come(t, app, remote, `{"to": "ana"}`)
				got.want(t, c.code, c.status)
				if ran := len(seen.all()); ran == 1 != (c.status == "executed") || upgraded != 1 {
					t.Errorf("ran %d times, upgraded %d times", ran, upgraded)
				}
				if c.name == "an error" {
					if strings.Contains(got.error, "upgraded") {
						t.Errorf("the answer says what the upgrade did: %s", got.error)
					}
					evSays(t, errors.New(log.String()), "id fails rule required; upgraded from a pubsub_test.evMailV1: "+errEv.Error())
				}
			})
		}
	}
}

// errPanics asks for a panic.
var errPanics = errors.New("panics")

// What fails because time ran out says nothing about the data.
func TestUpgradeFrom_AfterTheDeadline_IsAFailedAttempt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	app := evApp(t, tasks.Config{}, pubsub.NewSubscriber(evNothing[evOrder], pubsub.WithName("audit"),
		pubsub.UpgradeFrom(func(ctx context.Context, _ evMailV1) (evOrder, error) { cancel(); return evOrder{}, ctx.Err() })))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/subscriptions/audit", strings.NewReader(evPush(`{"to": "ana"}`))))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

func TestUpgradeFrom_RulesAtFault_FailTheAttempt(t *testing.T) {
	t.Parallel()
	for name, sub := range map[string]tasks.Definition{
		"of the old data": pubsub.NewSubscriber(evNothing[evOrder], pubsub.WithName("audit"),
			pubsub.UpgradeFrom(func(context.Context, evBroken) (evOrder, error) { return evOrder{ID: 7}, nil })),
		"of the new": pubsub.NewSubscriber(evNothing[evBroken], pubsub.WithName("audit"),
			pubsub.UpgradeFrom(func(context.Context, evMailV1) (evBroken, error) { return evBroken{}, nil })),
		"of what is upgraded": pubsub.NewSubscriber(evNothing[[]evBroken], pubsub.WithName("audit"), pubsub.Topic("orders"),
			pubsub.UpgradeFrom(func(context.Context, struct{}) ([]evBroken, error) { return make([]evBroken, 1), nil })),
	} {
		if got := evServer(t, evApp(t, tasks.Config{}, sub))("/subscriptions/audit", evPush(`{}`)); got.code != http.StatusInternalServerError {
			t.Errorf("%s: answered %d %s", name, got.code, got.error)
		}
	}
}

// evTo is a subscriber whose data may be another's, too.
func evTo[Old, M any](seen *evSeen[evGot], upgrade func(Old) M, opts ...pubsub.SubscriberOption) tasks.Definition {
	opts = append(opts, pubsub.WithName("audit"), pubsub.Topic("mails"), pubsub.UpgradeFrom(func(_ context.Context, o Old) (M, error) { return upgrade(o), nil }))
	return pubsub.NewSubscriber(evNote[M](seen, nil), opts...)
}

func TestUpgradeFrom_PointersAndOtherTypes(t *testing.T) {
	t.Parallel()
	type note struct {
		Text string `json:"text"`
	}
	toV2 := func(to string) evMailV2 { return evMailV2{evMailV1{to}, "en"} }
	fromNote := func(n note) evMailV2 { return toV2("note:" + n.Text) }
	fromRaw := func(r pubsub.Raw) evMailV2 { return toV2(string(r)) }
	var seen evSeen[evGot]
	for _, c := range []struct {
		name, data string
		sub        tasks.Definition
		ran        string // the data; empty: rejected
	}{
		{"pointers", `{"to": "ana"}`, evTo(&seen, func(o *evMailV1) *evMailV2 { return &evMailV2{*o, "en"} }), `{"to":"ana","lang":"en"}`},
		{"a nil pointer comes of it", `{"to": "ana"}`, evTo(&seen, func(evMailV1) *evMailV2 { return nil }), ""},
		{"a string", `"bo"`, evTo(&seen, toV2), `{"to":"bo","lang":"en"}`},
		{"no data, of which the old version took a zero value", ``, evTo(&seen, fromNote), `{"to":"note:","lang":"en"}`},
		{"no data, which no version took", ``, evTo(&seen, func(o evMailV1) evMailV2 { return toV2(o.To) }), ""},
		{"a codec that is strict already", `{"text": "x"}`, evTo(&seen, fromNote, pubsub.WithCodec(tasks.JSONCodec{Strict: true})), `{"to":"note:x","lang":"en"}`},
		{"a codec that is not, and an old one that does not fit", `{"text": "x", "y": 1}`, evTo(&seen, fromNote, pubsub.WithCodec(tasks.JSONCodec{})), ""},
		{"another codec", `{"TEXT": "X"}`, evTo(&seen, fromNote, pubsub.WithCodec(evShouts{})), `{"to":"note:x","lang":"en"}`},
		{"Raw, as it came", `x;{"_http_headers":{}}`, evTo(&seen, fromRaw), `{"to":"x;{\"_http_headers\":{}}","lang":"en"}`},
		{"Raw, with headers", `{"_http_headers":{"traceparent":"1"}}`, evTo(&seen, fromRaw), `{"to":"{\"_http_headers\":{\"traceparent\":\"1\"}}","lang":"en"}`},
		{"Raw, last", `x`, evTo(&seen, fromRaw, pubsub.UpgradeFrom(func(context.Context, evMailV1) (evMailV2, error) { return toV2("never"), nil })), `{"to":"x","lang":"en"}`},
	} {
		got := evServer(t, evApp(t, tasks.Config{}, c.sub))("/subscriptions/audit", evPush(c.data))
		if c.ran == "" {
			got.want(t, 400, "rejected")
		} else {
			got.want(t, 200, "executed")
		}
		if list := seen.all(); (c.ran == "") != (len(list) == 0) || c.ran != "" && evJSON(t, list[0].data) != c.ran {
			t.Errorf("%s: ran with %+v, want %s", c.name, list, c.ran)
		}
	}
}

// An old message that fits into no task is upgraded as it comes; one that does is not, before it is a task.
func TestUpgradeFrom_ViaTasks_IsLeftToTheTask(t *testing.T) {
	t.Parallel()
	var seen evSeen[evGot]
	upgraded, remote := 0, &evRemote{}
	app := evApp(t, tasks.Config{Transport: remote}, evTo(&seen, func(o evMailV1) evMailV2 { upgraded++; return evMailV2{o, "en"} }, pubsub.ViaTasks()))
	post := evServer(t, app)
	post("/subscriptions/audit", evPush(`{"to": "ana"}`)).want(t, 200, "enqueued")
	if upgraded != 0 {
		t.Error("upgraded at the hand-over")
	}
	for attempt := range 2 {
		if evRun(t, app, remote.one(t), attempt+1).want(t, 200, "executed"); upgraded != attempt+1 {
			t.Errorf("upgraded %d times in %d attempts", upgraded, attempt+1)
		}
	}
	post("/subscriptions/audit", strings.Replace(evPush(`{"to": "`+strings.Repeat("a", 800_000)+`"}`), `"11"`, `"12"`, 1)).want(t, 200, "executed")
	if n := len(seen.all()); n != 3 || upgraded != 3 {
		t.Errorf("ran %d times, upgraded %d times", n, upgraded)
	}
}

func TestUpgradeFrom_Quarantined_IsAsItCame(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	sub := pubsub.NewSubscriber(evNothing[evMail], pubsub.WithName("audit"), pubsub.UpgradeFrom(evFromV1))
	app := evApp(t, tasks.Config{Quarantine: func(_ context.Context, q tasks.Quarantined) error { kept = append(kept, q); return nil }}, sub)
	push := evPush(`{"to": "nobody"}`)
	evServer(t, app)("/subscriptions/audit", push).want(t, 202, "quarantined")
	if err := app.Deliver(t.Context(), sub, &transport.Message{ID: "2", Data: []byte(`{"to": "nobody"}`)}); err != nil {
		t.Error(err)
	}
	if len(kept) != 2 || string(kept[0].Body) != push {
		t.Fatalf("kept %+v", kept)
	}
	for _, q := range kept {
		evSays(t, q.Reason, "recipients fails rule required; upgraded from a pubsub_test.evMailV1: payload is not valid: recipients[0] fails rule email")
	}
}

func TestRegister_UpgradeFromThatCannotServe_IsAnError(t *testing.T) {
	t.Parallel()
	type badTag struct {
		To string `json:"to" validate:"nonsense"`
	}
	none := func(opts ...pubsub.SubscriberOption) tasks.Definition {
		return pubsub.NewSubscriber(evNothing[evOrder], append(opts, pubsub.WithName("audit"))...)
	}
	fromV1 := func(context.Context, evMailV1) (evOrder, error) { return evOrder{}, nil }
	fromRaw := func(context.Context, pubsub.Raw) (evOrder, error) { return evOrder{}, nil }
	for _, c := range []struct {
		says string
		sub  tasks.Definition
	}{
		{"UpgradeFrom[pubsub_test.evMailV1, pubsub_test.evMail](...) makes a pubsub_test.evMail, and the data of the subscriber is a pubsub_test.evOrder", none(pubsub.UpgradeFrom(evFromV1))},
		{"makes a *pubsub_test.evOrder, and the data of the subscriber is a pubsub_test.evOrder", none(pubsub.UpgradeFrom(func(context.Context, evMailV1) (*evOrder, error) { return nil, nil }))},
		{"the old payload is the new one", none(pubsub.UpgradeFrom(func(_ context.Context, o evOrder) (evOrder, error) { return o, nil }))},
		{"pubsub_test.evMailV1 is given twice", none(pubsub.UpgradeFrom(fromV1), pubsub.UpgradeFrom(fromV1))},
		{"the function is nil", none(pubsub.UpgradeFrom[evMailV1, evOrder](nil))},
		{"it holds no data", none(pubsub.UpgradeFrom(func(context.Context, func()) (evOrder, error) { return evOrder{}, nil }))},
		{"has a bad validate tag", none(pubsub.UpgradeFrom(func(context.Context, badTag) (evOrder, error) { return evOrder{}, nil }))},
		{"UpgradeFrom[*pubsub_test.badTag, pubsub_test.evOrder](...): ", none(pubsub.UpgradeFrom(func(context.Context, *badTag) (evOrder, error) { return evOrder{}, nil }))},
		{": an Old is the type of older data, not a Message of it", none(pubsub.UpgradeFrom(func(context.Context, pubsub.Message[evMailV1]) (evOrder, error) { return evOrder{}, nil }))},
		{"UpgradeFrom[pubsub.Raw, pubsub_test.evOrder](...): Raw takes any data: give the option last", none(pubsub.UpgradeFrom(fromRaw), pubsub.UpgradeFrom(fromV1))},
		{"UpgradeFrom[pubsub_test.evMailV1, pubsub.Raw](...): Raw takes any data, and leaves none to upgrade", pubsub.NewSubscriber(evNothing[pubsub.Raw],
			pubsub.WithName("audit"), pubsub.Topic("raw"), pubsub.UpgradeFrom(func(context.Context, evMailV1) (pubsub.Raw, error) { return nil, nil }))},
	} {
		evSays(t, evBareApp(t, tasks.Config{}).Register(c.sub), `subscriber "audit": `, c.says)
	}
}
