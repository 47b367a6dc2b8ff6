package pubsub_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestRegister_TwoSubscribersOfOneSubscription_AreRefused(t *testing.T) {
	t.Parallel()
	type shopStats struct{} // shop--shop-stats
	named := func(name, id string) tasks.Definition {
		return pubsub.NewSubscriber(evNothing[evOrder], pubsub.WithName(name), pubsub.Subscription(id), pubsub.Topic("orders"))
	}
	derived := func() tasks.Definition { return pubsub.NewSubscriber(evNothing[shopStats], pubsub.Pull()) }
	const full = "projects/p/subscriptions/audit"
	for _, c := range []struct {
		name          string
		first, second tasks.Definition
		says          []string // none: they go together
	}{
		{"id and id", named("one", "audit"), named("two", "audit"),
			[]string{`subscriber "two": the subscription "audit" is that of subscriber "one" already`, "choose another with pubsub.Subscription"}},
		{"full names", named("one", full), named("two", full), []string{`subscriber "two": the subscription "` + full + `" is that of subscriber "one" already`}},
		{"id and full name", named("one", "audit"), named("two", full), []string{`"two": the subscription "` + full, `subscriber "one"`}},
		{"full name and id", named("one", full), named("two", "audit"), []string{`"two": the subscription "audit"`, `subscriber "one"`}},
		{"one that is derived", derived(), named("two", "shop--shop-stats"), []string{`"two": the subscription "shop--shop-stats"`, `subscriber "shopStats"`}},
		{"derived from the same name", named("one", "shop--shop-stats"), derived(), []string{`"shopStats": the subscription "shop--shop-stats"`, `subscriber "one"`}},
		{"full names of two projects", named("one", full), named("two", "projects/q/subscriptions/audit"), nil},
		{"other ids", named("one", "audit"), named("two", "audit2"), nil},
		{"a publisher of the topic", named("one", "audit"), pubsub.NewPublisher[evOrder](pubsub.Topic("audit"), pubsub.WithName("two")), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, cfg := range []tasks.Config{{}, {Transport: memory.New()}, {Eager: true}} {
				if cfg.Transport == nil && !cfg.Eager || c.says != nil {
					evConflict(t, evBareApp(t, cfg), c.first, c.second, c.says)
				}
			}
		})
	}
}

// evConflict registers two in one call, then one after the other.
func evConflict(t *testing.T, app *tasks.App, first, second tasks.Definition, says []string) {
	t.Helper()
	err := app.Register(first, second)
	if says == nil {
		if err != nil {
			t.Error(err)
		}
		return
	}
	evSays(t, err, says...)
	for d := range app.Definitions() {
		t.Errorf("%q is registered all the same", d.Spec().Name)
	}
	if err := app.Register(first); err != nil {
		t.Fatal(err)
	}
	evSays(t, app.Register(second), says...)
	n := 0
	for range app.Definitions() {
		n++
	}
	if n != 1 {
		t.Errorf("%d are registered, want the first alone", n)
	}
}

func TestRegister_OneSubscriptionInTwoApps_IsFine(t *testing.T) {
	t.Parallel()
	sub := func() tasks.Definition { return pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("audit")) }
	evApp(t, tasks.Config{Name: "one"}, sub())
	evApp(t, tasks.Config{Name: "two"}, sub())
}

func TestRegister_RawWithACodec_IsRefused(t *testing.T) {
	t.Parallel()
	err := evBareApp(t, tasks.Config{}).Register(
		pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("one"), pubsub.WithCodec(evShouts{})),
		pubsub.NewSubscriber(evNothing[pubsub.Raw], pubsub.Topic("two"), pubsub.Subscription("two"), pubsub.WithCodec(evShouts{})))
	evSays(t, err, `publisher "one": WithCodec: Raw data knows no codec`, `subscriber "two": WithCodec: Raw data knows no codec`)
}
