package pubsub_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// keeper is the subscription of topic orders-dead as Sync makes it.
func keeper() *transport.Subscription {
	return &transport.Subscription{
		Name: "orders-dead", Topic: "orders-dead", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-keeps": "dead-letters"},
		AckDeadline: 10 * time.Second, Retention: 31 * syncDay, Expiration: transport.NeverExpires,
	}
}

func syncDying(opts ...pubsub.SubscriberOption) tasks.Definition {
	return syncAudit(append([]pubsub.SubscriberOption{pubsub.DeadLetter("orders-dead")}, opts...)...)
}

func TestSync_Keeper_NeverExpiresAgain(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncDying())
	b.change("orders-dead", func(s *transport.Subscription) {
		s.Expiration, s.Retention, s.Push, s.Labels["team"] = 40*syncDay, syncDay, &transport.PushConfig{Endpoint: "https://ops.example.com"}, "blue"
	})
	want := b.get("orders-dead")
	want.Expiration = transport.NeverExpires
	b.wrote()
	plan := sync1(t, b, syncDying())
	b.wantWrites("update subscription orders-dead expiration_policy") // the rest is for others to set
	if got := planLine(t, plan, "subscription", "orders-dead"); got != "[~] subscription orders-dead: updated: expiration: 40 days -> never" {
		t.Error(got)
	}
	if got := b.get("orders-dead"); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
}

func TestSync_Keeper_IsNeverDeleted(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncDying())
	b.wrote()
	mustSync(t, syncApp(t, b, syncAudit()), pubsub.AllowReplace())
	mustSync(t, syncApp(t, b, syncPub("orders")), pubsub.AllowReplace())
	b.wantWrites("update subscription audit dead_letter_policy", "delete subscription audit")
	if got, want := b.get("orders-dead"), keeper(); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
}

func TestSync_KeeperOfOthers_IsLeftAsItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		have transport.Subscription
		why  string
	}{
		"never expires":  {transport.Subscription{Expiration: transport.NeverExpires}, ""},
		"may expire":     {transport.Subscription{Expiration: 40 * syncDay}, ": not ours, and left as it is: it expires after 40 days without use, and with it the dead letters"},
		"has a filter":   {transport.Subscription{Filter: "attributes:a"}, ": not ours, and left as it is: it keeps only the dead letters that match `attributes:a`"},
		"another tool's": {transport.Subscription{Labels: map[string]string{"managed-by": "terraform"}, Expiration: transport.NeverExpires}, ""},
		"another App's": {
			transport.Subscription{Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "other"}, Expiration: 40 * syncDay},
			": not ours, and left as it is: it expires after 40 days without use, and with it the dead letters",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			have := c.have
			have.Name, have.Topic = "orders-dead", "orders-dead"
			b.add(&have)
			was := b.get("orders-dead")
			plan := sync1(t, b, syncDying())
			b.wantWrites("create topic orders", "create subscription audit")
			if got, want := planLine(t, plan, "subscription", "orders-dead"), "[=] subscription orders-dead"+c.why; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := b.get("orders-dead"); !reflect.DeepEqual(got, was) {
				t.Errorf("it is %+v, and was %+v", got, was)
			}
		})
	}
}

func TestSync_KeeperThatKeepsNothing_IsBlocked(t *testing.T) {
	t.Parallel()
	for text, drift := range map[string]func(*transport.Subscription){
		`its topic was deleted, so that it keeps no new dead letters: delete it by hand (2 messages that wait in it are lost), and the next Sync makes it anew`: func(s *transport.Subscription) { s.Topic = "_deleted-topic_" },
		`it should keep the dead letters of topic "orders-dead", and reads topic "visits": rename one of the two`:                                               func(s *transport.Subscription) { s.Topic = "visits" },
		"it keeps only the dead letters that match `attributes:a`: delete it by hand (2 messages that wait in it are lost), and the next Sync makes it anew":    func(s *transport.Subscription) { s.Filter = "attributes:a" },
	} {
		b := newSyncBroker(t)
		sync1(t, b, syncDying())
		b.change("orders-dead", drift)
		was := b.get("orders-dead")
		b.wrote()
		plan, err := pubsub.Sync(t.Context(), syncApp(t, &syncBacklog{b, map[string]int{"orders-dead": 2}}, syncDying()), pubsub.AllowReplace())
		wantSyncError(t, err, pubsub.ErrBlocked, text)
		if got, want := planLine(t, plan, "subscription", "orders-dead"), "[!] subscription orders-dead: blocked: "+text; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		b.wantWrites()
		if got := b.get("orders-dead"); !reflect.DeepEqual(got, was) {
			t.Errorf("it is %+v, and was %+v", got, was)
		}
	}
}

func TestSync_TwoWithOneDeadLetterTopic_HaveOneKeeper(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	wantPlan(t, sync1(t, b, syncDying(), syncSub(pubsub.Subscription("mail"), pubsub.Pull(), pubsub.DeadLetter("orders-dead"))),
		"[+] topic orders: created", "[+] topic orders-dead: created", "[+] subscription orders-dead: created: keeps dead letters, never expires",
		"[+] subscription audit: created: push to "+syncPush, "[+] subscription mail: created: pulled")
}

// A subscriber that reads a dead-letter topic keeps its messages, if it gets all of them.
func TestSync_SubscriberOfDeadLetters_KeepsThem(t *testing.T) {
	t.Parallel()
	burial := func(opts ...pubsub.SubscriberOption) tasks.Definition {
		return syncSub(append([]pubsub.SubscriberOption{pubsub.Topic("orders-dead"), pubsub.Subscription("burial"), pubsub.Pull()}, opts...)...)
	}
	t.Run("in place of another", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		sync1(t, b, syncDying(), burial())
		b.wantWrites("create topic orders", "create topic orders-dead", "create subscription audit", "create subscription burial")
		if got, want := b.get("burial"), ourLabels("typedtasks-keeps", "dead-letters"); !reflect.DeepEqual(got.Labels, want) || got.Expiration != transport.NeverExpires {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("expires where the code says so", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		sync1(t, b, syncDying(), burial(pubsub.Expiration(40*syncDay)))
		if got := b.get("burial").Expiration; got != 40*syncDay {
			t.Errorf("it expires after %s", got)
		}
	})
	t.Run("not with a filter", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		sync1(t, b, syncDying(), burial(pubsub.Filter("attributes:a")))
		if got, want := b.get("orders-dead"), keeper(); !reflect.DeepEqual(got, want) {
			t.Errorf("it is %+v, want %+v", got, want)
		}
		if got := b.get("burial"); !reflect.DeepEqual(got.Labels, ourLabels()) || got.Expiration != 31*syncDay {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("stays when the subscriber goes", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		sync1(t, b, syncDying(), burial(pubsub.AckDeadline(time.Minute), pubsub.DeadLetter("hell")))
		b.change("burial", func(s *transport.Subscription) { s.Labels["team"] = "blue" })
		b.wrote()
		plan := sync1(t, b, syncDying())
		b.wantWrites("create subscription orders-dead", "update subscription burial dead_letter_policy ack_deadline_seconds message_retention_duration labels")
		if got, want := planLine(t, plan, "subscription", "burial"), "[~] subscription burial: updated: no subscriber declares it, and it keeps dead letters: "+
			"dead letter: hell after 5 -> none; ack deadline: 1m -> 10s; retention: 7 days -> 31 days; label typedtasks-app: shop -> none"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		want := keeper()
		want.Name, want.Labels["team"] = "burial", "blue"
		if got := b.get("burial"); !reflect.DeepEqual(got, want) {
			t.Errorf("it is %+v, want %+v", got, want)
		}
		if plan := sync1(t, b, syncDying()); plan.Changed() {
			t.Errorf("changed again: %s", plan)
		}
	})
}

// A subscriber may take the subscription of a dead-letter topic over, and give it back.
func TestSync_SubscriberOnKeeper_TakesItAndGivesItBack(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncDying())
	drain := func() tasks.Definition {
		return syncSub(pubsub.Topic("orders-dead"), pubsub.Subscription("orders-dead"), pubsub.Retention(31*syncDay))
	}
	plan := sync1(t, b, syncDying(), drain())
	if got, want := planLine(t, plan, "subscription", "orders-dead"), "[~] subscription orders-dead: updated: push: none (pulled) -> "+
		"https://shop.example.com/_tasks/subscriptions/orders-dead; label typedtasks-app: none -> shop"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	plan = sync1(t, b, syncDying())
	if got, want := planLine(t, plan, "subscription", "orders-dead"), "[~] subscription orders-dead: updated: no subscriber declares it any more, and it keeps dead letters: "+
		"push: https://shop.example.com/_tasks/subscriptions/orders-dead -> none (pulled); label typedtasks-app: shop -> none"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := b.get("orders-dead"), keeper(); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	// So may another App, that has nothing dead-lettered itself.
	mustSync(t, syncAppNamed(t, "ops", b, drain()))
	if got := b.get("orders-dead"); got.Labels["typedtasks-app"] != "ops" || got.Expiration != transport.NeverExpires {
		t.Errorf("it is %+v", got)
	}
	b.wrote()
	if plan := sync1(t, b, syncDying()); plan.Changed() {
		t.Errorf("the other App's: %s", plan)
	}
	mustSync(t, syncAppNamed(t, "ops", b, syncPub("orders")))
	b.wantWrites("update subscription orders-dead push_config labels")
	if got, want := b.get("orders-dead"), keeper(); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
}

func TestSync_SubscriptionNamedAsKeeper_IsRefused(t *testing.T) {
	t.Parallel()
	for _, def := range []tasks.Definition{
		syncSub(pubsub.Subscription("orders-dead")),
		syncSub(pubsub.Subscription("orders-dead"), pubsub.Topic("orders-dead"), pubsub.Filter("attributes:a")),
	} {
		b := newSyncBroker(t)
		_, err := pubsub.Sync(t.Context(), syncApp(t, b, syncDying(), def), pubsub.AllowReplace())
		if err == nil || !strings.Contains(err.Error(), `subscriber "orders-dead": its subscription "orders-dead" has the name of the one that keeps the dead letters of topic "orders-dead": choose another`) {
			t.Errorf("error %v", err)
		}
		b.wantWrites()
	}
}

// There are emulators that take a retention of 7 days at most.
func TestSync_RetentionThatIsRefused_IsLess(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.mostRetention = 7 * syncDay
	plan := sync1(t, b, syncDying(), syncSub(pubsub.Subscription("burial"), pubsub.Topic("orders-dead"), pubsub.Filter("attributes:a")))
	if got, want := planLine(t, plan, "subscription", "orders-dead"), "[+] subscription orders-dead: created: keeps dead letters for 7 days only, as 31 days was refused; never expires"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := b.get("orders-dead"); got.Retention != 7*syncDay || got.Expiration != transport.NeverExpires {
		t.Errorf("it is %+v", got)
	}
	if plan := sync1(t, b, syncDying(), syncSub(pubsub.Subscription("burial"), pubsub.Topic("orders-dead"), pubsub.Filter("attributes:a"))); plan.Changed() {
		t.Errorf("changed again: %s", plan)
	}

	b = newSyncBroker(t)
	b.mostRetention = 7 * syncDay
	sync1(t, b, syncDying(), syncSub(pubsub.Subscription("burial"), pubsub.Topic("orders-dead"), pubsub.Pull()))
	plan = sync1(t, b, syncPub("orders"))
	if got, want := planLine(t, plan, "subscription", "burial"), "[~] subscription burial: updated: no subscriber declares it, and it keeps dead letters: label typedtasks-app: shop -> none"; got != want {
		t.Errorf("%s, want %s", got, want)
	}

	b = newSyncBroker(t)
	b.mostRetention = 1
	_, err := pubsub.Sync(t.Context(), syncApp(t, b, syncDying()))
	wantSyncError(t, err, transport.ErrInvalid, `subscription "orders-dead"`)
}

func TestSync_QuarantineTopic_IsKept(t *testing.T) {
	t.Parallel()
	quarantine := func() tasks.Definition {
		return pubsub.NewPublisher[tasks.Quarantined](pubsub.Topic("quarantine"))
	}
	b := newSyncBroker(t)
	wantPlan(t, sync1(t, b, quarantine()), "[+] topic quarantine: created", "[+] subscription quarantine: created: keeps dead letters, never expires")
	if got := b.get("quarantine"); got.Expiration != transport.NeverExpires || got.Topic != "quarantine" {
		t.Errorf("it is %+v", got)
	}

	b = newSyncBroker(t)
	reader := pubsub.NewSubscriber(func(context.Context, pubsub.Message[tasks.Quarantined]) error { return nil },
		pubsub.Topic("quarantine"), pubsub.Subscription("support"))
	for _, c := range sync1(t, b, quarantine(), reader).Changes {
		if c.Kind == "subscription" && c.Name != "support" {
			t.Errorf("somebody reads the topic, and yet: %s", c)
		}
	}
}
