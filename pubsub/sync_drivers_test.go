package pubsub_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	admin "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// syncDriver is a broker that real things stand behind.
type syncDriver struct {
	transport.Broker
	admin       transport.BrokerAdmin
	deleteTopic func(id string)
	topics      *admin.TopicAdminClient // Google's, where that is what it is
	account     string                  // that pushes carry the token of
	roles       bool                    // it checks permissions
	counts      bool                    // it counts what waits
	retention   time.Duration           // the longest
}

func syncClientOptions(address string) []option.ClientOption {
	return []option.ClientOption{
		option.WithEndpoint(address), option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

// syncOver is Google's client for a server, as in production: also with permissions.
func syncOver(t *testing.T, address string) *syncDriver {
	t.Helper()
	const account = "pusher@p.iam.gserviceaccount.com"
	b, err := cloudpubsub.New(t.Context(), cloudpubsub.WithProject("p"), cloudpubsub.WithProjectNumber(1), cloudpubsub.WithServiceAccount(account),
		cloudpubsub.WithLogger(slog.New(slog.DiscardHandler)), cloudpubsub.WithClientOptions(syncClientOptions(address)...))
	if err != nil {
		t.Fatal(err)
	}
	topics, err := admin.NewTopicAdminClient(t.Context(), syncClientOptions(address)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		_ = topics.Close()
	})
	return &syncDriver{Broker: b, admin: b, account: account, topics: topics, deleteTopic: func(id string) {
		if err := topics.DeleteTopic(context.WithoutCancel(t.Context()), &pubsubpb.DeleteTopicRequest{Topic: "projects/p/topics/" + id}); err != nil {
			t.Error(err)
		}
	}}
}

func syncOverPstest(t *testing.T) *syncDriver {
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	d := syncOver(t, server.Addr)
	d.retention = 7 * syncDay
	return d
}

func syncOverEmulator(t *testing.T, opts ...emulator.Option) *syncDriver {
	e, err := emulator.New(append(opts, emulator.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	d := syncOver(t, address)
	d.retention, d.roles = 31*syncDay, true
	return d
}

// syncOverMemory is memory as if it were elsewhere: it is not told of subscriptions by Register.
func syncOverMemory(t *testing.T) *syncDriver {
	m := memory.New()
	t.Cleanup(func() { _ = m.Shutdown(context.Background()) })
	return &syncDriver{Broker: struct {
		transport.Broker
		transport.BrokerAdmin
		transport.SubscriptionBacklogger
	}{m, m, m}, admin: m, retention: 31 * syncDay, counts: true}
}

func TestSync_Drivers(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) *syncDriver{
		"memory": syncOverMemory, "pstest": syncOverPstest, "emulator": func(t *testing.T) *syncDriver { return syncOverEmulator(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testSyncOver(t, make(t))
		})
	}
}

func testSyncOver(t *testing.T, d *syncDriver) {
	push := func(path string) string { return "https://shop.example.com/_tasks/subscriptions/" + path }
	as := ""
	if d.account != "" {
		as = " as " + d.account + " for https://shop.example.com"
	}
	agent := "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com"
	kept := "keeps dead letters, never expires"
	if d.retention < 31*syncDay {
		kept = "keeps dead letters for 7 days only, as 31 days was refused; never expires"
	}
	loss := "what waits in it is lost (up to %s of messages)"
	if d.counts {
		loss = "nothing waits in it%.0s"
	}
	granted := func(lines ...string) (out []string) {
		for _, l := range lines {
			if d.roles {
				out = append(out, "[+] role "+l+": granted: to "+agent)
			}
		}
		return out
	}
	sync := func(what string, opts []pubsub.SyncOption, defs []tasks.Definition, want ...string) {
		t.Helper()
		app := syncApp(t, d.Broker, defs...)
		planned := mustSync(t, app, append(opts, pubsub.DryRun())...)
		done := mustSync(t, app, opts...)
		wantPlan(t, done, want...)
		if d.retention < 31*syncDay { // which cannot be known
			for i, c := range planned.Changes {
				planned.Changes[i].Why = strings.Replace(c.Why, "keeps dead letters, never expires", kept, 1)
			}
		}
		if !reflect.DeepEqual(planned.Changes, done.Changes) {
			t.Errorf("%s: planned:\n%s\ndone:\n%s", what, planned, done)
		}
		if plan := mustSync(t, app, opts...); plan.Changed() {
			t.Errorf("%s: changed again:\n%s", what, plan)
		}
		if err := app.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	others := []*transport.Subscription{
		{Name: "shop--by-hand", Topic: "orders"},
		{Name: "shop-admin--audit", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop-admin"}},
		{Name: "half", Topic: "orders", Labels: map[string]string{"typedtasks-app": "shop"}},
	}

	sync("fresh", nil, everything(), append([]string{
		"[+] topic orders: created", "[+] topic shop--sync-order: created", "[+] topic visits: created", "[+] topic orders-dead: created", "[+] topic mail--dead: created",
		"[+] subscription orders-dead: created: " + kept, "[+] subscription mail--dead: created: " + kept,
		"[+] subscription audit: created: push to " + push("audit"), "[+] subscription mail: created: pulled", "[+] subscription shop--stats: created: push to " + push("Stats"),
	}, granted("pubsub.publisher on topic orders-dead", "pubsub.subscriber on subscription audit", "pubsub.publisher on topic mail--dead", "pubsub.subscriber on subscription mail")...)...)
	for _, s := range others {
		if err := d.admin.CreateSubscription(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	unchanged := []string{"[=] topic orders", "[=] topic shop--sync-order", "[=] topic visits", "[=] topic orders-dead", "[=] topic mail--dead"}
	sync("again", nil, everything(), append(unchanged,
		"[=] subscription orders-dead", "[=] subscription mail--dead", "[=] subscription audit", "[=] subscription mail", "[=] subscription shop--stats")...)

	// By hand, every field of one, and one field of each other.
	byHand := func(s *transport.Subscription, fields ...transport.SubscriptionField) {
		t.Helper()
		if err := d.admin.UpdateSubscription(t.Context(), s, fields...); err != nil {
			t.Fatal(err)
		}
	}
	get := func(name string) *transport.Subscription {
		t.Helper()
		s, err := d.admin.Subscription(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	audit, stats := get("audit"), get("shop--stats")
	byHand(&transport.Subscription{Name: "audit", AckDeadline: time.Minute, Labels: map[string]string{"team": "blue"}},
		transport.FieldPush, transport.FieldRetry, transport.FieldDeadLetter, transport.FieldAckDeadline, transport.FieldRetention, transport.FieldExpiration, transport.FieldLabels)
	byHand(&transport.Subscription{Name: "mail", ExactlyOnceDelivery: true}, transport.FieldExactlyOnce)
	byHand(&transport.Subscription{Name: "shop--stats", Push: &transport.PushConfig{Endpoint: push("Stats"), Unwrapped: true}}, transport.FieldPush)
	byHand(&transport.Subscription{Name: "orders-dead"}, transport.FieldExpiration)
	stale := push("Stats")
	if d.account != "" { // the driver has filled it in, with the endpoint for its audience
		stale += " as " + d.account + " for " + push("Stats")
	}
	sync("drifted", nil, everything(), append(unchanged,
		"[~] subscription orders-dead: updated: expiration: 31 days -> never",
		"[=] subscription mail--dead",
		"[~] subscription audit: updated: push: none (pulled) -> "+push("audit")+as+"; backoff: none -> 20s to 2m; dead letter: none -> orders-dead after 7; "+
			"ack deadline: 1m -> 30s; retention: 7 days -> 3 days; expiration: 31 days -> never; "+
			"label managed-by: none -> typedtasks; label typedtasks-app: none -> shop",
		"[=] subscription mail",
		"[~] subscription shop--stats: updated: push: "+stale+" unwrapped -> "+push("Stats")+as+" unwrapped with metadata",
	)...)
	audit.Labels["team"] = "blue"
	if got := get("audit"); !reflect.DeepEqual(got, audit) {
		t.Errorf("audit is\n%+v, want\n%+v", got, audit)
	}
	if got := get("shop--stats"); !reflect.DeepEqual(got, stats) {
		t.Errorf("shop--stats is\n%+v, want\n%+v", got, stats)
	}

	// What cannot change, and what is no more.
	changed := []tasks.Definition{
		syncAudit(pubsub.Filter("attributes:land"), pubsub.DeadLetter("orders-dead")),
		syncSub(pubsub.WithName("Stats"), pubsub.Topic("visits"), pubsub.Unwrapped(), pubsub.Ordered()),
	}
	blocked := syncApp(t, d.Broker, changed...)
	plan, err := pubsub.Sync(t.Context(), blocked, pubsub.DryRun())
	wantSyncError(t, err, pubsub.ErrBlocked, "filter: `attributes:region` -> `attributes:land`", "ordering: true -> false", "ordering: false -> true")
	if n := strings.Count(plan.String(), ": blocked: "); n != 2 {
		t.Error(plan)
	}
	if err := blocked.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	roles := ""
	if d.account != "" {
		roles = "; roles that others were granted on it go too"
	}
	sync("replaced", []pubsub.SyncOption{pubsub.AllowReplace()}, changed, append([]string{
		"[=] topic orders", "[=] topic visits", "[=] topic orders-dead", "[=] subscription orders-dead",
		"[~] subscription audit: replaced: filter: `attributes:region` -> `attributes:land`; ordering: true -> false; " + fmt.Sprintf(loss, "3 days") + roles,
		"[~] subscription shop--stats: replaced: ordering: false -> true; " + fmt.Sprintf(loss, "7 days") + roles,
		"[-] subscription mail: deleted: no subscriber declares it; " + fmt.Sprintf(loss, "7 days"),
	}, granted("pubsub.subscriber on subscription audit")...)...)
	if got := get("audit"); got.Labels["team"] != "blue" {
		t.Errorf("labels of others are gone: %v", got.Labels)
	}
	if d.deleteTopic != nil {
		d.deleteTopic("visits")
		sync("deleted topic", []pubsub.SyncOption{pubsub.AllowReplace()}, changed, "[=] topic orders", "[+] topic visits: created", "[=] topic orders-dead",
			"[=] subscription orders-dead", "[=] subscription audit",
			"[~] subscription shop--stats: replaced: topic: _deleted-topic_ -> visits; "+fmt.Sprintf(loss, "7 days")+roles)
	}
	sync("publishers alone", nil, []tasks.Definition{syncPub("orders")}, "[=] topic orders",
		"[-] subscription audit: deleted: no subscriber declares it; "+fmt.Sprintf(loss, "7 days"),
		"[-] subscription shop--stats: deleted: no subscriber declares it; "+fmt.Sprintf(loss, "7 days"))

	var left []string
	for s, err := range d.admin.Subscriptions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, s.Name)
	}
	slices.Sort(left)
	if want := []string{"half", "mail--dead", "orders-dead", "shop--by-hand", "shop-admin--audit"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}

// syncWire sees what goes over the wire, and makes pages small.
type syncWire struct {
	mu    sync.Mutex
	calls []string
	pages int
	fault func(method string, req any) error
}

func (w *syncWire) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	w.mu.Lock()
	switch r := req.(type) {
	case *pubsubpb.ListSubscriptionsRequest:
		r.PageSize = 100
		w.pages++
	case *pubsubpb.UpdateSubscriptionRequest:
		w.calls = append(w.calls, fmt.Sprint("update ", r.Subscription.Name, " ", r.UpdateMask.Paths))
	case *iampb.SetIamPolicyRequest:
		w.calls = append(w.calls, "grant "+r.Resource)
	default:
		if strings.HasPrefix(method, "Create") || strings.HasPrefix(method, "Delete") {
			w.calls = append(w.calls, method)
		}
	}
	fault := w.fault
	w.mu.Unlock()
	if fault != nil {
		if err := fault(method, req); err != nil {
			return nil, err
		}
	}
	return handle(ctx, req)
}

func (w *syncWire) called() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.calls
	w.calls = nil
	slices.Sort(c)
	return c
}

func TestSync_ManySubscriptions_OverPages(t *testing.T) {
	t.Parallel()
	const n = 500
	w := &syncWire{}
	d := syncOverEmulator(t, emulator.WithServerOptions(grpc.UnaryInterceptor(w.intercept)))
	defs := func(n int) (defs []tasks.Definition) {
		for i := range n {
			defs = append(defs, syncSub(pubsub.Subscription(fmt.Sprintf("sub-%03d", i)), pubsub.Pull()))
		}
		return defs
	}
	for i := range 50 { // of others, between ours
		if i == 0 {
			if err := d.admin.CreateTopic(t.Context(), &transport.Topic{Name: "orders"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.admin.CreateSubscription(t.Context(), &transport.Subscription{Name: fmt.Sprintf("sub-%03d-other", 10*i), Topic: "orders"}); err != nil {
			t.Fatal(err)
		}
	}
	if plan := sync1(t, d.Broker, defs(n)...); !strings.HasSuffix(plan.String(), "\n500 created, 1 unchanged") {
		t.Errorf("%.500s", plan)
	}
	w.called()
	w.pages = 0
	if plan := sync1(t, d.Broker, defs(n)...); plan.Changed() || !strings.HasSuffix(plan.String(), "\n501 unchanged") {
		t.Errorf("%.500s", plan)
	}
	if calls := w.called(); len(calls) > 0 {
		t.Errorf("%q", calls)
	}
	if w.pages != 6 {
		t.Errorf("%d pages", w.pages)
	}
	if plan := sync1(t, d.Broker, defs(1)...); !strings.HasSuffix(plan.String(), "\n499 deleted, 2 unchanged") {
		t.Errorf("%.500s", plan)
	}
	left := 0
	for range d.admin.Subscriptions(t.Context()) {
		left++
	}
	if left != 51 {
		t.Errorf("%d subscriptions are left, want 51", left)
	}
}
