package pubsub_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
)

func TestPlan_String(t *testing.T) {
	t.Parallel()
	plan := pubsub.Plan{Changes: []pubsub.Change{
		{Verb: pubsub.Created, Kind: "topic", Name: "orders"},
		{Verb: pubsub.Unchanged, Kind: "topic", Name: "visits"},
		{Verb: pubsub.Failed, Kind: "topic", Name: "news", Why: "create topic \"news\": permission denied\ngrant the caller roles/pubsub.editor"},
		{Verb: pubsub.Unchanged, Kind: "subscription", Name: "orders-dead", Why: "not ours"},
		{Verb: pubsub.Created, Kind: "subscription", Name: "audit", Why: "push to https://shop.example.com/_tasks/subscriptions/audit"},
		{Verb: pubsub.Updated, Kind: "subscription", Name: "mail", Why: "ack deadline: 10s -> 30s"},
		{Verb: pubsub.Replaced, Kind: "subscription", Name: "stats", Why: "ordering: false -> true; 12 messages that wait in it are lost"},
		{Verb: pubsub.Blocked, Kind: "subscription", Name: "search", Why: "it belongs to the App \"other\""},
		{Verb: pubsub.Deleted, Kind: "subscription", Name: "gone", Why: "no subscriber declares it; nothing waits in it"},
		{Verb: pubsub.Granted, Kind: "role", Name: "pubsub.publisher on topic orders-dead", Why: "to serviceAccount:a"},
		{Verb: pubsub.Manual, Kind: "role", Name: "pubsub.subscriber on subscription audit", Why: "permission denied. Run: gcloud"},
		{Verb: "other", Kind: "topic", Name: "t"},
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
