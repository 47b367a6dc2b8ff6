package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

// What is published ends in each subscription once: acknowledged, or in the grave.
func TestRace_EverythingAtOnce(t *testing.T) {
	bubbleWith(t, broker.Config{MaxOutstandingPushes: 8}, everythingAtOnce)
}

func everythingAtOnce(t *testing.T, r *rig) {
	const senders, each = 6, 400
	r.topic(grave)
	r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
	r.pulled("received", ordered, deadLetter, retry(time.Millisecond, time.Second))
	r.pulled("pulled", deadLetter)
	r.pushed("pushed", ordered, deadLetter, retry(time.Millisecond, time.Second))

	var ended sync.Map // subscription and message -> true
	end := func(sub, text string) {
		if _, twice := ended.LoadOrStore(sub+" "+text, true); twice {
			t.Errorf("%s ended %q twice", sub, text)
		}
	}
	verdict := func(sub string, m *transport.Message) error {
		switch rand.IntN(4) {
		case 0:
			return errSick
		case 1:
			if m.DeliveryAttempt == 5 || m.DeliveryAttempt == 0 {
				return errSick
			}
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		}
		end(sub, string(m.Data))
		return nil
	}
	r.respond(func(_ context.Context, s *transport.Subscription, m *transport.Message) error {
		return verdict(s.Name, m)
	})

	working, stop := context.WithCancel(context.Background())
	var workers, sending sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			r.check(r.Receive(working, "received", transport.ReceiveSettings{MaxOutstandingMessages: 10}, func(_ context.Context, m *transport.Message) error {
				return verdict("received", m)
			}))
		})
		workers.Go(func() { pullAndSettle(r, working, "pulled", end) })
		workers.Go(func() { meddle(r, working) })
	}
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				m := &transport.Message{Data: fmt.Append(nil, s, "-", i), OrderingKey: []string{"", "a", "b"}[i%3]}
				if _, err := r.Publish(orders, []*transport.Message{m}); err != nil {
					t.Error(err)
				}
				if i%20 == 0 {
					time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
				}
			}
		})
	}
	sending.Wait()
	time.Sleep(10 * time.Minute)
	stop()
	workers.Wait()
	synctest.Wait()

	for _, l := range r.pull("dead", 10*senders*each) {
		end(l.Message.Attributes[broker.AttributeSubscription], string(l.Message.Data))
		r.ack("dead", l)
	}
	n := 0
	ended.Range(func(any, any) bool { n++; return true })
	if want := 3 * senders * each; n != want {
		t.Errorf("%d ended, want %d", n, want)
	}
	for _, s := range r.Subscriptions() {
		r.wantBacklog(s.Name, 0)
	}
}

// pullAndSettle pulls, and acknowledges, fails, extends and forgets what it got.
func pullAndSettle(r *rig, ctx context.Context, sub string, end func(sub, text string)) {
	for {
		list, err := r.Pull(ctx, sub, 5, 1000)
		r.check(err)
		if len(list) == 0 {
			return
		}
		for _, l := range list {
			switch rand.IntN(5) {
			case 0:
				r.ModifyAckDeadline(sub, 0, l.AckID)
				r.Acknowledge(sub, l.AckID)
			case 1:
				r.ModifyAckDeadline(sub, time.Second, l.AckID)
			case 2:
				r.Release(sub, l.AckID)
			default:
				if r.Acknowledge(sub, l.AckID)[0] == nil {
					end(sub, string(l.Message.Data))
				}
			}
		}
	}
}

// meddle reads and changes settings.
func meddle(r *rig, ctx context.Context) {
	for ctx.Err() == nil {
		s, err := r.Subscription("pushed")
		if err != nil {
			r.t.Error(err)
			return
		}
		s.AckDeadline = time.Duration(10+rand.IntN(100)) * time.Second
		s.Retry = &transport.BackoffRange{Min: time.Duration(1 + rand.IntN(1000)), Max: time.Second}
		r.check(r.UpdateSubscription(s, transport.FieldAckDeadline, transport.FieldRetry))
		r.Topics()
		r.check(r.PutSubscription(&transport.Subscription{Name: "other", Topic: "others"}))
		_, err = r.Publish("others", []*transport.Message{{Data: []byte("x")}})
		r.check(err)
		r.check(r.Seek("other", r.Now().Add(time.Second)))
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
	}
}

// check is must for goroutines of their own.
func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
}
