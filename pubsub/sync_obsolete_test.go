package pubsub_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSync_ObsoleteOnes_AreDeleted(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(), syncSub(pubsub.Subscription("mail")), syncSub(pubsub.Topic("visits"), pubsub.Subscription("stats")))
	b.change("mail", func(s *transport.Subscription) { s.Labels["team"] = "blue" })
	b.wrote()
	app := syncApp(t, &syncBacklog{b, map[string]int{"mail": 3}}, syncAudit())
	want := []string{
		"[=] topic orders",
		"[=] subscription audit",
		"[-] subscription mail: deleted: no subscriber declares it; 3 messages that wait in it are lost",
		"[-] subscription stats: deleted: no subscriber declares it; nothing waits in it",
	}
	wantPlan(t, mustSync(t, app, pubsub.DryRun()), want...)
	b.wantWrites()
	wantPlan(t, mustSync(t, app), want...)
	b.wantWrites("delete subscription mail", "delete subscription stats") // and topic visits stays
	if plan := mustSync(t, app); plan.Changed() {
		t.Errorf("changed again: %s", plan)
	}
}

// An App that has publishers alone has no subscription any more.
func TestSync_LastSubscriberGone_ItsSubscriptionIsDeleted(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit())
	b.wrote()
	sync1(t, b, syncPub("orders"))
	b.wantWrites("delete subscription audit")
}

func TestSync_WhatIsNobodysOrOthers_IsNeverTouched(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	for i, labels := range []map[string]string{
		nil,
		{"team": "blue"},
		{"managed-by": "typedtasks"},
		{"typedtasks-app": "shop"},
		{"managed-by": "typedtasks", "typedtasks-app": "shop-admin"},
		{"managed-by": "typedtasks", "typedtasks-app": "sho"},
		{"managed-by": "typedtasks", "typedtasks-app": ""},
		{"managed-by": "terraform", "typedtasks-app": "shop"},
		{"managed-by": "typedtasks", "app": "shop"},
	} {
		b.add(&transport.Subscription{Name: fmt.Sprintf("shop--sub-%d", i), Topic: "orders", Labels: labels})
	}
	others := []string{"shop-admin", "Shop", "shop ", "SHOP", "shop--", "shöp"}
	for i, name := range others {
		mustSync(t, syncAppNamed(t, name, b, syncSub(pubsub.Subscription(fmt.Sprintf("other-%d", i)), pubsub.WithName("Other"))))
	}
	b.wrote()
	wantPlan(t, sync1(t, b, syncAudit()), "[=] topic orders", "[+] subscription audit: created: push to "+syncPush)
	b.wantWrites("create subscription audit")
	for _, name := range others { // nor the other way round
		mustSync(t, syncAppNamed(t, name, b, syncPub("orders")))
		b.get("audit")
	}
}

func TestSync_ClaimedByAnother_IsBlocked(t *testing.T) {
	t.Parallel()
	for text, labels := range map[string]map[string]string{
		`it belongs to the App "shop-admin"`: {"managed-by": "typedtasks", "typedtasks-app": "shop-admin"},
		`it belongs to the App "other"`:      {"typedtasks-app": "other"},
		`it is managed by "terraform"`:       {"managed-by": "terraform"},
	} {
		b := newSyncBroker(t)
		b.add(&transport.Subscription{Name: "audit", Topic: "orders", Labels: labels})
		plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()), pubsub.AllowReplace())
		wantSyncError(t, err, pubsub.ErrBlocked, text, `subscription "audit"`, "choose another name")
		wantPlan(t, plan, "[=] topic orders", "[!] subscription audit: blocked: "+text+": choose another name with pubsub.Subscription")
		b.wantWrites()
	}
}

func TestSync_DeletingWhatIsGone_IsNoFailure(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit())
	b.before["delete subscription audit"] = func() { delete(b.subs, "audit") }
	wantPlan(t, sync1(t, b, syncPub("orders")), "[=] topic orders", "[-] subscription audit: deleted: no subscriber declares it; what waits in it is lost (up to 7 days of messages)")
}

func TestSync_DeletionThatFails_IsTold(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(), syncSub(pubsub.Subscription("mail")))
	b.faults["delete subscription audit"] = errDown
	plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncPub("orders")))
	wantSyncError(t, err, errDown, `subscription "audit"`)
	wantPlan(t, plan, "[=] topic orders", "[!] subscription audit: failed: the service is down",
		"[-] subscription mail: deleted: no subscriber declares it; what waits in it is lost (up to 7 days of messages)")
}

// Names that are no labels get one of their own, and no two the same.
func TestSync_AppNames_HaveLabelsOfTheirOwn(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("Shop"))
	long := strings.Repeat("s", 100)
	names := []string{
		"shop", "Shop", "SHOP", "shop.eu", "shop-eu", "shop_eu", "shop eu", "shöp", "shøp", "sh\u00f6p\u0000", "店", "店舗", "-", ".",
		long, long + "s", long[:63], long[:64], strings.Repeat("店", 100), "shop_" + hex.EncodeToString(sum[:6]),
	}
	b := newSyncBroker(t)
	for i, name := range names {
		mustSync(t, syncAppNamed(t, name, b, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%02d", i)), pubsub.WithName("Sub"))))
	}
	owner := map[string]string{}
	for i, name := range names {
		labels := b.get(fmt.Sprintf("sub-%02d", i)).Labels
		label := labels["typedtasks-app"]
		if len(label) < 1 || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("the App %q has the label %q, which is none", name, label)
		}
		if other, taken := owner[label]; taken {
			t.Errorf("the Apps %q and %q have the same label %q", other, name, label)
		}
		owner[label] = name
		if name == "shop" && !reflect.DeepEqual(labels, ourLabels()) {
			t.Errorf("labels %v", labels)
		}
	}
	for i, name := range names { // each finds its own again
		if plan := mustSync(t, syncAppNamed(t, name, b, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%02d", i)), pubsub.WithName("Sub")))); plan.Changed() {
			t.Errorf("App %q: %s", name, plan)
		}
	}
}

// What somebody has confirmed is an older look at the broker.
func TestSync_Confirmed_DestroysNothingElse(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(), syncSub(pubsub.Subscription("mail")), syncSub(pubsub.Subscription("stats"), pubsub.WithName("Stats")))
	b.change("audit", func(s *transport.Subscription) { s.Ordered = true })
	b.change("stats", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
	app := syncApp(t, b, syncAudit(), syncSub(pubsub.Subscription("stats"), pubsub.WithName("Stats")))
	planned := mustSync(t, app, pubsub.DryRun(), pubsub.AllowReplace())
	b.add(&transport.Subscription{Name: "late", Topic: "orders", Labels: ourLabels()})
	b.change("stats", func(s *transport.Subscription) { s.Topic = "visits" })
	b.wrote()
	plan, err := pubsub.Sync(converge.WithConfirmed(t.Context(), planned), app, pubsub.AllowReplace())
	wantSyncError(t, err, pubsub.ErrBlocked, `subscription "late"`, `subscription "stats"`, "not in the plan that was confirmed: sync again")
	const nothing = "what waits in it is lost (up to 7 days of messages)"
	wantPlan(t, plan, "[=] topic orders",
		"[~] subscription audit: replaced: ordering: true -> false; "+nothing,
		"[!] subscription stats: blocked: not in the plan that was confirmed: sync again",
		"[!] subscription late: blocked: not in the plan that was confirmed: sync again",
		"[-] subscription mail: deleted: no subscriber declares it; "+nothing)
	b.wantWrites("delete subscription audit", "create subscription audit", "delete subscription mail")
}
