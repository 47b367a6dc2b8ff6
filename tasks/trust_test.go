package tasks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// trustBroker pushes from outside this process.
type trustBroker struct{}

func (trustBroker) Publish(context.Context, *transport.Message) (string, error) { return "1", nil }

func TestNewApp_NobodyDecidesWhoMayDeliver_IsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	const public = "https://shop.example.com/_tasks"
	remote := func() transport.Transport { return &dlvRemote{} }
	local := func() transport.Transport { return memory.New() }
	for _, c := range []struct {
		name      string
		transport func() transport.Transport // nil: eager
		broker    transport.Broker
		endpoint  string
		auth      tasks.Authenticator
		early     bool // the warning comes with the App
		late      bool // ... with the first push
	}{
		{name: "remote", transport: remote, endpoint: public, early: true},
		{name: "remote, an address of a private network", transport: remote, endpoint: "http://10.0.0.7:8080", early: true},
		{name: "remote, all addresses", transport: remote, endpoint: "http://0.0.0.0:8080", early: true},
		{name: "remote, a name that begins like the loopback's", transport: remote, endpoint: "https://localhost.example.com", early: true},
		{name: "remote, meant", transport: remote, endpoint: public, auth: tasks.TrustNetwork()},
		{name: "remote, somebody decides", transport: remote, endpoint: public, auth: dlvAuth{}},
		{name: "remote, localhost", transport: remote, endpoint: "http://LOCALHOST:8080/_tasks"},
		{name: "remote, below localhost", transport: remote, endpoint: "http://shop.localhost"},
		{name: "remote, loopback", transport: remote, endpoint: "http://127.0.0.2:8080"},
		{name: "remote, loopback in IPv6", transport: remote, endpoint: "http://[::1]:8080"},
		{name: "in this process", transport: local, endpoint: public, late: true},
		{name: "in this process, meant", transport: local, endpoint: public, auth: tasks.TrustNetwork()},
		{name: "in this process, no endpoint", transport: local},
		{name: "in this process, pushes from outside", transport: local, broker: trustBroker{}, endpoint: public, early: true},
		{name: "in this process, pushes from outside, no endpoint", transport: local, broker: trustBroker{}},
		{name: "eager", endpoint: public, late: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			log := &dlvLog{}
			cfg := tasks.Config{Eager: c.transport == nil, Broker: c.broker, Endpoint: c.endpoint, Authenticator: c.auth, MountPath: "/", Logger: slog.New(log)}
			if c.transport != nil {
				cfg.Transport = c.transport()
			}
			app, err := tasks.NewApp(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Register(dlvTask(dlvReturns(nil))); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = app.Shutdown(context.Background()) })
			warned := func(want bool) {
				t.Helper()
				records := log.taken()
				if len(records) != 0 != want || len(records) > 1 {
					t.Fatalf("logged %+v, a warning is expected: %t", records, want)
				}
				if want {
					r := records[0]
					if r.level != slog.LevelWarn || r.attrs["endpoint"] != c.endpoint || !strings.Contains(r.message, "oidc.New") || !strings.Contains(r.message, "tasks.TrustNetwork()") {
						t.Errorf("logged %+v", r)
					}
				}
			}
			warned(c.early)
			dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
			warned(c.late)
			dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
			warned(false)
		})
	}
}

// choosy is an Authenticator for one audience.
type choosy struct {
	tasks.Authenticator
	audience string
}

func (c choosy) Accepts(audience string) bool { return audience == c.audience }

func TestNewApp_AuthenticatorOfAnotherAudience_IsWarnedOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accepts, audience string
		warned            bool
	}{
		{"https://shop.example.com", "", false},
		{"https://shop.example.com", "https://shop.example.com", false},
		{"https://shop.example.com/_tasks", "", true},
		{"https://shop.example.com", "shop", true},
	} {
		log := &dlvLog{}
		dlvApp(t, tasks.Config{Endpoint: "https://shop.example.com/_tasks", Audience: c.audience, Authenticator: choosy{tasks.TrustNetwork(), c.accepts}, Logger: slog.New(log)})
		rs := log.taken()
		if len(rs) > 0 != c.warned || c.warned && (rs[0].level != slog.LevelWarn || !strings.Contains(rs[0].message, "oidc.Audience")) {
			t.Errorf("%+v: logged %+v", c, rs)
		}
	}
}

func TestTrustNetwork_LetsEverybodyIn(t *testing.T) {
	t.Parallel()
	auth := tasks.TrustNetwork()
	if err := auth.Authenticate(dlvPost("/", "")); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(auth); got != "TrustNetwork()" {
		t.Errorf("prints as %s", got)
	}
}
