package pubsub_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// everything is one of each kind of definition.
func everything() []tasks.Definition {
	return []tasks.Definition{
		syncPub("orders"),
		pubsub.NewPublisher[syncOrder](),
		syncAudit(pubsub.DeadLetter("orders-dead"), pubsub.MaxDeliveryAttempts(7), pubsub.Backoff(20*time.Second, 2*time.Minute), pubsub.AckDeadline(30*time.Second),
			pubsub.Filter("attributes:region"), pubsub.Ordered(), pubsub.Retention(3*syncDay), pubsub.Expiration(transport.NeverExpires)),
		syncSub(pubsub.Subscription("mail"), pubsub.Pull(), pubsub.DeadLetter("")),
		syncSub(pubsub.WithName("Stats"), pubsub.Topic("visits"), pubsub.Unwrapped()),
	}
}

func TestSync_FreshProject_CreatesEverything(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	plan := sync1(t, b, everything()...)
	wantPlan(t, plan,
		"[+] topic orders: created",
		"[+] topic shop--sync-order: created",
		"[+] topic visits: created",
		"[+] topic orders-dead: created",
		"[+] topic mail--dead: created",
		"[+] subscription orders-dead: created: keeps dead letters, never expires",
		"[+] subscription mail--dead: created: keeps dead letters, never expires",
		"[+] subscription audit: created: push to https://shop.example.com/_tasks/subscriptions/audit",
		"[+] subscription mail: created: pulled",
		"[+] subscription shop--stats: created: push to https://shop.example.com/_tasks/subscriptions/Stats",
	)
	if !plan.Changed() {
		t.Error("the plan says that nothing has changed")
	}
	for _, topic := range []string{"orders", "shop--sync-order", "visits", "orders-dead", "mail--dead"} {
		if got := b.topics[topic]; got == nil || !reflect.DeepEqual(got.Labels, map[string]string{"managed-by": "typedtasks"}) {
			t.Errorf("topic %s: %+v", topic, got)
		}
	}
	for _, want := range []*transport.Subscription{
		{
			Name: "audit", Topic: "orders", Labels: ourLabels(), Push: &transport.PushConfig{Endpoint: syncPush}, Filter: "attributes:region", Ordered: true,
			Retry: &transport.BackoffRange{Min: 20 * time.Second, Max: 2 * time.Minute}, AckDeadline: 30 * time.Second, Retention: 3 * syncDay,
			Expiration: transport.NeverExpires, DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: 7},
		},
		{
			Name: "mail", Topic: "orders", Labels: ourLabels(), AckDeadline: 10 * time.Second, Retention: 7 * syncDay, Expiration: 31 * syncDay,
			DeadLetter: &transport.DeadLetterPolicy{Topic: "mail--dead", MaxAttempts: 5},
		},
		{
			Name: "shop--stats", Topic: "visits", Labels: ourLabels(), AckDeadline: 10 * time.Second, Retention: 7 * syncDay, Expiration: 31 * syncDay,
			Push: &transport.PushConfig{Endpoint: "https://shop.example.com/_tasks/subscriptions/Stats", Unwrapped: true, WriteMetadata: true},
		},
		{
			Name: "orders-dead", Topic: "orders-dead", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-keeps": "dead-letters"},
			AckDeadline: 10 * time.Second, Retention: 31 * syncDay, Expiration: transport.NeverExpires,
		},
	} {
		if got := b.get(want.Name); !reflect.DeepEqual(got, want) {
			t.Errorf("subscription %s is\n%+v, want\n%+v", want.Name, got, want)
		}
	}
}

func TestSync_DeadLettersKeptBeforeAnySubscription(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, everything()...)
	kept := 0
	for _, w := range b.writes {
		switch w {
		case "create subscription orders-dead", "create subscription mail--dead":
			kept++
		case "create subscription audit", "create subscription mail":
			if kept < 2 {
				t.Errorf("%s before what keeps its dead letters: %q", w, b.writes)
			}
		}
	}
}

func TestSync_Again_ChangesNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	sync1(t, g, everything()...)
	b.wrote()
	plan := sync1(t, g, everything()...)
	b.wantWrites()
	wantPlan(t, plan,
		"[=] topic orders", "[=] topic shop--sync-order", "[=] topic visits", "[=] topic orders-dead", "[=] topic mail--dead",
		"[=] subscription orders-dead", "[=] subscription mail--dead", "[=] subscription audit", "[=] subscription mail", "[=] subscription shop--stats",
	)
	if plan.Changed() {
		t.Error("the plan says that something has changed")
	}
}

// The zero in code means a default that the broker answers with its value.
func TestSync_BackoffOfOneEnd_IsTheSameAfterwards(t *testing.T) {
	t.Parallel()
	for _, backoff := range [][2]time.Duration{{0, 5 * time.Second}, {0, 600 * time.Second}, {30 * time.Second, 0}, {0, 0}} {
		b := newSyncBroker(t)
		config := tasks.SubscriberDefaults{MinBackoff: backoff[0], MaxBackoff: backoff[1]}
		def := func() tasks.Definition { return syncAudit() }
		if backoff[1] > 0 || backoff[0] == 0 {
			def = func() tasks.Definition { return syncAudit(pubsub.Backoff(backoff[0], backoff[1])) }
			config = tasks.SubscriberDefaults{}
		}
		for n := range 2 {
			app, err := tasks.NewApp(tasks.Config{Name: "shop", Endpoint: "https://shop.example.com/_tasks", Transport: syncNowhere{}, Broker: b, Subscriber: config, Authenticator: tasks.TrustNetwork()})
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Register(def()); err != nil {
				t.Fatal(err)
			}
			if plan := mustSync(t, app); n == 1 && plan.Changed() {
				t.Errorf("backoff %v: %s", backoff, plan)
			}
		}
	}
}

func TestSync_PushAccount_IsTheBrokers(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	p := &syncPusher{Broker: b, account: "pusher@p.iam.gserviceaccount.com"}
	sync1(t, p, syncAudit(), syncSub(pubsub.Subscription("mail"), pubsub.Pull()))
	want := &transport.PushConfig{Endpoint: syncPush, ServiceAccount: p.account, Audience: "https://shop.example.com"}
	if got := b.get("audit").Push; !reflect.DeepEqual(got, want) {
		t.Errorf("pushed to %+v, want %+v", got, want)
	}
	if got := b.get("mail").Push; got != nil {
		t.Errorf("a pulled subscription is pushed to %+v", got)
	}
	p.account = "other@p.iam.gserviceaccount.com"
	if got, want := planLine(t, sync1(t, p, syncAudit(), syncSub(pubsub.Subscription("mail"), pubsub.Pull())), "subscription", "audit"),
		"[~] subscription audit: updated: push: "+syncPush+" as pusher@p.iam.gserviceaccount.com for https://shop.example.com -> "+
			syncPush+" as other@p.iam.gserviceaccount.com for https://shop.example.com"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSync_PublisherPerMessage_HasNoTopicToMake(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	plan := sync1(t, b, pubsub.NewModelPublisher(func(_ context.Context, o syncOrder) (pubsub.Draft[map[string]string], error) {
		return pubsub.Draft[map[string]string]{Topic: o.ID}, nil
	}, pubsub.WithName("Events")))
	if got := plan.String(); got != "nothing was planned" || plan.Changed() {
		t.Errorf("plan %q, changed %v", got, plan.Changed())
	}
	b.wantWrites()
}
