package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	orders = "orders" // the topic
	audit  = "audit"  // its subscription
	grave  = "orders-dead"
)

var errSick = errors.New("sick")

// rig is a broker whose pushes are recorded.
type rig struct {
	*broker.Broker
	t     *testing.T
	start time.Time

	mu     sync.Mutex
	calls  []call
	answer broker.Pusher
}

// call is one push.
type call struct {
	at  time.Duration // since the rig was made
	sub string
	m   transport.Message
}

// bubble runs f with a rig that acknowledges every push, in a synctest bubble. The topic exists.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) { bubbleWith(t, broker.Config{}, f) }

func bubbleWith(t *testing.T, cfg broker.Config, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		f(t, r)
		r.must(r.Shutdown(context.Background()))
	})
}

func newRig(t *testing.T, cfg broker.Config) *rig {
	r := &rig{t: t, start: time.Now()}
	if cfg.Push == nil {
		cfg.Push = r.push
	}
	r.Broker = broker.New(cfg)
	r.topic(orders)
	return r
}

func (r *rig) push(ctx context.Context, s *transport.Subscription, m *transport.Message) error {
	r.mu.Lock()
	r.calls = append(r.calls, call{r.Now().Sub(r.start), s.Name, *m})
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, s, m)
}

// failing makes pushes fail.
func (r *rig) failing() {
	r.respond(func(context.Context, *transport.Subscription, *transport.Message) error { return errSick })
}

func (r *rig) respond(f broker.Pusher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// seen returns the pushes so far, once everything that can happen now has happened.
func (r *rig) seen() []call {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *rig) topic(name string) {
	r.t.Helper()
	r.must(r.CreateTopic(&transport.Topic{Name: name}))
}

type change = func(*transport.Subscription)

// pulled makes a subscription to orders that is pulled, pushed one that is pushed.
func (r *rig) pulled(name string, changes ...change) {
	r.t.Helper()
	s := &transport.Subscription{Name: name, Topic: orders}
	for _, f := range changes {
		f(s)
	}
	r.must(r.CreateSubscription(s))
}

func (r *rig) pushed(name string, changes ...change) {
	r.t.Helper()
	r.pulled(name, append(changes, pushing)...)
}

func pushing(s *transport.Subscription) {
	s.Push = &transport.PushConfig{Endpoint: "https://shop.example.com/" + s.Name}
}
func ordered(s *transport.Subscription)  { s.Ordered = true }
func retained(s *transport.Subscription) { s.RetainAcked = true }

func retry(lo, hi time.Duration) change {
	return func(s *transport.Subscription) { s.Retry = &transport.BackoffRange{Min: lo, Max: hi} }
}

func deadLetter(s *transport.Subscription) {
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: grave}
}

// publish publishes one message for each text and returns the ids.
func (r *rig) publish(texts ...string) []string { r.t.Helper(); return r.publishKeyed("", texts...) }

func (r *rig) publishKeyed(key string, texts ...string) []string {
	r.t.Helper()
	var ms []*transport.Message
	for _, text := range texts {
		ms = append(ms, &transport.Message{Data: []byte(text), OrderingKey: key})
	}
	ids, err := r.Publish(orders, ms)
	r.must(err)
	return ids
}

// pull takes up to n messages that can be had now.
func (r *rig) pull(sub string, n int) []broker.Leased {
	r.t.Helper()
	list, err := r.TryPull(sub, n, 0)
	r.must(err)
	return list
}

// one pulls exactly one message.
func (r *rig) one(sub string) broker.Leased {
	r.t.Helper()
	list := r.pull(sub, 1)
	if len(list) != 1 {
		r.t.Fatalf("there is nothing to pull from %q after %v", sub, r.Now().Sub(r.start))
	}
	return list[0]
}

func (r *rig) wantTexts(sub string, want ...string) {
	r.t.Helper()
	list := r.pull(sub, 1000)
	equal(r.t, "messages of "+sub, texts(list), want)
	r.ack(sub, list...)
}

func (r *rig) wantNothing(sub string) {
	r.t.Helper()
	if list := r.pull(sub, 1); len(list) > 0 {
		r.t.Fatalf("%q delivered %q after %v, want nothing", sub, list[0].Message.Data, r.Now().Sub(r.start))
	}
}

func (r *rig) ack(sub string, list ...broker.Leased) {
	r.t.Helper()
	r.must(errors.Join(r.Acknowledge(sub, ackIDs(list)...)...))
}

func (r *rig) nack(sub string, list ...broker.Leased) {
	r.t.Helper()
	r.must(errors.Join(r.ModifyAckDeadline(sub, 0, ackIDs(list)...)...))
}

func (r *rig) wantBacklog(sub string, want int) {
	r.t.Helper()
	synctest.Wait()
	got, err := r.Backlog(sub)
	r.must(err)
	if got != want {
		r.t.Errorf("Backlog of %q = %d, want %d", sub, got, want)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func texts(list []broker.Leased) (ts []string) {
	for _, l := range list {
		ts = append(ts, string(l.Message.Data))
	}
	return ts
}

func ackIDs(list []broker.Leased) (ids []string) {
	for _, l := range list {
		ids = append(ids, l.AckID)
	}
	return ids
}

// times returns when the calls were made.
func times(calls []call) (at []time.Duration) {
	for _, c := range calls {
		at = append(at, c.at)
	}
	return at
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// wantError checks an error's kind, and that it names a resource.
func wantError(t *testing.T, err error, kind transport.Kind, contains string) {
	t.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Kind != kind || !strings.Contains(err.Error(), contains) {
		t.Errorf("error %v, want kind %v and %q", err, kind, contains)
	}
}

func numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}
