package pubsub_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
)

func TestPlan_String(t *testing.T) {
	t.Parallel()
	plan := pubsub.Plan{Changes: []pubsub.Change{
		{pubsub.Created, "topic", "orders", ""},
		{pubsub.Unchanged, "topic", "visits", ""},
		{pubsub.Failed, "topic", "news", "create topic \"news\": permission denied\ngrant the caller roles/pubsub.editor"},
		{pubsub.Unchanged, "subscription", "orders-dead", "not ours"},
		{pubsub.Created, "subscription", "audit", "push to https://shop.example.com/_tasks/subscriptions/audit"},
		{pubsub.Updated, "subscription", "mail", "ack deadline: 10s -> 30s"},
		{pubsub.Replaced, "subscription", "stats", "ordering: false -> true; 12 messages that wait in it are lost"},
		{pubsub.Blocked, "subscription", "search", "it belongs to the App \"other\""},
		{pubsub.Deleted, "subscription", "gone", "no subscriber declares it; nothing waits in it"},
		{pubsub.Granted, "role", "pubsub.publisher on topic orders-dead", "to serviceAccount:a"},
		{pubsub.Manual, "role", "pubsub.subscriber on subscription audit", "permission denied. Run: gcloud"},
		{"other", "topic", "t", ""},
	}}
	const want = `[+] topic orders: created
[=] topic visits
[!] topic news: failed: create topic "news": permission denied; grant the caller roles/pubsub.editor
[=] subscription orders-dead: not ours
[+] subscription audit: created: push to https://shop.example.com/_tasks/subscriptions/audit
[~] subscription mail: updated: ack deadline: 10s -> 30s
[~] subscription stats: replaced: ordering: false -> true; 12 messages that wait in it are lost
[!] subscription search: blocked: it belongs to the App "other"
[-] subscription gone: deleted: no subscriber declares it; nothing waits in it
[+] role pubsub.publisher on topic orders-dead: granted: to serviceAccount:a
[!] role pubsub.subscriber on subscription audit: manual: permission denied. Run: gcloud
[!] topic t: other
2 created, 1 updated, 1 replaced, 1 deleted, 1 granted, 2 unchanged, 1 blocked, 1 manual, 1 failed`
	if got := plan.String(); got != want {
		t.Errorf("it reads\n%s\nwant\n%s", got, want)
	}
	if got := (pubsub.Plan{}).String(); got != "nothing was planned" {
		t.Errorf("an empty plan reads %q", got)
	}
}

func TestPlan_Changed_IsAnythingButUnchanged(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]bool{
		pubsub.Created: true, pubsub.Updated: true, pubsub.Replaced: true, pubsub.Deleted: true, pubsub.Granted: true, pubsub.Unchanged: false,
		pubsub.Blocked: true, pubsub.Manual: true, pubsub.Failed: true,
	} {
		plan := pubsub.Plan{Changes: []pubsub.Change{{Verb: pubsub.Unchanged}, {Verb: verb}, {Verb: pubsub.Unchanged}}}
		if got := plan.Changed(); got != want {
			t.Errorf("with one %s: %v", verb, got)
		}
	}
	if (pubsub.Plan{}).Changed() {
		t.Error("an empty plan has changed something")
	}
}
