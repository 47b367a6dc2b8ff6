package pubsub_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// fixtures are drifts that no update can undo.
var fixtures = map[string]struct {
	def   func() tasks.Definition
	drift func(*transport.Subscription)
	text  string
}{
	"topic":         {func() tasks.Definition { return syncAudit() }, func(s *transport.Subscription) { s.Topic = "visits" }, "topic: visits -> orders"},
	"deleted topic": {func() tasks.Definition { return syncAudit() }, func(s *transport.Subscription) { s.Topic = "_deleted-topic_" }, "topic: _deleted-topic_ -> orders"},
	"filter": {
		func() tasks.Definition { return syncAudit(pubsub.Filter("attributes:region")) },
		func(s *transport.Subscription) { s.Filter = "attributes:land" }, "filter: `attributes:land` -> `attributes:region`",
	},
	"no filter any more": {
		func() tasks.Definition { return syncAudit() },
		func(s *transport.Subscription) { s.Filter = "attributes:land" }, "filter: `attributes:land` -> none",
	},
	"ordering": {
		func() tasks.Definition { return syncAudit(pubsub.Ordered()) },
		func(s *transport.Subscription) { s.Ordered = false }, "ordering: false -> true",
	},
	"several": {
		func() tasks.Definition { return syncAudit() },
		func(s *transport.Subscription) { s.Topic, s.Ordered = "visits", true }, "topic: visits -> orders; ordering: true -> false",
	},
}

func TestSync_WhatCannotChange_IsBlockedWithoutAllowReplace(t *testing.T) {
	t.Parallel()
	for name, c := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			sync1(t, b, c.def())
			b.change("audit", c.drift)
			b.change("audit", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
			was := b.get("audit")
			b.wrote()
			app := syncApp(t, &syncBacklog{b, map[string]int{"audit": 12}}, c.def(), syncSub(pubsub.Subscription("mail"), pubsub.Pull()))
			plan, err := pubsub.Sync(t.Context(), app)
			why := c.text + " cannot be changed: AllowReplace makes it anew, and 12 messages that wait in it are lost"
			wantSyncError(t, err, pubsub.ErrBlocked, `subscription "audit"`, why)
			if got, want := planLine(t, plan, "subscription", "audit"), "[!] subscription audit: blocked: "+why; got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
			b.wantWrites("create subscription mail") // and nothing of the other: half of a change may be worse than none
			if got := b.get("audit"); !reflect.DeepEqual(got, was) {
				t.Errorf("it is %+v, and was %+v", got, was)
			}
		})
	}
}

func TestSync_WhatCannotChange_IsReplacedWithAllowReplace(t *testing.T) {
	t.Parallel()
	for name, c := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			sync1(t, b, c.def())
			want := b.get("audit")
			b.change("audit", c.drift)
			b.change("audit", func(s *transport.Subscription) { s.AckDeadline, s.Labels["team"] = time.Minute, "blue" })
			b.wrote()
			app := syncApp(t, &syncBacklog{b, map[string]int{"audit": 1}}, c.def())
			text := "[~] subscription audit: replaced: " + c.text + "; 1 message that waits in it is lost"
			if got := planLine(t, mustSync(t, app, pubsub.DryRun(), pubsub.AllowReplace()), "subscription", "audit"); got != text {
				t.Errorf("%s, want %s", got, text)
			}
			b.wantWrites()
			if got := planLine(t, mustSync(t, app, pubsub.AllowReplace()), "subscription", "audit"); got != text {
				t.Errorf("%s, want %s", got, text)
			}
			b.wantWrites("delete subscription audit", "create subscription audit")
			want.Labels["team"] = "blue"
			if got := b.get("audit"); !reflect.DeepEqual(got, want) {
				t.Errorf("it is\n%+v, want\n%+v", got, want)
			}
			if plan := mustSync(t, app); plan.Changed() {
				t.Errorf("changed again: %s", plan)
			}
		})
	}
}

func TestSync_AllowReplace_ReplacesNothingThatCanBeUpdated(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit())
	b.change("audit", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
	b.wrote()
	mustSync(t, syncApp(t, b, syncAudit()), pubsub.AllowReplace())
	b.wantWrites("update subscription audit ack_deadline_seconds")
}

func TestSync_Replacing_TellsWhatIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		over func(*syncBroker) transport.Broker
		loss string
	}{
		"none waits":      {func(b *syncBroker) transport.Broker { return &syncBacklog{b, nil} }, "nothing waits in it"},
		"cannot count":    {func(b *syncBroker) transport.Broker { return b }, "what waits in it is lost (up to 3 days of messages)"},
		"counting fails":  {func(b *syncBroker) transport.Broker { return &syncBacklog{b, map[string]int{"audit": -1}} }, "what waits in it is lost (up to 3 days of messages)"},
		"has permissions": {func(b *syncBroker) transport.Broker { return newSyncGranter(b) }, "what waits in it is lost (up to 3 days of messages); roles that others were granted on it go too"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels(), Retention: 3 * syncDay})
			plan := mustSync(t, syncApp(t, c.over(b), syncAudit()), pubsub.AllowReplace())
			if got, want := planLine(t, plan, "subscription", "audit"), "[~] subscription audit: replaced: topic: visits -> orders; "+c.loss; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// Replacing deletes, and only what is ours is ever deleted.
func TestSync_AllowReplace_IsForOurOwnOnly(t *testing.T) {
	t.Parallel()
	for name, labels := range map[string]map[string]string{
		"no labels":                   nil,
		"labels of others":            {"team": "blue"},
		"no App's":                    {"managed-by": "typedtasks"},
		"the App's, managed by none":  {"typedtasks-app": "shop"},
		"another App's":               {"managed-by": "typedtasks", "typedtasks-app": "shop-admin"},
		"another App's, by none":      {"typedtasks-app": "shop-admin"},
		"another tool's":              {"managed-by": "terraform"},
		"another tool's with our App": {"managed-by": "terraform", "typedtasks-app": "shop"},
		"what keeps dead letters":     ourLabels("typedtasks-keeps", "dead-letters"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: labels})
			b.topics["orders"] = &transport.Topic{Name: "orders"}
			was := b.get("audit")
			for _, opts := range [][]pubsub.SyncOption{nil, {pubsub.AllowReplace()}} {
				plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()), opts...)
				wantSyncError(t, err, pubsub.ErrBlocked)
				if got := planLine(t, plan, "subscription", "audit"); !strings.HasPrefix(got, "[!] subscription audit: blocked: ") || strings.Contains(got, "AllowReplace") {
					t.Error(got)
				}
			}
			b.wantWrites()
			if got := b.get("audit"); !reflect.DeepEqual(got, was) {
				t.Errorf("it is %+v, and was %+v", got, was)
			}
		})
	}
}

func TestSync_ReplacementThatCannotBeMade_IsTold(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels()})
	b.topics["orders"] = &transport.Topic{Name: "orders"}
	b.faults["create subscription audit"] = errDown
	plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()), pubsub.AllowReplace())
	wantSyncError(t, err, errDown, `subscription "audit"`, "it was deleted, and is missing until the next Sync")
	wantPlan(t, plan, "[=] topic orders", "[!] subscription audit: failed: it was deleted, and is missing until the next Sync: the service is down")
	b.faults = map[string]error{}
	if plan := sync1(t, b, syncAudit()); planLine(t, plan, "subscription", "audit") != "[+] subscription audit: created: push to "+syncPush {
		t.Error(plan)
	}

	b.faults["delete subscription audit"] = errDown
	b.change("audit", func(s *transport.Subscription) { s.Ordered = true })
	b.wrote()
	_, err = pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()), pubsub.AllowReplace())
	wantSyncError(t, err, errDown, `subscription "audit"`)
	b.wantWrites("delete subscription audit")
}

// What cannot be made anew is not deleted.
func TestSync_AllowReplace_WithoutItsTopics_DeletesNothing(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"create topic orders", "topic orders", "create topic orders-dead", "topic orders-dead"} {
		b := newSyncBroker(t)
		b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels()})
		b.faults[fault] = errDown
		for _, opts := range [][]pubsub.SyncOption{{pubsub.AllowReplace()}, {pubsub.AllowReplace(), pubsub.DryRun()}} {
			plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit(pubsub.DeadLetter("orders-dead"))), opts...)
			if len(opts) > 1 && strings.HasPrefix(fault, "create") {
				continue // which cannot be known
			}
			wantSyncError(t, err, errDown)
			if got := planLine(t, plan, "subscription", "audit"); !strings.HasPrefix(got, "[!] subscription audit: failed: not replaced, as topic ") {
				t.Errorf("%s: %s", fault, got)
			}
		}
		for _, w := range b.wrote() {
			if strings.HasSuffix(w, " audit") {
				t.Errorf("%s: %s", fault, w)
			}
		}
	}
}

func TestSync_CanceledWhileReplacing_StillMakesItAnew(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels()})
	ctx, cancel := context.WithCancel(t.Context())
	b.before["create subscription audit"] = cancel
	plan, err := pubsub.Sync(ctx, syncApp(t, b, syncAudit(), syncSub(pubsub.Subscription("mail"), pubsub.Pull())), pubsub.AllowReplace())
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := planLine(t, plan, "subscription", "audit"); !strings.HasPrefix(got, "[~] subscription audit: replaced") {
		t.Error(got)
	}
	if got := b.get("audit").Topic; got != "orders" {
		t.Errorf("its topic is %q", got)
	}
}
