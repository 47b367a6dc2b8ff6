package pubsub_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func syncOverWire(t *testing.T, w *syncWire) *syncDriver {
	return syncOverEmulator(t, emulator.WithServerOptions(grpc.UnaryInterceptor(w.intercept)))
}

func TestSync_OnTheWire_UpdatesWhatDiffersAlone(t *testing.T) {
	t.Parallel()
	w := &syncWire{}
	d := syncOverWire(t, w)
	sync1(t, d.Broker, settled())
	if err := d.admin.UpdateSubscription(t.Context(), &transport.Subscription{Name: "audit", AckDeadline: time.Minute, Labels: ourLabels("team", "blue")},
		transport.FieldAckDeadline, transport.FieldExpiration, transport.FieldLabels); err != nil {
		t.Fatal(err)
	}
	w.called()
	sync1(t, d.Broker, settled())
	if got, want := w.called(), []string{"update projects/p/subscriptions/audit [ack_deadline_seconds expiration_policy]"}; !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
	mustSync(t, syncApp(t, d.Broker, syncDying(pubsub.Ordered())), pubsub.AllowReplace(), pubsub.DryRun())
	if got := w.called(); len(got) > 0 {
		t.Errorf("a dry run called %q", got)
	}
}

func TestSync_OnTheWire_NotAllowedToGrant_HasTheCommand(t *testing.T) {
	t.Parallel()
	w := &syncWire{fault: func(method string, _ any) error {
		if method == "SetIamPolicy" {
			return status.Error(codes.PermissionDenied, "no")
		}
		return nil
	}}
	d := syncOverWire(t, w)
	lines := roles(sync1(t, d.Broker, syncDying()))
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "[!] role pubsub.publisher on topic orders-dead: manual: ") || !strings.HasPrefix(lines[1], "[!] role pubsub.subscriber on subscription audit: manual: ") {
		t.Fatalf("roles: %q", lines)
	}
	for _, line := range lines {
		if !strings.Contains(line, "; without it nothing is dead-lettered. Run: gcloud pubsub ") || !strings.Contains(line, "service-1@gcp-sa-pubsub.iam.gserviceaccount.com") {
			t.Error(line)
		}
	}
}

func TestSync_OnTheWire_NotAllowedToLook_ChangesNothing(t *testing.T) {
	t.Parallel()
	var denied func(method string, req any) bool
	w := &syncWire{fault: func(method string, req any) error {
		if denied != nil && denied(method, req) {
			return status.Error(codes.PermissionDenied, "no")
		}
		return nil
	}}
	d := syncOverWire(t, w)
	sync1(t, d.Broker, append(everything(), defs2(120)...)...)
	w.called()
	for name, c := range map[string]struct {
		denied func(method string, req any) bool
		failed int
	}{
		"the second page": {func(_ string, req any) bool {
			r, ok := req.(*pubsubpb.ListSubscriptionsRequest)
			return ok && r.PageToken != ""
		}, 0},
		"topics":        {func(method string, _ any) bool { return method == "GetTopic" }, 5},
		"subscriptions": {func(method string, _ any) bool { return method == "GetSubscription" }, 125},
	} {
		denied = c.denied
		plan, err := pubsub.Sync(t.Context(), syncApp(t, d.Broker, append(everything(), defs2(120)...)...))
		if status.Code(err) != codes.PermissionDenied && !strings.Contains(err.Error(), "PermissionDenied") {
			t.Errorf("%s: error %v", name, err)
		}
		if n := strings.Count(plan.String(), ": failed: "); n != c.failed {
			t.Errorf("%s: %d failed, want %d", name, n, c.failed)
		}
		if got := w.called(); len(got) > 0 {
			t.Errorf("%s: called %q", name, got)
		}
	}
}

// Several instances of a program start at the same time.
func TestSync_OnTheWire_SeveralAtOnce_AllSucceed(t *testing.T) {
	t.Parallel()
	w := &syncWire{}
	d := syncOverWire(t, w)
	var group sync.WaitGroup
	for range 6 {
		app := syncApp(t, d.Broker, everything()...)
		group.Go(func() {
			plan, err := pubsub.Sync(t.Context(), app)
			if err != nil || strings.Contains(plan.String(), "manual") {
				t.Errorf("%v\n%s", err, plan)
			}
		})
	}
	group.Wait()
	if plan := sync1(t, d.Broker, everything()...); plan.Changed() {
		t.Errorf("changed again: %s", plan)
	}
	for _, call := range w.called() {
		if strings.HasPrefix(call, "update ") || strings.HasPrefix(call, "Delete") {
			t.Errorf("called %s", call)
		}
	}
	policy, err := syncPolicy(t, d, "projects/p/topics/orders-dead")
	if err != nil || len(policy.Bindings) != 1 || len(policy.Bindings[0].Members) != 1 {
		t.Errorf("policy %v, %v", policy, err)
	}
}

func syncPolicy(t *testing.T, d *syncDriver, resource string) (*iampb.Policy, error) {
	t.Helper()
	return d.topics.GetIamPolicy(t.Context(), &iampb.GetIamPolicyRequest{Resource: resource})
}

// In memory Register makes what Sync would.
func TestSync_Memory_HasLittleToDo(t *testing.T) {
	t.Parallel()
	m := memory.New()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	burial := syncSub(pubsub.Subscription("burial"), pubsub.Topic("orders-dead"), pubsub.Pull())
	if err := app.Register(append(everything(), burial)...); err != nil {
		t.Fatal(err)
	}
	wantPlan(t, mustSync(t, app),
		"[=] topic orders", "[+] topic shop--sync-order: created", "[=] topic visits", "[=] topic orders-dead", "[=] topic mail--dead",
		"[=] subscription mail--dead", "[=] subscription audit", "[=] subscription mail", "[=] subscription shop--stats",
		"[~] subscription burial: updated: expiration: 31 days -> never; label typedtasks-keeps: none -> dead-letters")
	if plan := mustSync(t, app); plan.Changed() {
		t.Errorf("changed again: %s", plan)
	}
}
