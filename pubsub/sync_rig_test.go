package pubsub_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

type syncOrder struct {
	ID string `json:"id"`
}

// syncNowhere is a transport that nothing arrives from.
type syncNowhere struct{}

func (syncNowhere) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, errors.New("nothing is enqueued here")
}

// syncSub is a subscriber to orders, unless opts say otherwise.
func syncSub(opts ...pubsub.SubscriberOption) tasks.Definition {
	opts = append([]pubsub.SubscriberOption{pubsub.Topic("orders")}, opts...)
	return pubsub.NewSubscriber(func(context.Context, pubsub.Message[syncOrder]) error { return nil }, opts...)
}

// syncAudit is syncSub whose subscription is audit.
func syncAudit(opts ...pubsub.SubscriberOption) tasks.Definition {
	return syncSub(append([]pubsub.SubscriberOption{pubsub.Subscription("audit")}, opts...)...)
}

func syncPub(topic string) tasks.Definition {
	return pubsub.NewPublisher[syncOrder](pubsub.Topic(topic))
}

// syncAppNamed is an App over a broker. It is shut down with the test, or before that by the caller.
func syncAppNamed(t testing.TB, name string, b transport.Broker, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	app, err := tasks.NewApp(tasks.Config{
		Name: name, Endpoint: "https://shop.example.com/_tasks", Transport: syncNowhere{}, Broker: b, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	return app
}

func syncApp(t testing.TB, b transport.Broker, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	return syncAppNamed(t, "shop", b, defs...)
}

// mustSync is Sync without an error.
func mustSync(t testing.TB, app *tasks.App, opts ...pubsub.SyncOption) pubsub.Plan {
	t.Helper()
	plan, err := pubsub.Sync(t.Context(), app, opts...)
	if err != nil {
		t.Fatalf("Sync: %v\n%s", err, plan)
	}
	return plan
}

// sync1 is mustSync of an App that is made for it.
func sync1(t testing.TB, b transport.Broker, defs ...tasks.Definition) pubsub.Plan {
	t.Helper()
	return mustSync(t, syncApp(t, b, defs...))
}

// wantPlan compares the lines of a plan with those that are wanted, in order.
func wantPlan(t testing.TB, plan pubsub.Plan, want ...string) {
	t.Helper()
	var got []string
	for _, c := range plan.Changes {
		got = append(got, c.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the plan is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// planLine is the plan's of one resource.
func planLine(t testing.TB, plan pubsub.Plan, kind, name string) string {
	t.Helper()
	var lines []string
	for _, c := range plan.Changes {
		if c.Kind == kind && c.Name == name {
			lines = append(lines, c.String())
		}
	}
	if len(lines) != 1 {
		t.Fatalf("the plan has %d lines for %s %s, want 1:\n%s", len(lines), kind, name, plan)
	}
	return lines[0]
}

func wantSyncError(t testing.TB, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one that matches %v", err, want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q says nothing of %q", err, text)
		}
	}
}

// ourLabels are the labels of what an App's Sync makes.
func ourLabels(more ...string) map[string]string {
	l := map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop"}
	for i := 0; i < len(more); i += 2 {
		l[more[i]] = more[i+1]
	}
	return l
}

const (
	syncDay  = 24 * time.Hour
	syncPush = "https://shop.example.com/_tasks/subscriptions/audit"
)

// errDown is what a call answers that neither finds nor finds nothing.
var errDown = errors.New("the service is down")
