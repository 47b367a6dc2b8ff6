package pubsub_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/eager"
)

func TestEager_SubscribersRunInTheCaller(t *testing.T) {
	t.Parallel()
	for way, cfg := range map[string]tasks.Config{"Config.Eager": {Eager: true}, "eager.New()": {Transport: eager.New()}} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var order []string
			seen := map[string]evGot{}
			note := func(name string, err error) func(context.Context, pubsub.Message[evOrder]) error {
				return func(ctx context.Context, m pubsub.Message[evOrder]) error {
					order = append(order, name)
					var one evSeen[evGot]
					_ = evNote[evOrder](&one, nil)(ctx, m)
					seen[name] = one.one(t)
					return err
				}
			}
			p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
			m := pubsub.NewModelPublisher(func(_ context.Context, id int) (pubsub.Draft[evOrder], error) {
				return pubsub.Draft[evOrder]{Data: evOrder{ID: id}}, nil
			}, pubsub.Topic("models"))
			sub := func(name string, err error, opts ...pubsub.SubscriberOption) tasks.Definition {
				return pubsub.NewSubscriber(note(name, err), append(opts, pubsub.WithName(name))...)
			}
			evApp(t, cfg, p, m,
				sub("first", nil, pubsub.Topic("orders")),
				sub("fails", errEv, pubsub.Topic("orders"), pubsub.DeadLetter("")),
				sub("pulls", nil, pubsub.Topic("orders"), pubsub.Pull()),
				sub("filters", nil, pubsub.Topic("orders"), pubsub.Filter("attributes:missing")),
				sub("discards", tasks.Discard(errEv), pubsub.Topic("models")),
				sub("unwrapped", nil, pubsub.Topic("models"), pubsub.Unwrapped()))
			_, err := p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}, pubsub.Attribute("a", "b"))
			evIs(t, err, errEv)
			evSays(t, err, "pubsub: publish orders: ", `subscription "shop--fails"`)
			if !slices.Equal(order, []string{"first", "fails", "pulls"}) {
				t.Errorf("ran %q", order)
			}
			for name, got := range seen {
				if !got.meta.Eager || got.message.Attributes["a"] != "b" || got.headers.Get("Traceparent") != "00-1" || got.message.ID == "" || got.message.PublishTime.Location() != time.UTC {
					t.Errorf("%s got %+v", name, got)
				}
			}
			if limit := seen["pulls"].limit; limit < 10*time.Minute-time.Minute {
				t.Errorf("what is pulled may take %s", limit)
			}
			order = nil
			if id, err := m.Publish(t.Context(), 7); id == "" || err != nil || !slices.Equal(order, []string{"discards", "unwrapped"}) {
				t.Errorf("%q, %v, ran %q", id, err, order)
			}
			order = nil
			results := p.PublishAll(t.Context(), []evOrder{{ID: 1}, {}})
			if !errors.Is(results[0].Err, errEv) || results[1].Err == nil || !slices.Equal(order, []string{"first", "fails", "pulls"}) {
				t.Errorf("PublishAll: %+v, ran %q", results, order)
			}
		})
	}
}

func TestEager_WhatASubscriberAsksFor_IsAnErrorOfPublish(t *testing.T) {
	t.Parallel()
	p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	var then error
	evApp(t, tasks.Config{Eager: true, Quarantine: func(context.Context, tasks.Quarantined) error { return nil }}, p,
		pubsub.NewSubscriber(func(context.Context, pubsub.Message[evOrder]) error { return then }, pubsub.Topic("raw"), pubsub.Subscription("audit")))
	for _, then = range []error{tasks.Snooze(time.Hour), tasks.RetryAfter(time.Hour, errEv)} {
		_, err := p.Publish(t.Context(), pubsub.Raw(`{"id":1}`))
		evSays(t, err, "but it ran in its caller")
		if tasks.OutcomeOf(err) != tasks.OutcomeFailed {
			t.Errorf("%v is itself a %s", err, tasks.OutcomeOf(err))
		}
	}
	_, err := p.Publish(t.Context(), pubsub.Raw(`{"id":0}`))
	if _, ok := errors.AsType[*tasks.ValidationError](err); !ok {
		t.Errorf("error %v, want a ValidationError", err)
	}
}
