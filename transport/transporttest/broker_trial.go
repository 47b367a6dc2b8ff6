package transporttest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// brokerTrial is one case on one broker: what cases stand on.
type brokerTrial struct {
	base
	BrokerDriver
	over   *gate // opened once the driver has ended
	closed atomic.Bool

	receivers struct {
		sync.Mutex
		all []*receiving
	}
}

func newBrokerTrial(tb testing.TB, l brokerLaw, d BrokerDriver) *brokerTrial {
	t := &brokerTrial{BrokerDriver: d}
	t.setUp(tb, functionName(l.test), d.Bubble, d.Patience, d.Grace)
	t.over = &gate{ch: make(chan struct{})}
	return t
}

// end lets go of what the case holds, ends its receivers and the driver, and returns the verdict.
func (t *brokerTrial) end() (skipped string, seen []string) {
	t.openGates()
	t.receivers.Lock()
	all := t.receivers.all
	t.receivers.Unlock()
	for _, r := range all {
		r.stop()
	}
	if t.Close != nil {
		_ = t.Close() // what it answers is for the cases about it to judge
	}
	t.over.open()
	return t.verdict()
}

// brokerAbility finds A, or skips the case.
func brokerAbility[A any](t *brokerTrial) A {
	a, err := transport.BrokerAs[A](t.Broker)
	if err != nil {
		t.skipf("needs an ability that this driver lacks: %v", err)
	}
	return a
}

func (t *brokerTrial) needsWaiting() {
	if t.Eager {
		t.skipf("needs messages that wait: BrokerDriver.Eager is set")
	}
}

func (t *brokerTrial) needsAdmin() {
	if t.Admin == nil {
		t.skipf("needs a transport.BrokerAdmin")
	}
}

func (t *brokerTrial) needsChecks() {
	if t.NoChecks {
		t.skipf("is about names and settings: BrokerDriver.NoChecks is set")
	}
}

// message is one for the topic under test.
func (t *brokerTrial) message(data string) *transport.Message {
	return &transport.Message{Topic: topic, Data: []byte(data)}
}

// keyed is message with an ordering key.
func (t *brokerTrial) keyed(key, data string) *transport.Message {
	m := t.message(data)
	m.OrderingKey = key
	return m
}

// attempt publishes and returns whatever comes.
func (t *brokerTrial) attempt(m *transport.Message) (string, error) {
	ctx, cancel := t.context()
	defer cancel()
	return t.Broker.Publish(ctx, m)
}

// publish gives up unless the message is accepted.
func (t *brokerTrial) publish(m *transport.Message) (id string) {
	id, err := t.attempt(m)
	if err != nil {
		t.fatalf("Publish of %s: %v", brief(m.Data), err)
	}
	return id
}

// sub is a subscription to the topic under test.
func (t *brokerTrial) sub(name string) *transport.Subscription {
	return &transport.Subscription{Name: name, Topic: topic}
}

// topic sees to it that a topic exists.
func (t *brokerTrial) topic(name string) {
	ctx, cancel := t.context()
	defer cancel()
	err := t.Admin.CreateTopic(ctx, &transport.Topic{Name: name})
	if err != nil && !errors.Is(err, transport.ErrExists) {
		t.fatalf("CreateTopic(%q): %v", name, err)
	}
}

// subscribe gives up unless the subscription, and the topics that it names, can be made.
func (t *brokerTrial) subscribe(s *transport.Subscription) {
	if t.Eager {
		pushed := *s
		pushed.Push = &transport.PushConfig{Endpoint: t.endpoint(s.Name)}
		d := brokerAbility[transport.SubscriptionDeclarer](t)
		if err := d.DeclareSubscription(&pushed); err != nil {
			t.fatalf("DeclareSubscription(%q): %v", s.Name, err)
		}
		return
	}
	t.topic(s.Topic)
	if s.DeadLetter != nil {
		t.topic(s.DeadLetter.Topic)
	}
	if err := t.create(s); err != nil {
		t.fatalf("CreateSubscription(%q): %v", s.Name, err)
	}
}

func (t *brokerTrial) create(s *transport.Subscription) error {
	ctx, cancel := t.context()
	defer cancel()
	return t.Admin.CreateSubscription(ctx, s)
}

// listen makes a subscription and receives from it.
func (t *brokerTrial) listen(s *transport.Subscription, h receiver) *postbox {
	t.subscribe(s)
	box, _ := t.receive(s.Name, h)
	return box
}

// receiver is what messages of a subscription are handed to.
type receiver func(context.Context, *transport.Message) error

// receive hands what comes from a subscription to h, until the receiving is stopped or the case ends.
func (t *brokerTrial) receive(name string, h receiver) (*postbox, *receiving) {
	box := t.postbox()
	if t.Eager {
		t.serve(t.endpoint(name), pushedTo(box.recording(h)))
		return box, nil
	}
	return box, t.receiveBy(func(ctx context.Context) error { return t.Receiver.Receive(ctx, name, box.recording(h)) })
}

// receiveWith is receive under settings, by an ability that not every driver has.
func (t *brokerTrial) receiveWith(name string, s transport.ReceiveSettings, h receiver) (*postbox, *receiving) {
	f, ok := t.Receiver.(transport.FlowReceiver)
	if !ok {
		f = brokerAbility[transport.FlowReceiver](t)
	}
	box := t.postbox()
	return box, t.receiveBy(func(ctx context.Context) error { return f.ReceiveWith(ctx, name, s, box.recording(h)) })
}

// receiving is a call of Receive.
type receiving struct {
	t        *brokerTrial
	cancel   context.CancelFunc
	returned chan struct{}
	err      error // once returned
	judged   bool  // by the case
}

func (t *brokerTrial) receiveBy(call func(context.Context) error) *receiving {
	ctx, cancel := context.WithCancel(t.tb.Context())
	r := &receiving{t: t, cancel: cancel, returned: make(chan struct{})}
	t.receivers.Lock()
	t.receivers.all = append(t.receivers.all, r)
	t.receivers.Unlock()
	go func() {
		defer close(r.returned)
		r.err = call(ctx)
	}()
	return r
}

// receiveReturns is what Receive answers to a context of the case's own. It gives up if that takes long.
func (t *brokerTrial) receiveReturns(ctx context.Context, name string, h receiver) error {
	r := t.receiveBy(func(context.Context) error { return t.Receiver.Receive(ctx, name, h) })
	r.judged = true
	select {
	case <-r.returned:
	case <-time.After(t.Patience):
		t.fatalf("Receive did not return within %s", t.Patience)
	}
	return r.err
}

// stop ends Receive and records unless it returns nil.
func (r *receiving) stop() {
	r.cancel()
	select {
	case <-r.returned:
		if closed := r.t.closed.Load() && errors.Is(r.err, transport.ErrClosed); r.err != nil && !r.judged && !closed {
			r.t.errorf("Receive returned %q when its context had ended, want nil", text(r.err))
		}
	case <-time.After(r.t.Patience):
		r.t.errorf("Receive did not return within %s after its context had ended", r.t.Patience)
	}
}

func (t *brokerTrial) endpoint(name string) string { return t.Endpoint + "/" + name }

func (t *brokerTrial) serve(endpoint string, h transport.Handler) {
	if err := t.Serve(endpoint, h); err != nil {
		t.fatalf("Serve(%q): %v", endpoint, err)
	}
}

// pushedTo is a push endpoint in front of h.
func pushedTo(h receiver) transport.Handler {
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		m := d.Message
		if m == nil {
			m = &transport.Message{} // the case will see that something is missing
		}
		if err := h(ctx, m); err != nil {
			return http.StatusInternalServerError, 0, err
		}
		return http.StatusOK, 0, nil
	}
}
