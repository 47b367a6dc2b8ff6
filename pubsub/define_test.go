package pubsub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSubscriber_OptionsOutOfRange_AreRefusedByRegister(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opt  pubsub.SubscriberOption
		says string
	}{
		{pubsub.Topic(""), "Topic: the id is empty"},
		{pubsub.Topic("a"), "3 to 255"},
		{pubsub.Topic("has space"), "' '"},
		{pubsub.Topic("goog-x"), "reserved"},
		{pubsub.Topic("projects/p/topics/1xyz"), "begin with a letter"},
		{pubsub.Subscription(""), "Subscription: the id is empty"},
		{pubsub.Subscription("9lives"), "begin with a letter"},
		{pubsub.Subscription(strings.Repeat("x", 256)), "3 to 255"},
		{pubsub.DeadLetter("no/slash"), "'/'"},
		{pubsub.WithName(""), "WithName: the name is empty"},
		{pubsub.WithName("a/b"), "pubsub.WithName"},
		{pubsub.WithName(".."), "pubsub.WithName"},
		{pubsub.WithName(strings.Repeat("x", 201)), "pubsub.WithName"},
		{pubsub.WithAliases("ok", "not ok"), `name "not ok"`},
		{pubsub.WithAliases(""), `name ""`},
		{pubsub.WithAliases("old", "old"), `"old" is a name of the subscriber already`},
		{pubsub.WithAliases("evOrder"), `"evOrder" is a name of the subscriber already`},
		{pubsub.WithCodec(nil), "WithCodec: the codec is nil"},
		{pubsub.MaxDeliveryAttempts(4), "4 is outside 5 to 100"},
		{pubsub.MaxDeliveryAttempts(0), "0 is outside 5 to 100"},
		{pubsub.MaxDeliveryAttempts(101), "101 is outside 5 to 100"},
		{pubsub.MaxDeliveryAttempts(5), "add pubsub.DeadLetter"},
		{pubsub.Backoff(-1, time.Second), "Backoff"},
		{pubsub.Backoff(time.Second, -1), "Backoff"},
		{pubsub.Backoff(2*time.Second, time.Second), "2s to 1s"},
		{pubsub.Backoff(time.Second, 601*time.Second), "10m1s"},
		{pubsub.Backoff(601*time.Second, 0), "10m1s"},
		{pubsub.Filter(`attributes.a = `), "Filter: filter: at 15"},
		{pubsub.Filter(strings.Repeat("x", 257)), "at most 256"},
		{pubsub.AckDeadline(9 * time.Second), "9s is outside 10s to 10m0s"},
		{pubsub.AckDeadline(0), "0s is outside"},
		{pubsub.AckDeadline(601 * time.Second), "10m1s is outside"},
		{pubsub.AckDeadline(10500 * time.Millisecond), "10.5s is no whole number of seconds"},
		{pubsub.Retention(9 * time.Minute), "9m0s is outside 10m0s to 744h0m0s"},
		{pubsub.Retention(32 * 24 * time.Hour), "768h0m0s is outside"},
		{pubsub.Expiration(23 * time.Hour), "23h0m0s is less than 24h0m0s; transport.NeverExpires"},
		{pubsub.Expiration(0), "0s is less than"},
		{pubsub.MaxOutstanding(-1, 0), "neither may be negative"},
		{pubsub.MaxOutstanding(0, -1), "neither may be negative"},
		{pubsub.MaxOutstanding(1, 0), "add pubsub.Pull"},
		{pubsub.ViaTasks(tasks.OnQueue("no_underscore")), "OnQueue"},
		{pubsub.ViaTasks(tasks.WithID("one")), "WithID"},
		{pubsub.ViaTasks(tasks.In(721 * time.Hour)), "In"},
		{pubsub.ViaTasks(nil), "an option is nil"},
		{nil, "an option is nil: leave it out"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			app := evBareApp(t, tasks.Config{})
			err := app.Register(pubsub.NewSubscriber(evNothing[evOrder], c.opt))
			evSays(t, err, `tasks: register: subscriber "`, c.says)
			for range app.Definitions() {
				t.Error("it is registered all the same")
			}
		})
	}
}

func TestSubscriber_OptionsInRange_AreTaken(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]pubsub.SubscriberOption{
		{pubsub.DeadLetter("dead"), pubsub.MaxDeliveryAttempts(5)},
		{pubsub.DeadLetter(""), pubsub.MaxDeliveryAttempts(100)},
		{pubsub.Backoff(0, 0)}, {pubsub.Backoff(600*time.Second, 0)}, {pubsub.Backoff(0, 600*time.Second)}, {pubsub.Backoff(time.Second, time.Second)},
		{pubsub.AckDeadline(10 * time.Second)}, {pubsub.AckDeadline(600 * time.Second)},
		{pubsub.Retention(10 * time.Minute)}, {pubsub.Retention(31 * 24 * time.Hour)},
		{pubsub.Expiration(24 * time.Hour)}, {pubsub.Expiration(transport.NeverExpires)},
		{pubsub.Filter("")}, {pubsub.Filter(`hasPrefix(attributes.region, "e") AND NOT attributes:test`)},
		{pubsub.MaxOutstanding(0, 0)}, {pubsub.Pull(), pubsub.MaxOutstanding(1, 1)},
		{pubsub.Ordered(), pubsub.ViaTasks(), pubsub.ViaTasks(tasks.OnQueue("q"))},
		{pubsub.Topic("projects/p/topics/orders"), pubsub.DeadLetter("projects/q/topics/orders")},
		{pubsub.Topic(strings.Repeat("x", 255)), pubsub.Subscription("a-b_c.d~e+f%")},
	} {
		app := evBareApp(t, tasks.Config{})
		if err := app.Register(pubsub.NewSubscriber(evNothing[evOrder], opts...)); err != nil {
			t.Error(err)
		}
	}
}

func TestSubscriber_OptionsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for says, opts := range map[string][]pubsub.SubscriberOption{
		"Pull goes with neither Unwrapped nor ViaTasks":      {pubsub.Pull(), pubsub.Unwrapped()},
		"those are for pushes":                               {pubsub.Pull(), pubsub.ViaTasks()},
		`dead-letter topic "orders" is the topic itself`:     {pubsub.Topic("orders"), pubsub.DeadLetter("orders")},
		`dead-letter topic "orders2" is the topic itself`:    {pubsub.Topic("projects/p/topics/orders2"), pubsub.DeadLetter("orders2")},
		"MaxDeliveryAttempts has no effect without a dead-l": {pubsub.MaxDeliveryAttempts(7)},
	} {
		err := evBareApp(t, tasks.Config{}).Register(pubsub.NewSubscriber(evNothing[evOrder], opts...))
		evSays(t, err, `subscriber "evOrder"`, says)
	}
}

func TestSubscriber_Describe_IsWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	def := pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.DeadLetter("orders-dead"),
		pubsub.MaxDeliveryAttempts(7), pubsub.Backoff(10*time.Second, 10*time.Minute), pubsub.Filter(`attributes.region = "emea"`),
		pubsub.Ordered(), pubsub.AckDeadline(time.Minute), pubsub.Retention(time.Hour), pubsub.Expiration(transport.NeverExpires), pubsub.Unwrapped())
	cfg := evBareApp(t, tasks.Config{Audience: "shop"}).Config()
	d, err := pubsub.Describe(cfg, def)
	evEqual(t, "the subscription", evDo(d, err)(t).Subscription, transport.Subscription{
		Name: "audit", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop"},
		Push:   &transport.PushConfig{Endpoint: "https://shop.example.com/subscriptions/audit", Audience: "shop", Unwrapped: true, WriteMetadata: true},
		Filter: `attributes.region = "emea"`, Ordered: true, Retry: &transport.BackoffRange{Min: 10 * time.Second, Max: 10 * time.Minute},
		AckDeadline: time.Minute, Retention: time.Hour, Expiration: transport.NeverExpires,
		DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: 7},
	})
	if !d.Ordered || d.Raw || d.Codec.Name() != "json" || def.Spec().Timeout != time.Minute {
		t.Errorf("described as %+v, timeout %s", d, def.Spec().Timeout)
	}
}

func TestSubscriber_DefaultsOfTheApp_HoldWhereOptionsSayNothing(t *testing.T) {
	t.Parallel()
	cfg := evBareApp(t, tasks.Config{SubscriptionsPath: "pushes", Endpoint: "https://x.example.com/_t/", Subscriber: tasks.SubscriberDefaults{
		MaxRetries: 9, MinBackoff: 5 * time.Second, MaxBackoff: time.Minute, Expiration: 48 * time.Hour}}).Config()
	describe := func(opts ...pubsub.SubscriberOption) *transport.Subscription {
		d, err := pubsub.Describe(cfg, pubsub.NewSubscriber(evNothing[evOrder], opts...))
		return evDo(d, err)(t).Subscription
	}
	s := describe(pubsub.DeadLetter(""))
	if s.DeadLetter.MaxAttempts != 9 || *s.Retry != (transport.BackoffRange{Min: 5 * time.Second, Max: time.Minute}) || s.Expiration != 48*time.Hour ||
		s.Push.Endpoint != "https://x.example.com/_t/pushes/evOrder" {
		t.Errorf("%+v %+v %+v", s, s.Retry, s.DeadLetter)
	}
	s = describe(pubsub.DeadLetter(""), pubsub.MaxDeliveryAttempts(6), pubsub.Backoff(time.Second, 2*time.Second), pubsub.Expiration(24*time.Hour), pubsub.Pull())
	if s.DeadLetter.MaxAttempts != 6 || *s.Retry != (transport.BackoffRange{Min: time.Second, Max: 2 * time.Second}) || s.Expiration != 24*time.Hour || s.Push != nil {
		t.Errorf("%+v %+v %+v", s, s.Retry, s.DeadLetter)
	}
	if s := describe(); s.DeadLetter != nil {
		t.Errorf("dead letters %+v, though nobody asked for them", s.DeadLetter)
	}
}

func TestDescribe_WhatIsWrong(t *testing.T) {
	t.Parallel()
	cfg := evBareApp(t, tasks.Config{}).Config()
	_, err := pubsub.Describe(cfg, tasks.New(func(context.Context, A) error { return nil }))
	evSays(t, err, `task "A" is neither a publisher nor a subscriber`)
	_, err = pubsub.Describe(cfg, pubsub.NewPublisher[[]int](pubsub.WithName("ints")))
	evSays(t, err, `publisher "ints"`, "add pubsub.Topic")
	_, err = pubsub.Describe(cfg, pubsub.NewSubscriber(evNothing[A], pubsub.Topic("orders"), pubsub.DeadLetter("orders")))
	evSays(t, err, `subscriber "A"`, "circles")
	cfg.Name = "not legal"
	_, err = pubsub.Describe(cfg, pubsub.NewSubscriber(evNothing[A], pubsub.DeadLetter("")))
	evSays(t, err, `subscriber "A"`, "add pubsub.Topic", "name it with pubsub.Subscription", "name it with pubsub.DeadLetter")
}

func TestRegister_ManyProblems_AreToldAtOnceEachWithItsDefinition(t *testing.T) {
	t.Parallel()
	app := evBareApp(t, tasks.Config{Name: "not legal"})
	good := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	err := app.Register(
		good,
		pubsub.NewPublisher[evOrder](pubsub.Topic(""), nil, pubsub.WithName("first"), pubsub.WithCodec(nil)),
		pubsub.NewSubscriber[evOrder](nil, pubsub.Subscription("second"), pubsub.AckDeadline(1), pubsub.Filter("(")),
		pubsub.NewSubscriber(evNothing[evOrder], pubsub.WithName("third"), pubsub.DeadLetter("")),
		pubsub.NewModelPublisher[int, evOrder](nil, pubsub.WithName("fourth"), pubsub.Topic("x")),
		&pubsub.Publisher[int]{}, &pubsub.Subscriber[int]{}, &pubsub.ModelPublisher[int, int]{}, (*pubsub.Publisher[evOrder])(nil), nil,
		pubsub.NewPublisher[evTags](pubsub.WithName("fifth")), pubsub.NewPublisher[func()](pubsub.WithName("sixth"), pubsub.Topic("sixth")),
	)
	want := []string{
		`publisher "first": Topic: the id is empty`, `publisher "first": an option is nil`, `publisher "first": WithCodec: the codec is nil`,
		`subscriber "second": the function is nil: pass one to pubsub.NewSubscriber`, `subscriber "second": AckDeadline`, `subscriber "second": Filter`,
		`subscriber "third": topic: id "not legal--ev-order"`, `subscriber "third": subscription: id "not legal--third"`, `subscriber "third": dead-letter topic`,
		`publisher "fourth": the function is nil: pass one to pubsub.NewModelPublisher`, `publisher "fourth": Topic: id "x"`,
		`publisher of int: a zero Publisher: make it with pubsub.NewPublisher`, `subscriber of int: a zero Subscriber`, `publisher of int: a zero ModelPublisher`,
		"definition 9 is nil", "definition 10 is nil",
		`publisher "fifth": topic: id "not legal--ev-tags"`, `publisher "fifth": data: `, `publisher "sixth": data: `,
	}
	evSays(t, err, want...)
	for range app.Definitions() {
		t.Error("something is registered all the same")
	}
	if _, err := good.Publish(t.Context(), evOrder{ID: 1}); !errors.Is(err, tasks.ErrNotRegistered) || errors.Is(err, tasks.ErrShutdown) {
		t.Errorf("the good one belongs to an App now: %v", err)
	}
}

// evTags has tags that make no sense to the validator.
type evTags struct {
	N int `validate:"no_such_rule"`
}

func TestZeroValues_ReturnErrors(t *testing.T) {
	t.Parallel()
	var p pubsub.Publisher[evOrder]
	_, err := p.Publish(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	_, err = p.Enqueue(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	for _, r := range p.PublishAll(t.Context(), []evOrder{{ID: 1}, {ID: 2}}) {
		evIs(t, r.Err, tasks.ErrNotRegistered)
	}
	var m pubsub.ModelPublisher[evOrder, evOrder]
	_, err = m.Publish(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	_, err = m.Enqueue(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	_, err = m.Prepare(t.Context(), evOrder{ID: 1})
	evIs(t, err, tasks.ErrNotRegistered)
	var prepared pubsub.Prepared[evOrder]
	_, err = prepared.Publish(t.Context())
	evSays(t, err, "a zero Prepared: make it with ModelPublisher.Prepare")
	_, err = prepared.Enqueue(t.Context())
	evSays(t, err, "a zero Prepared: make it with ModelPublisher.Prepare")
	var s pubsub.Subscriber[evOrder]
	evSays(t, s.Spec().Err, "a zero Subscriber: make it with pubsub.NewSubscriber")
	if m := s.Message(evOrder{ID: 7}); m.Data.ID != 7 {
		t.Errorf("Message: %+v", m)
	}
}

func TestRegister_TheBrokerRefusesASubscription_NothingIsRegistered(t *testing.T) {
	t.Parallel()
	broker := &evDeclaring{evBroker: &evBroker{}, err: errEv}
	app := evBareApp(t, tasks.Config{Transport: &evRemote{}, Broker: broker})
	audit, pulled := pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("audit")), pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("pulled"), pubsub.Pull())
	err := app.Register(audit)
	evSays(t, err, `subscriber "audit"`)
	evIs(t, err, errEv)
	for range app.Definitions() {
		t.Error("it is registered all the same")
	}
	broker.err = nil
	if err := app.Register(audit, pulled); err != nil {
		t.Fatal(err)
	}
	// Nobody can pull from this broker, which has to call the subscriber then.
	if s := broker.declared[1]; s.Push == nil || s.Push.Endpoint != "https://shop.example.com/subscriptions/pulled" || s.AckDeadline != 600*time.Second {
		t.Errorf("declared %+v", s)
	}
	if d, _ := pubsub.Describe(app.Config(), pulled); d.Subscription.Push != nil {
		t.Errorf("described as one that is pushed: %+v", d.Subscription)
	}
}

// evDeclaring is a broker of this process that cannot be pulled from.
type evDeclaring struct {
	*evBroker
	err      error
	declared []*transport.Subscription
}

func (b *evDeclaring) DeclareSubscription(s *transport.Subscription) error {
	if b.err == nil {
		b.declared = append(b.declared, s)
	}
	return b.err
}
