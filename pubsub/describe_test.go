package pubsub_test

import (
	"context"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

type describedEvent struct{ ID int }

func TestDescribe_TellsWhatHoldsUnderAConfiguration(t *testing.T) {
	t.Parallel()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Endpoint: "https://shop.example.com/_tasks"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := app.Config()
	build := func(context.Context, int) (d pubsub.Draft[map[string]int], err error) { return d, nil }
	take := func(context.Context, pubsub.Message[describedEvent]) error { return nil }
	for name, c := range map[string]struct {
		def   tasks.Definition
		topic string
		raw   bool
		order bool
		sub   string
		push  string
	}{
		"a derived topic":        {def: pubsub.NewPublisher[describedEvent](), topic: "shop--described-event"},
		"a given topic":          {def: pubsub.NewPublisher[describedEvent](pubsub.Topic("orders"), pubsub.Ordered()), topic: "orders", order: true},
		"raw data":               {def: pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("orders")), topic: "orders", raw: true},
		"the topic of each":      {def: pubsub.NewModelPublisher(build, pubsub.WithName("Model"))},
		"a derived subscription": {def: pubsub.NewSubscriber(take), topic: "shop--described-event", sub: "shop--described-event", push: "/subscriptions/describedEvent"},
		"a subscription that is pulled": {
			def: pubsub.NewSubscriber(take, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull()), topic: "orders", sub: "audit",
		},
	} {
		is, err := pubsub.Describe(cfg, c.def)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if is.Topic != c.topic || is.Raw != c.raw || is.Ordered != c.order || is.Codec.Name() != "json" {
			t.Errorf("%s: got %+v", name, is)
		}
		var sub, push string
		if is.Subscription != nil {
			if sub = is.Subscription.Name; is.Subscription.Push != nil {
				push = strings.TrimPrefix(is.Subscription.Push.Endpoint, cfg.Endpoint)
			}
		}
		if sub != c.sub || push != c.push {
			t.Errorf("%s: subscription %q, pushed to %q, want %q and %q", name, sub, push, c.sub, c.push)
		}
	}
}

func TestDescribe_WhatCannotBeDescribed_SaysWhy(t *testing.T) {
	t.Parallel()
	for want, def := range map[string]tasks.Definition{
		`pubsub: task "describedEvent" is neither a publisher nor a subscriber`: tasks.New(func(context.Context, describedEvent) error { return nil }),
		`pubsub: publisher "Number": the type of the data gives no name`:        pubsub.NewPublisher[int](pubsub.WithName("Number")),
		`pubsub: subscriber "ab": subscription: id "ab" has 2 characters`: pubsub.NewSubscriber(func(context.Context, pubsub.Message[int]) error { return nil },
			pubsub.WithName("ab"), pubsub.Topic("orders")),
	} {
		if _, err := pubsub.Describe(tasks.Config{}, def); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
