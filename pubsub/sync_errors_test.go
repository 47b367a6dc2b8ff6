package pubsub_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// syncOnlyPublishes is a broker that cannot be managed.
type syncOnlyPublishes struct{}

func (syncOnlyPublishes) Publish(context.Context, *transport.Message) (string, error) {
	return "", errDown
}

func TestSync_NothingToGoOn_IsAnError(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	b.add(&transport.Subscription{Name: "some", Topic: "orders", Labels: ourLabels()})
	task := tasks.New(func(context.Context, syncOrder) error { return nil })
	noBroker, err := tasks.NewApp(tasks.Config{Name: "shop", Endpoint: "https://shop.example.com", Transport: syncNowhere{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := noBroker.Register(syncPub("orders")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		app  *tasks.App
		err  error
		text string
	}{
		"no name":                   {syncAppNamed(t, "", b, syncAudit()), pubsub.ErrNothingToSync, "Config.Name is empty"},
		"nothing registered":        {syncApp(t, b), pubsub.ErrNothingToSync, `the App "shop" has neither publishers nor subscribers: register them first`},
		"tasks alone":               {syncApp(t, b, task), pubsub.ErrNothingToSync, "neither publishers nor subscribers"},
		"no App":                    {nil, tasks.ErrInvalid, "the App is nil"},
		"no broker":                 {noBroker, tasks.ErrNoBroker, "Config.Broker"},
		"a broker without a manage": {syncApp(t, syncOnlyPublishes{}, syncAudit()), transport.ErrUnsupported, "syncOnlyPublishes is no transport.BrokerAdmin"},
	} {
		for _, opts := range [][]pubsub.SyncOption{nil, {pubsub.DryRun()}} {
			plan, err := pubsub.Sync(t.Context(), c.app, opts...)
			if wantSyncError(t, err, c.err, "pubsub: sync: ", c.text); len(plan.Changes) > 0 {
				t.Errorf("%s: %s", name, plan)
			}
		}
	}
	b.wantWrites()
	if len(b.reads) > 0 {
		t.Errorf("asked for %v", b.reads)
	}
}

// An App that is shut down has let go of its definitions: what they declare is not obsolete for that.
func TestSync_AfterShutdown_DeletesNothing(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	app := syncApp(t, b, syncAudit(), syncPub("orders"))
	mustSync(t, app)
	b.wrote()
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := pubsub.Sync(t.Context(), app)
	wantSyncError(t, err, tasks.ErrShutdown, `subscriber "audit"`, `publisher "orders"`)
	b.wantWrites()
}

func TestSync_PushWithoutEndpoint_IsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		def  tasks.Definition
		fine bool
	}{
		{"pushed to", syncAudit(), false},
		{"pulling", syncAudit(pubsub.Pull()), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newSyncBroker(t)
			app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Broker: b})
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Register(c.def); err != nil {
				t.Fatal(err)
			}
			_, err = pubsub.Sync(t.Context(), app)
			if c.fine && err != nil || !c.fine && (err == nil || !strings.Contains(err.Error(), "Config.Endpoint is empty")) {
				t.Errorf("Sync: %v", err)
			}
		})
	}
}
