package plan_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks/plan"
)

// changes has one of each verb.
func changes() []plan.Change {
	return []plan.Change{
		{Verb: plan.Created, Kind: "topic", Name: "orders"},
		{Verb: plan.Unchanged, Kind: "topic", Name: "visits"},
		{Verb: plan.Failed, Kind: "topic", Name: "news", Why: "create topic \"news\": permission denied\ngrant the caller roles/pubsub.editor"},
		{Verb: plan.Unchanged, Kind: "subscription", Name: "orders-dead", Why: "not ours"},
		{Verb: plan.Updated, Kind: "schedule", Name: "nightly", Why: "schedule: 0 3 * * * -> 0 4 * * *", Fields: []plan.Field{{Name: "schedule", From: "0 3 * * *", To: "0 4 * * *"}}},
		{Verb: plan.Replaced, Kind: "subscription", Name: "stats", Why: "ordering: false -> true; 12 messages that wait in it are lost"},
		{Verb: plan.Blocked, Kind: "subscription", Name: "search", Why: "it belongs to the App \"other\""},
		{Verb: plan.Deleted, Kind: "queue", Name: "old", Why: "nothing waits in it"},
		{Verb: plan.Granted, Kind: "role", Name: "pubsub.publisher on topic orders-dead", Why: "to serviceAccount:a"},
		{Verb: plan.Manual, Kind: "role", Name: "pubsub.subscriber on subscription audit", Why: "permission denied. Run: gcloud"},
	}
}

func TestPlan_String_IsALineEachAndASummary(t *testing.T) {
	t.Parallel()
	const lines = `[+] topic orders: created
[=] topic visits
[!] topic news: failed: create topic "news": permission denied; grant the caller roles/pubsub.editor
[=] subscription orders-dead: not ours
[~] schedule nightly: updated: schedule: 0 3 * * * -> 0 4 * * *
[~] subscription stats: replaced: ordering: false -> true; 12 messages that wait in it are lost
[!] subscription search: blocked: it belongs to the App "other"
[-] queue old: deleted: nothing waits in it
[+] role pubsub.publisher on topic orders-dead: granted: to serviceAccount:a
[!] role pubsub.subscriber on subscription audit: manual: permission denied. Run: gcloud
`
	const summary = "1 created, 1 updated, 1 replaced, 1 deleted, 1 granted, 2 unchanged, 1 blocked, 1 manual, 1 failed"
	p := plan.Plan{Changes: changes()}
	if got := p.String(); got != lines+summary {
		t.Errorf("it reads\n%s\nwant\n%s", got, lines+summary)
	}
	if got := p.Summary(); got != summary {
		t.Errorf("the summary is %q", got)
	}
	p.DryRun = true
	if got, want := p.String(), lines+"dry run, nothing was done: "+summary; got != want {
		t.Errorf("a dry run reads\n%s\nwant\n%s", got, want)
	}
}

func TestPlan_Empty_SaysSo(t *testing.T) {
	t.Parallel()
	for _, p := range []plan.Plan{{}, {DryRun: true}} {
		if p.String() != "nothing was planned" || p.Summary() != p.String() || p.Changed() {
			t.Errorf("%+v reads %q, summary %q, changed %v", p, p, p.Summary(), p.Changed())
		}
	}
}

func TestChange_Mark(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]string{
		plan.Created: "+", plan.Granted: "+", plan.Updated: "~", plan.Replaced: "~", plan.Deleted: "-", plan.Unchanged: "=",
		plan.Blocked: "!", plan.Manual: "!", plan.Failed: "!", "another": "!",
	} {
		c := plan.Change{Verb: verb, Kind: "queue", Name: "mail"}
		if got := c.Mark(); got != want {
			t.Errorf("%s has %q, want %q", verb, got, want)
		}
		if !strings.HasPrefix(c.String(), "["+want+"] queue mail") {
			t.Errorf("%s reads %q", verb, c)
		}
	}
}

func TestPlan_CountAndChanged(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Changes: changes()}
	if n := p.Count(plan.Unchanged); n != 2 {
		t.Errorf("%d unchanged", n)
	}
	if n := p.Count("another"); n != 0 {
		t.Errorf("%d of a verb that is not there", n)
	}
	for _, c := range changes() {
		p := plan.Plan{Changes: []plan.Change{{Verb: plan.Unchanged}, c, {Verb: plan.Unchanged}}}
		if want := c.Verb != plan.Unchanged; p.Changed() != want {
			t.Errorf("with one %s: changed is %v", c.Verb, p.Changed())
		}
	}
}

func TestJoin_KeepsOrderAndDryRun(t *testing.T) {
	t.Parallel()
	all := changes()
	a, b := plan.Plan{Changes: all[:1:1]}, plan.Plan{Changes: all[1:3:3], DryRun: true}
	if got, want := plan.Join(a, plan.Plan{}, b), (plan.Plan{Changes: all[:3], DryRun: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("joined: %+v, want %+v", got, want)
	}
	if got := plan.Join(a, a); got.DryRun || len(got.Changes) != 2 {
		t.Errorf("joined: %+v", got)
	}
	if got := plan.Join(); !reflect.DeepEqual(got, plan.Plan{}) {
		t.Errorf("nothing joined: %+v", got)
	}
	plan.Join(a, b).Changes[0].Name = "changed"
	if a.Changes[0].Name != "orders" {
		t.Error("the joined plan shares its changes")
	}
}

func TestPlan_JSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    plan.Plan
		want string
	}{
		{plan.Plan{}, `{"changes":[],"dry_run":false}`},
		{
			plan.Plan{DryRun: true, Changes: changes()[4:6]},
			`{"changes":[{"verb":"updated","kind":"schedule","name":"nightly",` +
				`"fields":[{"name":"schedule","from":"0 3 * * *","to":"0 4 * * *"}],"why":"schedule: 0 3 * * * -\u003e 0 4 * * *"},` +
				`{"verb":"replaced","kind":"subscription","name":"stats","why":"ordering: false -\u003e true; 12 messages that wait in it are lost"}],"dry_run":true}`,
		},
	} {
		text, err := json.Marshal(c.p)
		if err != nil || string(text) != c.want {
			t.Errorf("it is\n%s, %v\nwant\n%s", text, err, c.want)
		}
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(c.p); err != nil || strings.Contains(b.String(), `\u003e`) {
			t.Errorf("unescaped it is\n%s, %v", &b, err)
		}
		var back plan.Plan
		if err := json.Unmarshal(text, &back); err != nil || back.String() != c.p.String() || back.DryRun != c.p.DryRun {
			t.Errorf("it comes back as %+v, %v", back, err)
		}
	}
}
