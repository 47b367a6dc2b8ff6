package pubsub_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// settled is a subscriber with everything set.
func settled() tasks.Definition {
	return syncAudit(pubsub.DeadLetter("orders-dead"), pubsub.MaxDeliveryAttempts(7), pubsub.Backoff(20*time.Second, 2*time.Minute),
		pubsub.AckDeadline(30*time.Second), pubsub.Retention(3*syncDay), pubsub.Expiration(60*syncDay))
}

func TestSync_DriftOfOneField_IsUpdatedAloneByMask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		def   func() tasks.Definition // nil: settled
		drift func(*transport.Subscription)
		field transport.SubscriptionField
		text  string
	}{
		"push elsewhere": {
			drift: func(s *transport.Subscription) { s.Push.Endpoint = "https://old.example.com/push" },
			field: transport.FieldPush, text: "push: https://old.example.com/push -> " + syncPush,
		},
		"pulled instead": {
			drift: func(s *transport.Subscription) { s.Push = nil },
			field: transport.FieldPush, text: "push: none (pulled) -> " + syncPush,
		},
		"pushed instead": {
			def:   func() tasks.Definition { return syncAudit(pubsub.Pull()) },
			drift: func(s *transport.Subscription) { s.Push = &transport.PushConfig{Endpoint: syncPush} },
			field: transport.FieldPush, text: "push: " + syncPush + " -> none (pulled)",
		},
		"a token that is not asked for": {
			drift: func(s *transport.Subscription) { s.Push.ServiceAccount = "a@p.iam.gserviceaccount.com" },
			field: transport.FieldPush, text: "push: " + syncPush + " as a@p.iam.gserviceaccount.com for " + syncPush + " -> " + syncPush,
		},
		"unwrapped": {
			drift: func(s *transport.Subscription) { s.Push.Unwrapped = true },
			field: transport.FieldPush, text: "push: " + syncPush + " unwrapped -> " + syncPush,
		},
		"without metadata": {
			def:   func() tasks.Definition { return syncAudit(pubsub.Unwrapped()) },
			drift: func(s *transport.Subscription) { s.Push.WriteMetadata = false },
			field: transport.FieldPush, text: "push: " + syncPush + " unwrapped -> " + syncPush + " unwrapped with metadata",
		},
		"no backoff": {
			drift: func(s *transport.Subscription) { s.Retry = nil },
			field: transport.FieldRetry, text: "backoff: none -> 20s to 2m",
		},
		"another backoff": {
			drift: func(s *transport.Subscription) { s.Retry.Max = 5 * time.Minute },
			field: transport.FieldRetry, text: "backoff: 20s to 5m -> 20s to 2m",
		},
		"a backoff that is not asked for": {
			def:   func() tasks.Definition { return syncAudit() },
			drift: func(s *transport.Subscription) { s.Retry = &transport.BackoffRange{} },
			field: transport.FieldRetry, text: "backoff: 10s to 10m -> none",
		},
		"no dead letters": {
			drift: func(s *transport.Subscription) { s.DeadLetter = nil },
			field: transport.FieldDeadLetter, text: "dead letter: none -> orders-dead after 7",
		},
		"dead letters elsewhere": {
			drift: func(s *transport.Subscription) { s.DeadLetter.Topic = "graveyard" },
			field: transport.FieldDeadLetter, text: "dead letter: graveyard after 7 -> orders-dead after 7",
		},
		"other attempts": {
			drift: func(s *transport.Subscription) { s.DeadLetter.MaxAttempts = 0 },
			field: transport.FieldDeadLetter, text: "dead letter: orders-dead after 5 -> orders-dead after 7",
		},
		"dead letters that are not asked for": {
			def:   func() tasks.Definition { return syncAudit() },
			drift: func(s *transport.Subscription) { s.DeadLetter = &transport.DeadLetterPolicy{Topic: "graveyard"} },
			field: transport.FieldDeadLetter, text: "dead letter: graveyard after 5 -> none",
		},
		"ack deadline": {
			drift: func(s *transport.Subscription) { s.AckDeadline = 0 },
			field: transport.FieldAckDeadline, text: "ack deadline: 10s -> 30s",
		},
		"default ack deadline": {
			def:   func() tasks.Definition { return syncAudit() },
			drift: func(s *transport.Subscription) { s.AckDeadline = time.Minute },
			field: transport.FieldAckDeadline, text: "ack deadline: 1m -> 10s",
		},
		"retention": {
			drift: func(s *transport.Subscription) { s.Retention = 0 },
			field: transport.FieldRetention, text: "retention: 7 days -> 3 days",
		},
		"expiration": {
			drift: func(s *transport.Subscription) { s.Expiration = transport.NeverExpires },
			field: transport.FieldExpiration, text: "expiration: never -> 60 days",
		},
		"labels taken off": {
			drift: func(s *transport.Subscription) { s.Labels = nil },
			field: transport.FieldLabels, text: "label managed-by: none -> typedtasks; label typedtasks-app: none -> shop",
		},
		"the App's label alone taken off": {
			drift: func(s *transport.Subscription) { delete(s.Labels, "typedtasks-app") },
			field: transport.FieldLabels, text: "label typedtasks-app: none -> shop",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def := c.def
			if def == nil {
				def = settled
			}
			b := newSyncBroker(t)
			sync1(t, b, def())
			want := b.get("audit")
			b.change("audit", c.drift)
			b.wrote()
			plan := sync1(t, b, def())
			b.wantWrites("update subscription audit " + string(c.field))
			if got, want := planLine(t, plan, "subscription", "audit"), "[~] subscription audit: updated: "+c.text; got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
			if got := b.get("audit"); !reflect.DeepEqual(got, want) {
				t.Errorf("it is\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestSync_WhatNoOptionCanSay_IsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(pubsub.Pull()))
	b.change("audit", func(s *transport.Subscription) { s.RetainAcked, s.ExactlyOnceDelivery = true, true })
	b.wrote()
	wantPlan(t, sync1(t, b, syncAudit(pubsub.Pull())), "[=] topic orders", "[=] subscription audit")
	b.wantWrites()

	mustSync(t, syncApp(t, b, syncAudit(pubsub.Pull(), pubsub.Ordered())), pubsub.AllowReplace())
	if got := b.get("audit"); !got.Ordered || !got.RetainAcked || !got.ExactlyOnceDelivery {
		t.Errorf("made anew it is %+v", got)
	}
}

func TestSync_SeveralDrifts_AreOneUpdate(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(pubsub.Pull()))
	b.change("audit", func(s *transport.Subscription) {
		s.ExactlyOnceDelivery, s.AckDeadline, s.Labels = true, time.Minute, map[string]string{"team": "blue"}
	})
	b.wrote()
	plan := sync1(t, b, syncAudit()) // pushed, which exactly-once delivery is not for
	b.wantWrites("update subscription audit push_config ack_deadline_seconds enable_exactly_once_delivery labels")
	wantPlan(t, plan, "[=] topic orders", "[~] subscription audit: updated: push: none (pulled) -> "+syncPush+"; ack deadline: 1m -> 10s; "+
		"exactly once: true -> false; label managed-by: none -> typedtasks; label typedtasks-app: none -> shop")
}

func TestSync_LabelsOfOthers_AreKept(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit())
	b.change("audit", func(s *transport.Subscription) { s.Labels["team"] = "blue" })
	b.wrote()
	if plan := sync1(t, b, syncAudit()); plan.Changed() {
		t.Errorf("a label of others is a change: %s", plan)
	}
	b.change("audit", func(s *transport.Subscription) { s.Labels = map[string]string{"team": "blue", "cost": ""} })
	sync1(t, b, syncAudit())
	b.wantWrites("update subscription audit labels")
	if got, want := b.get("audit").Labels, ourLabels("team", "blue", "cost", ""); !reflect.DeepEqual(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}

func TestSync_UnlabelledOne_IsAdopted(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.add(&transport.Subscription{Name: "audit", Topic: "orders", Push: &transport.PushConfig{Endpoint: syncPush}})
	plan := sync1(t, b, syncAudit())
	wantPlan(t, plan, "[=] topic orders", "[~] subscription audit: updated: label managed-by: none -> typedtasks; label typedtasks-app: none -> shop")
	plan = sync1(t, b, syncPub("orders"))
	wantPlan(t, plan, "[=] topic orders", "[-] subscription audit: deleted: no subscriber declares it; what waits in it is lost (up to 7 days of messages)")
}

// A broker calls what is in its own project by id, and what is elsewhere by full name.
func TestSync_TopicsOfOtherProjects_AreToldApart(t *testing.T) {
	t.Parallel()
	const elsewhere = "projects/other/topics/orders"
	for name, c := range map[string]struct {
		have, want string
		known      []string // topics that exist beside have
		fault      bool     // the wanted topic cannot be looked up
		changed    bool
	}{
		"moved here":                      {have: elsewhere, want: "orders", known: []string{"orders"}, changed: true},
		"moved here, to be created":       {have: elsewhere, want: "orders", changed: true},
		"moved there":                     {have: "orders", want: elsewhere, known: []string{elsewhere}, changed: true},
		"stayed there":                    {have: elsewhere, want: elsewhere},
		"stayed here":                     {have: "orders", want: "orders"},
		"stayed here, by full name":       {have: "orders", want: "projects/own/topics/orders"},
		"cannot be told":                  {have: elsewhere, want: "orders", fault: true},
		"another one, cannot be found":    {have: "visits", want: "orders", fault: true, changed: true},
		"stayed here, full name to come":  {have: "orders", want: "projects/own/topics/orders", fault: true},
		"moved there, what differs is id": {have: "visits", want: elsewhere, known: []string{elsewhere}, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			b.add(&transport.Subscription{Name: "audit", Topic: c.have, Labels: ourLabels()})
			for _, topic := range c.known {
				b.topics[topic] = &transport.Topic{Name: topic}
			}
			b.topics["projects/own/topics/orders"] = b.topics["orders"]
			if c.fault {
				b.faults["topic "+c.want] = errDown
			}
			_, err := pubsub.Sync(t.Context(), syncApp(t, b, syncSub(pubsub.Topic(c.want), pubsub.Subscription("audit"), pubsub.Pull())))
			if got := errors.Is(err, pubsub.ErrBlocked); got != c.changed || err != nil && !c.changed && !c.fault {
				t.Errorf("error %v, want one that says that the topic has changed: %v", err, c.changed)
			}
		})
	}
}

func TestSync_DeadLetterTopicOfAnotherProject_IsAnUpdate(t *testing.T) {
	t.Parallel()
	const elsewhere = "projects/other/topics/orders-dead"
	b := newSyncBroker(t)
	b.topics[elsewhere] = &transport.Topic{Name: elsewhere}
	def := func(dead string) tasks.Definition { return syncAudit(pubsub.DeadLetter(dead)) }
	sync1(t, b, def("orders-dead"))
	plan := sync1(t, b, def(elsewhere))
	wantPlan(t, plan, "[=] topic orders", "[=] topic "+elsewhere,
		"[+] subscription projects/other/subscriptions/orders-dead: created: keeps dead letters, never expires",
		"[~] subscription audit: updated: dead letter: orders-dead after 5 -> "+elsewhere+" after 5")
}
