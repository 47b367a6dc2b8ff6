package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// roles are the lines of a plan about roles.
func roles(plan pubsub.Plan) (lines []string) {
	for _, c := range plan.Changes {
		if c.Kind == "role" {
			lines = append(lines, c.String())
		}
	}
	return lines
}

func wantRoles(t *testing.T, plan pubsub.Plan, want ...string) {
	t.Helper()
	if got := roles(plan); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the plan has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const (
	publisherGranted  = "[+] role pubsub.publisher on topic orders-dead: granted: to " + syncAgent
	subscriberGranted = "[+] role pubsub.subscriber on subscription audit: granted: to " + syncAgent
)

func TestSync_DeadLetters_GrantWhatTheyNeedOnce(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	plan := sync1(t, g, syncDying(), syncSub(pubsub.Subscription("mail"), pubsub.Pull()))
	wantRoles(t, plan, publisherGranted, subscriberGranted)
	if !strings.HasSuffix(plan.String(), "\n5 created, 2 granted") {
		t.Error(plan)
	}
	if !b.roles["pubsub.publisher on topic orders-dead"] || !b.roles["pubsub.subscriber on subscription audit"] {
		t.Errorf("roles %v", b.roles)
	}
	if plan := sync1(t, g, syncDying(), syncSub(pubsub.Subscription("mail"), pubsub.Pull())); plan.Changed() {
		t.Errorf("changed again: %s", plan)
	}
}

func TestSync_GrantsOfUpdatedOne_AreLookedAfter(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	sync1(t, g, syncAudit())
	wantRoles(t, sync1(t, g, syncDying()), publisherGranted, subscriberGranted)
}

func TestSync_SharedDeadLetterTopic_IsGrantedOnceAndOneAfterTheOther(t *testing.T) {
	t.Parallel()
	defs := func() (defs []tasks.Definition) {
		for i := range 20 {
			defs = append(defs, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%02d", i)), pubsub.DeadLetter(fmt.Sprintf("dead-%d", i%2))))
		}
		return defs
	}
	want := []string{"[+] role pubsub.publisher on topic dead-0: granted: to " + syncAgent}
	for i := 0; i < 20; i += 2 {
		want = append(want, fmt.Sprintf("[+] role pubsub.subscriber on subscription sub-%02d: granted: to %s", i, syncAgent))
	}
	want = append(want, "[+] role pubsub.publisher on topic dead-1: granted: to "+syncAgent)
	for i := 1; i < 20; i += 2 {
		want = append(want, fmt.Sprintf("[+] role pubsub.subscriber on subscription sub-%02d: granted: to %s", i, syncAgent))
	}
	b := newSyncBroker(t)
	g := newSyncGranter(b) // which fails the test where it is called twice at a time
	app := syncApp(t, g, defs()...)
	wantRoles(t, mustSync(t, app, pubsub.DryRun()), want...)
	wantRoles(t, mustSync(t, app), want...)
	wantRoles(t, mustSync(t, app))
}

func TestSync_GrantNotAllowed_IsLeftToByHand(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	g.denied = errors.New("permission denied")
	plan := sync1(t, g, syncDying(), syncSub(pubsub.Subscription("mail"), pubsub.Pull(), pubsub.DeadLetter("orders-dead")))
	wantRoles(t, plan,
		"[!] role pubsub.publisher on topic orders-dead: manual: permission denied; without it nothing is dead-lettered. Run: gcloud grant orders-dead",
		"[!] role pubsub.subscriber on subscription audit: manual: permission denied; without it nothing is dead-lettered. Run: gcloud grant audit",
		"[!] role pubsub.subscriber on subscription mail: manual: permission denied; without it nothing is dead-lettered. Run: gcloud grant mail",
	)
	if !plan.Changed() || !strings.HasSuffix(plan.String(), ", 3 manual") {
		t.Error(plan)
	}
}

func TestSync_UnknownAccount_IsLeftToByHand(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	g.unknown, g.silent = errors.New("the project's number is not known"), true
	app := syncApp(t, g, syncDying())
	want := []string{
		"[!] role pubsub.publisher on topic orders-dead: manual: the project's number is not known; without it nothing is dead-lettered",
		"[!] role pubsub.subscriber on subscription audit: manual: the project's number is not known; without it nothing is dead-lettered",
	}
	wantRoles(t, mustSync(t, app, pubsub.DryRun()), want...)
	wantRoles(t, mustSync(t, app), want...)
	wantRoles(t, mustSync(t, app), want...) // as long as it is so
}

// The policy of what does not exist yet cannot be looked up: brokers may answer either.
func TestSync_DryRun_TellsGrantsOfWhatDoesNotExistYet(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		b := newSyncBroker(t)
		g := newSyncGranter(b)
		g.strict = strict
		app := syncApp(t, g, syncDying())
		planned := mustSync(t, app, pubsub.DryRun())
		wantRoles(t, planned, publisherGranted, subscriberGranted)
		if g.applied > 0 || len(b.roles) > 0 {
			t.Error("a dry run granted something")
		}
		if done := mustSync(t, app); !reflect.DeepEqual(done.Changes, planned.Changes) {
			t.Errorf("planned:\n%s\ndone:\n%s", planned, done)
		}
	}
}

// A subscription that exists, and whose policy still is not found, is nothing that Sync is going to mend.
func TestSync_DryRun_PolicyOfWhatExistsNotFound_IsLeftToByHand(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	sync1(t, g, syncDying())
	g.unknown = syncError(transport.OpGet, "policy", transport.KindNotFound)
	for _, line := range roles(mustSync(t, syncApp(t, g, syncDying()), pubsub.DryRun())) {
		if !strings.Contains(line, ": manual: ") {
			t.Error(line)
		}
	}
}

// A subscription loses its roles by being replaced.
func TestSync_DryRun_TellsGrantsOfWhatWouldBeReplaced(t *testing.T) {
	t.Parallel()
	for name, strip := range map[string]func(map[string]bool){
		"all there": func(map[string]bool) {},
		"one there": func(roles map[string]bool) { delete(roles, "pubsub.publisher on topic orders-dead") },
		"none":      func(roles map[string]bool) { clear(roles) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			g := newSyncGranter(b)
			sync1(t, g, syncDying())
			strip(b.roles)
			app := syncApp(t, g, syncDying(pubsub.Ordered()))
			planned, done := mustSync(t, app, pubsub.AllowReplace(), pubsub.DryRun()), mustSync(t, app, pubsub.AllowReplace())
			if !reflect.DeepEqual(planned.Changes, done.Changes) {
				t.Errorf("planned:\n%s\ndone:\n%s", planned, done)
			}
			g.unknown = errors.New("the number is not known")
			b.change("audit", func(s *transport.Subscription) { s.Ordered = false })
			planned, done = mustSync(t, app, pubsub.AllowReplace(), pubsub.DryRun()), mustSync(t, app, pubsub.AllowReplace())
			if !reflect.DeepEqual(planned.Changes, done.Changes) {
				t.Errorf("planned:\n%s\ndone:\n%s", planned, done)
			}
		})
	}
}

func TestSync_DryRun_OfReplacingALongName_AsksForNoInvalidOne(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	name := strings.Repeat("s", 255)
	def := func(opts ...pubsub.SubscriberOption) tasks.Definition {
		return syncSub(append(opts, pubsub.Subscription(name), pubsub.WithName("Long"), pubsub.DeadLetter("orders-dead"))...)
	}
	sync1(t, g, def())
	wantRoles(t, mustSync(t, syncApp(t, g, def(pubsub.Ordered())), pubsub.AllowReplace(), pubsub.DryRun()),
		"[+] role pubsub.subscriber on subscription "+name+": granted: to "+syncAgent)
}

func TestSync_WhatDidNotConverge_GetsNoRoles(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	b.faults["create subscription audit"] = errDown
	plan, err := pubsub.Sync(t.Context(), syncApp(t, g, syncDying()))
	wantSyncError(t, err, errDown)
	wantRoles(t, plan)
}

func TestSync_CanceledWhileGranting_IsAFailure(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	g := newSyncGranter(b)
	ctx, cancel := context.WithCancel(t.Context())
	g.during = cancel
	plan, err := pubsub.Sync(ctx, syncApp(t, g, syncDying()))
	wantSyncError(t, err, context.Canceled, "role pubsub.publisher on topic orders-dead")
	wantRoles(t, plan, "[!] role pubsub.publisher on topic orders-dead: failed: context canceled", "[!] role pubsub.subscriber on subscription audit: failed: context canceled")
}
