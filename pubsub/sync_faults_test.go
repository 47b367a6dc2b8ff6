package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSync_ListThatFails_ChangesNothing(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit()) // obsolete below, and on the page before the one that fails
	b.wrote()
	b.faults["list"] = errDown
	for _, opts := range [][]pubsub.SyncOption{nil, {pubsub.DryRun()}, {pubsub.AllowReplace()}} {
		plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncSub(pubsub.Subscription("mail"))), opts...)
		wantSyncError(t, err, errDown, "nothing was changed")
		if len(plan.Changes) > 0 {
			t.Error(plan)
		}
	}
	b.wantWrites()
}

// A look-up that fails says nothing about what is there.
func TestSync_LookUpThatFails_IsNotTakenForMissing(t *testing.T) {
	t.Parallel()
	for kind, fault := range map[string]error{
		"down":        errDown,
		"permissions": &transport.Error{Op: transport.OpGet, Resource: `subscription "audit"`, Err: errDown},
		"unsupported": fmt.Errorf("wrapped: %w", errors.Join(errDown, transport.ErrUnsupported)),
		"queue":       errors.Join(errDown, transport.ErrQueueMissing),
	} {
		for call, name := range map[string]string{"topic orders": "orders", "topic orders-dead": "orders-dead", "subscription orders-dead": "orders-dead", "subscription audit": "audit"} {
			t.Run(kind+" "+call, func(t *testing.T) {
				t.Parallel()
				b := newSyncBroker(t)
				sync1(t, b, syncDying())
				b.wrote()
				b.faults[call] = fault
				for _, opts := range [][]pubsub.SyncOption{nil, {pubsub.DryRun()}} {
					app := syncApp(t, b, syncDying(), syncSub(pubsub.Subscription("mail"), pubsub.Pull()))
					plan, err := pubsub.Sync(t.Context(), app, opts...)
					wantSyncError(t, err, errDown, name)
					what, _, _ := strings.Cut(call, " ")
					if got := planLine(t, plan, what, name); !strings.HasPrefix(got, "[!] "+call+": failed: ") || !strings.Contains(got, "the service is down") {
						t.Error(got)
					}
					if len(plan.Changes) != 5 {
						t.Errorf("the plan leaves something out:\n%s", plan)
					}
					if err := app.Shutdown(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				b.wantWrites("create subscription mail")
			})
		}
	}
}

func TestSync_PartialFailures_AreToldEachAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	sync1(t, b, syncAudit(), syncSub(pubsub.Subscription("stats")), syncSub(pubsub.Subscription("gone")))
	b.change("stats", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
	b.change("audit", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
	b.wrote()
	for _, call := range []string{"create topic visits", "create subscription orders-dead", "create subscription mail", "update subscription stats", "delete subscription gone"} {
		b.faults[call] = fmt.Errorf("fault of %s: %w", call, errDown)
	}
	plan, err := pubsub.Sync(t.Context(), syncApp(t, b,
		syncPub("visits"), syncPub("news"), syncDying(), syncSub(pubsub.Subscription("mail")), syncSub(pubsub.Subscription("stats")), syncSub(pubsub.Subscription("fine"), pubsub.Pull())))
	wantPlan(t, plan,
		"[!] topic visits: failed: fault of create topic visits: the service is down",
		"[+] topic news: created",
		"[=] topic orders",
		"[+] topic orders-dead: created",
		"[!] subscription orders-dead: failed: fault of create subscription orders-dead: the service is down",
		"[~] subscription audit: updated: dead letter: none -> orders-dead after 5; ack deadline: 1m -> 10s",
		"[!] subscription mail: failed: fault of create subscription mail: the service is down",
		"[!] subscription stats: failed: fault of update subscription stats: the service is down",
		"[+] subscription fine: created: pulled",
		"[!] subscription gone: failed: fault of delete subscription gone: the service is down",
	)
	wantSyncError(t, err, errDown, `topic "visits"`, `subscription "orders-dead"`, `subscription "mail"`, `subscription "stats"`, `subscription "gone"`)
	if n := strings.Count(err.Error(), "fault of"); n != 5 {
		t.Errorf("%d failures in %v", n, err)
	}
	b.faults = map[string]error{}
	mustSync(t, syncApp(t, b, syncPub("visits"), syncDying(), syncSub(pubsub.Subscription("mail")), syncSub(pubsub.Subscription("stats")), syncSub(pubsub.Subscription("fine"), pubsub.Pull())))
}

func TestSync_DriverErrors_NameTheResourceOnce(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.faults["create topic orders"] = &transport.Error{Op: transport.OpCreate, Resource: `topic "orders"`, Err: errDown}
	b.faults["create subscription audit"] = &transport.Error{Op: transport.OpCreate, Resource: "subscription", Err: errDown}
	_, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()))
	if got, want := err.Error(), `pubsub: sync: create topic "orders": the service is down`+"\n"+`subscription "audit": create subscription: the service is down`; got != want {
		t.Errorf("error\n%s\nwant\n%s", got, want)
	}
}

// Another deploy of the same program runs at the same time.
func TestSync_Races(t *testing.T) {
	t.Parallel()
	other := func(b *syncBroker) func() {
		return func() {
			s := keeper()
			s.Name, s.Topic, s.Labels = "audit", "orders", ourLabels()
			s.AckDeadline, s.Retention, s.Expiration, s.Push = 10*time.Second, 7*syncDay, 31*syncDay, &transport.PushConfig{Endpoint: syncPush}
			b.add(s)
		}
	}
	t.Run("made the same topic", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.before["create topic orders"] = func() { b.add(&transport.Subscription{Name: "some", Topic: "orders"}) }
		wantPlan(t, sync1(t, b, syncAudit()), "[=] topic orders", "[+] subscription audit: created: push to "+syncPush)
	})
	t.Run("made the same subscription", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.before["create subscription audit"] = other(b)
		wantPlan(t, sync1(t, b, syncAudit()), "[+] topic orders: created", "[=] subscription audit")
	})
	t.Run("made what keeps dead letters", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.before["create subscription orders-dead"] = func() { b.add(keeper()) }
		if got := planLine(t, sync1(t, b, syncDying()), "subscription", "orders-dead"); got != "[=] subscription orders-dead" {
			t.Error(got)
		}
	})
	t.Run("made it otherwise", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.before["create subscription audit"] = other(b)
		wantPlan(t, sync1(t, b, syncAudit(pubsub.AckDeadline(time.Minute))), "[+] topic orders: created", "[~] subscription audit: updated: ack deadline: 10s -> 1m")
	})
	t.Run("belongs to another App", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.before["create subscription audit"] = func() {
			b.add(&transport.Subscription{Name: "audit", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "other"}})
		}
		_, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()))
		wantSyncError(t, err, pubsub.ErrBlocked)
	})
	t.Run("deleted what was to be updated", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		sync1(t, b, syncAudit())
		b.before["update subscription audit"] = func() { delete(b.subs, "audit") }
		wantPlan(t, sync1(t, b, syncAudit(pubsub.AckDeadline(time.Minute))), "[=] topic orders", "[+] subscription audit: created: push to "+syncPush)
	})
	t.Run("replaces it as well", func(t *testing.T) {
		t.Parallel()
		for _, otherwise := range []bool{false, true} {
			b := newSyncBroker(t)
			b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels()})
			b.before["delete subscription audit"] = func() { delete(b.subs, "audit") }
			b.before["create subscription audit"] = func() {
				other(b)()
				if otherwise {
					b.change("audit", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
				}
			}
			plan := mustSync(t, syncApp(t, b, syncAudit()), pubsub.AllowReplace())
			if got, want := planLine(t, plan, "subscription", "audit"), "[~] subscription audit: replaced: topic: visits -> orders; what waits in it is lost (up to 7 days of messages)"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := b.get("audit").AckDeadline; got != 10*time.Second {
				t.Errorf("its ack deadline is %s", got)
			}
		}
	})
	t.Run("never ends", func(t *testing.T) {
		t.Parallel()
		b := newSyncBroker(t)
		b.faults["create subscription audit"] = syncError(transport.OpCreate, `subscription "audit"`, transport.KindExists)
		plan, err := pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()))
		wantSyncError(t, err, transport.ErrExists)
		if got := planLine(t, plan, "subscription", "audit"); !strings.HasPrefix(got, "[!] subscription audit: failed: ") {
			t.Error(got)
		}
		b.add(&transport.Subscription{Name: "audit", Topic: "visits", Labels: ourLabels()})
		plan, err = pubsub.Sync(t.Context(), syncApp(t, b, syncAudit()), pubsub.AllowReplace())
		wantSyncError(t, err, transport.ErrExists)
		if got := planLine(t, plan, "subscription", "audit"); !strings.HasPrefix(got, "[!] subscription audit: failed: ") {
			t.Error(got)
		}
	})
}

func TestSync_Canceled_BeginsNothingMore(t *testing.T) {
	t.Parallel()
	const n = 100
	var defs []tasks.Definition
	for i := range n {
		defs = append(defs, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%02d", i)), pubsub.Pull()))
	}
	b := newSyncBroker(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.before["create subscription sub-30"] = cancel
	plan, err := pubsub.Sync(ctx, syncApp(t, newSyncGranter(b), defs...))
	wantSyncError(t, err, context.Canceled, "subscriptions were not begun")
	done := 0
	for _, c := range plan.Changes {
		if c.Verb == pubsub.Created && c.Kind == "subscription" {
			done++
		}
	}
	if done != len(b.subs) {
		t.Errorf("the plan has %d, and %d were made", done, len(b.subs))
	}
	if looked := len(b.reads); looked > 2+30+2*8 {
		t.Errorf("%d look-ups", looked)
	}
	sync1(t, b, defs2(n)...) // and the next one goes on
	if len(b.subs) != n {
		t.Errorf("%d subscriptions", len(b.subs))
	}
}

// defs2 are the definitions of TestSync_Canceled_BeginsNothingMore again, for another App.
func defs2(n int) (defs []tasks.Definition) {
	for i := range n {
		defs = append(defs, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%02d", i)), pubsub.Pull()))
	}
	return defs
}

func TestSync_CanceledBefore_ChangesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := newSyncBroker(t)
	b.before["list"] = cancel
	_, err := pubsub.Sync(ctx, syncApp(t, b, syncAudit()))
	wantSyncError(t, err, context.Canceled)
	b.wantWrites()
}

func TestSync_WorksOnAFewAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newSyncBroker(t)
		var calls atomic.Int64
		b.during = func(context.Context, string) {
			calls.Add(1)
			time.Sleep(time.Second)
		}
		var defs []tasks.Definition
		for i := range 500 {
			defs = append(defs, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%03d", i)), pubsub.Topic(fmt.Sprintf("topic-%03d", i)), pubsub.Pull()))
		}
		begin := time.Now()
		plan := sync1(t, b, defs...)
		if b.most != 8 {
			t.Errorf("%d calls at a time, want 8", b.most)
		}
		if took := time.Since(begin); calls.Load() != 1+4*500 || took > 1*time.Second+4*63*time.Second {
			t.Errorf("%d calls took %s", calls.Load(), took)
		}
		if !strings.HasSuffix(plan.String(), "\n1000 created") || !slices.IsSortedFunc(plan.Changes, func(a, b pubsub.Change) int {
			return strings.Compare(a.Kind+" "+a.Name, b.Kind+" "+b.Name) * map[bool]int{true: 1, false: 0}[a.Kind == b.Kind]
		}) {
			t.Errorf("not in order:\n%s", plan)
		}
	})
}

// What a dry run tells is what is done then.
func TestSync_DryRun_ChangesNothingAndTellsTheSame(t *testing.T) {
	t.Parallel()
	drifts := map[string]func(b *syncBroker){
		"fresh": func(*syncBroker) {},
		"made": func(b *syncBroker) {
			sync1(t, newSyncGranter(b), everything()...)
		},
		"drifted": func(b *syncBroker) {
			sync1(t, newSyncGranter(b), append(everything(), syncSub(pubsub.Subscription("gone")))...)
			b.change("audit", func(s *transport.Subscription) { s.Labels, s.AckDeadline = nil, time.Minute })
			b.change("mail", func(s *transport.Subscription) { s.Topic = "visits" })
			b.change("orders-dead", func(s *transport.Subscription) { s.Expiration = syncDay })
			b.change("shop--stats", func(s *transport.Subscription) { s.Labels["typedtasks-app"] = "other" })
			b.add(&transport.Subscription{Name: "burial", Topic: "orders-dead", Labels: ourLabels("typedtasks-keeps", "dead-letters")})
			delete(b.topics, "shop--sync-order")
			delete(b.roles, "pubsub.publisher on topic orders-dead")
		},
	}
	for name, drift := range drifts {
		for _, replace := range []bool{false, true} {
			t.Run(fmt.Sprint(name, replace), func(t *testing.T) {
				t.Parallel()
				b := newSyncBroker(t)
				drift(b)
				b.wrote()
				was, rolesBefore := fmt.Sprint(len(b.topics), len(b.roles)), b.roles
				subs := map[string]*transport.Subscription{}
				for name := range b.subs {
					subs[name] = b.get(name)
				}
				opts := []pubsub.SyncOption{nil}
				if replace {
					opts = append(opts, pubsub.AllowReplace())
				}
				app := syncApp(t, &syncBacklog{newSyncGranter(b), map[string]int{"gone": 3, "mail": 4}}, everything()...)
				planned, plannedErr := pubsub.Sync(t.Context(), app, append(opts, pubsub.DryRun())...)
				b.wantWrites()
				if got := fmt.Sprint(len(b.topics), len(b.roles)); got != was || !reflect.DeepEqual(b.subs, subs) || !reflect.DeepEqual(b.roles, rolesBefore) {
					t.Error("something has changed")
				}
				done, doneErr := pubsub.Sync(t.Context(), app, opts...)
				if !reflect.DeepEqual(planned.Changes, done.Changes) || fmt.Sprint(plannedErr) != fmt.Sprint(doneErr) {
					t.Errorf("planned:\n%s\n%v\ndone:\n%s\n%v", planned, plannedErr, done, doneErr)
				}
			})
		}
	}
}
