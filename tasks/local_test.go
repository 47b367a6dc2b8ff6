package tasks_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// locBroker is a broker that delivers in this process, when the test says so.
type locBroker struct {
	name     string
	calls    *[]string
	refuses  error // Serve
	left     int   // others that use it
	handler  transport.Handler
	shutdown error
}

func (b *locBroker) note(call string) { *b.calls = append(*b.calls, b.name+" "+call) }

func (b *locBroker) Publish(context.Context, *transport.Message) (string, error) { return "1", nil }

func (b *locBroker) Serve(endpoint string, h transport.Handler) error {
	b.note("serves " + endpoint)
	b.handler = h
	return b.refuses
}

func (b *locBroker) Withdraw(string) int { b.note("withdraws"); return b.left }

func (b *locBroker) Shutdown(context.Context) error { b.note("shuts down"); return b.shutdown }

// locTransport is a transport that does.
type locTransport struct{ locBroker }

func (*locTransport) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, nil
}

// locWrapped is a broker's decorator, and no server itself.
type locWrapped struct{ inner transport.Broker }

func (w locWrapped) Publish(ctx context.Context, m *transport.Message) (string, error) {
	return w.inner.Publish(ctx, m)
}

func (w locWrapped) Unwrap() transport.Broker { return w.inner }

// locMap is a server that cannot be compared.
type locMap map[string]int

func (locMap) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, nil
}
func (locMap) Publish(context.Context, *transport.Message) (string, error) { return "", nil }
func (locMap) Serve(string, transport.Handler) error                       { return nil }
func (locMap) Shutdown(context.Context) error                              { return nil }

func locCheck(t *testing.T, calls *[]string, want ...string) {
	t.Helper()
	if !slices.Equal(*calls, want) {
		t.Errorf("calls are %q, want %q", *calls, want)
	}
	*calls = nil
}

func TestNewApp_BrokerOfItsOwn_IsServedAndShutDown(t *testing.T) {
	t.Parallel()
	const endpoint = "https://shop.example.com"
	var calls []string
	for _, c := range []struct {
		name         string
		transport    transport.Transport
		broker       func(*locBroker) transport.Broker
		served, ends []string
		left         int // that use the broker
	}{
		{"beside a local transport", &locTransport{locBroker{name: "transport", calls: &calls}}, nil,
			[]string{"transport serves " + endpoint, "broker serves " + endpoint}, []string{"transport withdraws", "broker withdraws", "transport shuts down", "broker shuts down"}, 0},
		{"beside a remote transport", &dlvRemote{}, nil, []string{"broker serves " + endpoint}, []string{"broker withdraws", "broker shuts down"}, 0},
		{"in a decorator", &dlvRemote{}, func(b *locBroker) transport.Broker { return locWrapped{b} }, []string{"broker serves " + endpoint}, []string{"broker withdraws", "broker shuts down"}, 0},
		{"that others use", &dlvRemote{}, nil, []string{"broker serves " + endpoint}, []string{"broker withdraws"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls = nil
			b := &locBroker{name: "broker", calls: &calls, left: c.left}
			cfg := tasks.Config{Transport: c.transport, Broker: b}
			if c.broker != nil {
				cfg.Broker = c.broker(b)
			}
			runs := &msgRuns{}
			app := dlvApp(t, cfg, msgSubscriber("audit", runs.handle(nil)))
			locCheck(t, &calls, c.served...)
			d := &transport.Delivery{Task: transport.Task{URL: endpoint + "/subscriptions/audit"}, Message: &transport.Message{ID: "11"}}
			if status, _, err := b.handler(t.Context(), d); status != http.StatusOK || err != nil || runs.one(t).meta.Eager {
				t.Errorf("answered %d, %v", status, err)
			}
			if err := app.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			locCheck(t, &calls, c.ends...)
			if status, _, err := b.handler(t.Context(), d); status != http.StatusServiceUnavailable || !errors.Is(err, tasks.ErrShutdown) {
				t.Errorf("after the end it answers %d, %v", status, err)
			}
			if err := app.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			locCheck(t, &calls, slices.DeleteFunc(c.ends, func(s string) bool { return s == "transport withdraws" || s == "broker withdraws" })...)
		})
	}
}

func TestNewApp_BrokerThatIsTheTransport_IsServedOnce(t *testing.T) {
	t.Parallel()
	var calls []string
	both := &locTransport{locBroker{name: "both", calls: &calls}}
	for _, broker := range []transport.Broker{nil, both, locWrapped{both}} {
		app := dlvApp(t, tasks.Config{Transport: both, Broker: broker})
		locCheck(t, &calls, "both serves https://shop.example.com")
		if id, err := app.PublishMessage(t.Context(), &transport.Message{}); id != "1" || err != nil {
			t.Errorf("published as %q, %v", id, err)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		locCheck(t, &calls, "both withdraws", "both shuts down")
	}
}

func TestNewApp_BrokerThatRefusesToServe_LeavesTheTransport(t *testing.T) {
	t.Parallel()
	var calls []string
	tr := &locTransport{locBroker{name: "transport", calls: &calls}}
	b := &locBroker{name: "broker", calls: &calls, refuses: &transport.Error{Op: transport.OpServe, Kind: transport.KindExists}}
	_, err := tasks.NewApp(tasks.Config{Transport: tr, Broker: b, Endpoint: "https://h", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if !errors.Is(err, transport.ErrExists) {
		t.Errorf("NewApp returns %v", err)
	}
	enqSays(t, err, "an Endpoint of its own")
	locCheck(t, &calls, "transport serves https://h", "broker serves https://h", "transport withdraws")
}

func TestShutdown_BrokerThatFails_IsTold(t *testing.T) {
	t.Parallel()
	var calls []string
	tr := &locTransport{locBroker{name: "transport", calls: &calls, shutdown: errors.New("jammed")}}
	app := dlvApp(t, tasks.Config{Transport: tr, Broker: &locBroker{name: "broker", calls: &calls, shutdown: errDlv}})
	err := app.Shutdown(t.Context())
	enqSays(t, err, "jammed", errDlv.Error())
}

func TestNewApp_ServersThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Transport: locMap{}, Broker: locMap{}})
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewApp_NilBrokerOfADriversType_IsNone(t *testing.T) {
	t.Parallel()
	var none *locBroker
	app := dlvApp(t, tasks.Config{Broker: none})
	if _, err := app.PublishMessage(t.Context(), &transport.Message{}); !errors.Is(err, tasks.ErrNoBroker) {
		t.Errorf("published with %v", err)
	}
}
