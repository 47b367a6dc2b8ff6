package pubsub_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// Types whose names say something of how names are derived.
type (
	OrderPaid     struct{}
	HTTPServer    struct{}
	OrderV2       struct{}
	Order2Go      struct{}
	UserIDChanged struct{}
	snake_case    struct{}
	Mixed_HTTPBox struct{}
	A             struct{}
	Grüße         struct{}
	Box[T any]    struct{ V T }
)

func evNothing[M any](context.Context, pubsub.Message[M]) error { return nil }

// evDefine makes a publisher and a subscriber of M with the same options.
func evDefine[M any](opts ...pubsub.Option) []tasks.Definition {
	var ps []pubsub.PublisherOption
	var ss []pubsub.SubscriberOption
	for _, o := range opts {
		ps, ss = append(ps, o), append(ss, o)
	}
	return []tasks.Definition{pubsub.NewPublisher[M](ps...), pubsub.NewSubscriber(evNothing[M], ss...)}
}

func TestNames_NotGiven_AreKebabCaseBehindTheApp(t *testing.T) {
	t.Parallel()
	cfg := evBareApp(t, tasks.Config{}).Config()
	bare, dotted := cfg, cfg
	bare.Name = ""
	dotted.Delimiter = "."
	for _, c := range []struct {
		defs             []tasks.Definition
		name, want, bare string
	}{
		{evDefine[OrderPaid](), "OrderPaid", "shop--order-paid", "order-paid"},
		{evDefine[*OrderPaid](), "OrderPaid", "shop--order-paid", "order-paid"},
		{evDefine[HTTPServer](), "HTTPServer", "shop--http-server", "http-server"},
		{evDefine[OrderV2](), "OrderV2", "shop--order-v2", "order-v2"},
		{evDefine[Order2Go](), "Order2Go", "shop--order2-go", "order2-go"},
		{evDefine[UserIDChanged](), "UserIDChanged", "shop--user-id-changed", "user-id-changed"},
		{evDefine[snake_case](), "snake_case", "shop--snake-case", "snake-case"},
		{evDefine[Mixed_HTTPBox](), "Mixed_HTTPBox", "shop--mixed-http-box", "mixed-http-box"},
		{evDefine[A](), "A", "shop--a", ""},
	} {
		for i, def := range c.defs {
			if s := def.Spec(); s.Name != c.name || s.Err != nil {
				t.Errorf("%s: name %q, %v", c.name, s.Name, s.Err)
			}
			for cfg, want := range map[*tasks.Config]string{&cfg: c.want, &bare: c.bare, &dotted: strings.Replace(c.want, "--", ".", 1)} {
				d, err := pubsub.Describe(*cfg, def)
				if want == "" {
					evSays(t, err, c.name, "3 to 255", "add pubsub.Topic")
					continue
				}
				if err != nil || d.Topic != want {
					t.Errorf("%s: topic %q, %v, want %q", c.name, d.Topic, err, want)
				}
				if i == 1 && (d.Subscription.Name != want || d.Subscription.Topic != want) {
					t.Errorf("%s: subscription %q of %q, want %q", c.name, d.Subscription.Name, d.Subscription.Topic, want)
				}
			}
		}
	}
}

func TestNames_TypesWithoutOne_NeedOneGiven(t *testing.T) {
	t.Parallel()
	app := evBareApp(t, tasks.Config{})
	for what, defs := range map[string][]tasks.Definition{
		"map":       evDefine[map[string]any](),
		"generic":   evDefine[Box[int]](),
		"unnamed":   evDefine[struct{ X int }](),
		"built-in":  evDefine[string](),
		"slice":     evDefine[[]OrderPaid](),
		"interface": evDefine[any](),
		"raw":       evDefine[pubsub.Raw](),
		"not ASCII": evDefine[Grüße](),
		"twice *":   evDefine[**OrderPaid](),
	} {
		for _, def := range defs {
			err := app.Register(def)
			if evSays(t, err, def.Spec().Kind, "pubsub.WithName"); t.Failed() {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	for _, defs := range [][]tasks.Definition{
		evDefine[map[string]any](pubsub.Topic("events"), pubsub.WithName("Events")), evDefine[pubsub.Raw](pubsub.Topic("raw"), pubsub.WithName("Raw")),
		evDefine[Box[int]](pubsub.Topic("boxes"), pubsub.WithName("Boxes")),
	} {
		if err := app.Register(defs...); err != nil {
			t.Error(err)
		}
	}
	// A name alone serves a subscription, not a topic, which is other people's too.
	evSays(t, app.Register(pubsub.NewPublisher[map[string]any](pubsub.WithName("Maps"))), `publisher "Maps"`, "add pubsub.Topic")
	evSays(t, app.Register(pubsub.NewSubscriber(evNothing[[]int], pubsub.WithName("Ints"))), `subscriber "Ints"`, "add pubsub.Topic")
}

func TestNames_Given_AreUsedAsTheyAre(t *testing.T) {
	t.Parallel()
	cfg := evBareApp(t, tasks.Config{}).Config()
	for _, c := range []struct {
		opts                      []pubsub.SubscriberOption
		name, topic, sub          string
		aliases, also, deadLetter string
	}{
		{nil, "OrderPaid", "shop--order-paid", "shop--order-paid", "", "", ""},
		{[]pubsub.SubscriberOption{pubsub.Topic("Orders_v1")}, "OrderPaid", "Orders_v1", "shop--order-paid", "", "", ""},
		{[]pubsub.SubscriberOption{pubsub.Subscription("audit")}, "audit", "shop--order-paid", "audit", "", "OrderPaid", ""},
		{[]pubsub.SubscriberOption{pubsub.Subscription("projects/p/subscriptions/audit"), pubsub.Topic("projects/p/topics/orders")},
			"audit", "projects/p/topics/orders", "projects/p/subscriptions/audit", "", "OrderPaid", ""},
		{[]pubsub.SubscriberOption{pubsub.WithName("Audit_All"), pubsub.WithAliases("old", "older")}, "Audit_All", "shop--order-paid", "shop--audit-all", "old older", "", ""},
		{[]pubsub.SubscriberOption{pubsub.WithName("Audit"), pubsub.Subscription("x%20y")}, "Audit", "shop--order-paid", "x%20y", "", "", ""},
		{[]pubsub.SubscriberOption{pubsub.Subscription("x%20y")}, "OrderPaid", "shop--order-paid", "x%20y", "", "", ""},
		{[]pubsub.SubscriberOption{pubsub.Subscription("audit"), pubsub.DeadLetter("orders-dead")}, "audit", "shop--order-paid", "audit", "", "OrderPaid", "orders-dead"},
		{[]pubsub.SubscriberOption{pubsub.Subscription("audit"), pubsub.DeadLetter("")}, "audit", "shop--order-paid", "audit", "", "OrderPaid", "audit--dead"},
		{[]pubsub.SubscriberOption{pubsub.DeadLetter("")}, "OrderPaid", "shop--order-paid", "shop--order-paid", "", "", "shop--order-paid--dead"},
	} {
		def := pubsub.NewSubscriber(evNothing[OrderPaid], c.opts...)
		s := def.Spec()
		d, err := pubsub.Describe(cfg, def)
		if err != nil || s.Err != nil {
			t.Fatal(c, err, s.Err)
		}
		if s.Name != c.name || s.Path != c.name || d.Topic != c.topic || d.Subscription.Name != c.sub ||
			strings.Join(s.Aliases, " ") != c.aliases || strings.Join(s.Also, " ") != c.also {
			t.Errorf("%+v: %s %s, topic %s, subscription %s, aliases %v, also %v", c, s.Name, s.Path, d.Topic, d.Subscription.Name, s.Aliases, s.Also)
		}
		if want := "https://shop.example.com/subscriptions/" + c.name; d.Subscription.Push.Endpoint != want {
			t.Errorf("pushed to %s, want %s", d.Subscription.Push.Endpoint, want)
		}
		if dead := d.Subscription.DeadLetter; (dead != nil) != (c.deadLetter != "") || dead != nil && (dead.Topic != c.deadLetter || dead.MaxAttempts != 5) {
			t.Errorf("%+v: dead letters %+v", c, dead)
		}
	}
}

func TestNames_OfPublishers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opts             []pubsub.PublisherOption
		name, path, want string
	}{
		{nil, "OrderPaid", "OrderPaid.publish", "shop--order-paid"},
		{[]pubsub.PublisherOption{pubsub.Topic("orders")}, "orders", "orders.publish", "orders"},
		{[]pubsub.PublisherOption{pubsub.Topic("projects/p/topics/orders")}, "orders", "orders.publish", "projects/p/topics/orders"},
		{[]pubsub.PublisherOption{pubsub.Topic("or~ders")}, "OrderPaid", "OrderPaid.publish", "or~ders"},
		{[]pubsub.PublisherOption{pubsub.Topic("orders"), pubsub.WithName("Paid")}, "Paid", "Paid.publish", "orders"},
	} {
		def := pubsub.NewPublisher[OrderPaid](c.opts...)
		app := evApp(t, tasks.Config{}, def)
		d, err := pubsub.Describe(app.Config(), def)
		if s := def.Spec(); err != nil || s.Name != c.name || s.Path != c.path || d.Topic != c.want {
			t.Errorf("%s %s, topic %s, %v, want %+v", s.Name, s.Path, d.Topic, err, c)
		}
	}
}

func TestNames_OneTypeInSeveralDefinitions(t *testing.T) {
	t.Parallel()
	app := evApp(t, tasks.Config{},
		pubsub.NewPublisher[OrderPaid](),
		pubsub.NewSubscriber(evNothing[OrderPaid], pubsub.Subscription("audit")),
		pubsub.NewSubscriber(evNothing[OrderPaid], pubsub.Subscription("shipping")),
		tasks.New(func(context.Context, OrderPaid) error { return nil }))
	var names []string
	for def := range app.Definitions() {
		names = append(names, def.Spec().Kind+" "+def.Spec().Name)
	}
	if want := []string{"publisher OrderPaid", "subscriber audit", "subscriber shipping", "task OrderPaid"}; !slices.Equal(names, want) {
		t.Errorf("registered %q, want %q", names, want)
	}
	evSays(t, app.Register(pubsub.NewSubscriber(evNothing[OrderPaid], pubsub.Subscription("audit"))), `subscriber "audit"`, "/subscriptions/audit", "WithName")
	evSays(t, app.Register(pubsub.NewPublisher[OrderPaid]()), `publisher "OrderPaid"`, "WithName")
}

// Pushes still come under the type's name after Subscription was added, unless that would be anybody's guess.
func TestNames_TypesName_IsServedWhereItIsUnambiguous(t *testing.T) {
	t.Parallel()
	var seen evSeen[string]
	audit := func(name string) *pubsub.Subscriber[map[string]any] {
		return pubsub.NewSubscriber(func(context.Context, pubsub.Message[map[string]any]) error { seen.add(name); return nil },
			pubsub.Topic("events"), pubsub.WithName(name))
	}
	typed := func(sub string) *pubsub.Subscriber[A] {
		return pubsub.NewSubscriber(func(context.Context, pubsub.Message[A]) error { seen.add(sub); return nil }, pubsub.Subscription(sub))
	}
	app := evApp(t, tasks.Config{}, typed("first"))
	post := evServer(t, app)
	const push = `{"message": {"data": "e30=", "messageId": "1"}}`
	post("/subscriptions/A", push).want(t, 200, "executed")
	if err := app.Register(typed("second")); err != nil {
		t.Fatal(err)
	}
	post("/subscriptions/A", push).want(t, 404, "not_found")
	if err := app.Register(audit("A")); err != nil {
		t.Fatal(err)
	}
	post("/subscriptions/A", push).want(t, 200, "executed")
	post("/subscriptions/second", push).want(t, 200, "executed")
	if got := seen.all(); !slices.Equal(got, []string{"first", "A", "second"}) {
		t.Errorf("served by %q", got)
	}
}
