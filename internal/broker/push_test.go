package broker_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

func TestPush_DeliversAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed(audit)
		r.pulled("pulled")
		ids := r.publish("one")
		calls := r.seen()
		if len(calls) != 1 || calls[0].at != 0 || calls[0].sub != audit || calls[0].m.ID != ids[0] || string(calls[0].m.Data) != "one" || calls[0].m.DeliveryAttempt != 0 {
			t.Errorf("pushes: %+v", calls)
		}
		r.wantBacklog(audit, 0)
		r.wantBacklog("pulled", 1)
	})
}

func TestPush_FailureIsRetriedWithPauses(t *testing.T) {
	ms, s := time.Millisecond, time.Second
	for _, tc := range []struct {
		name   string
		change change
		want   []time.Duration
	}{
		{"push backoff", func(*transport.Subscription) {},
			[]time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 12700 * ms, 25500 * ms, 51100 * ms, 102300 * ms, 162300 * ms}},
		{"retry policy", retry(10*s, 30*s), []time.Duration{0, 10 * s, 30 * s, 60 * s, 90 * s, 120 * s, 150 * s}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.failing()
				r.pushed(audit, tc.change)
				r.publish("one")
				time.Sleep(tc.want[len(tc.want)-1])
				equal(t, "times", times(r.seen()), tc.want)
			})
		})
	}
}

func TestPush_OutlivesItsDeadline_IsLost(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed(audit, deadLetter, retry(time.Second, time.Minute), func(s *transport.Subscription) { s.AckDeadline = 20 * time.Second })
		r.respond(func(ctx context.Context, _ *transport.Subscription, m *transport.Message) error {
			if m.DeliveryAttempt == 1 {
				if d, ok := ctx.Deadline(); !ok || !d.Equal(r.start.Add(20*time.Second)) {
					t.Errorf("deadline %v, %v", d, ok)
				}
				<-ctx.Done()
				time.Sleep(time.Hour) // deaf
			}
			return nil
		})
		r.publish("one")
		time.Sleep(time.Minute)
		calls := r.seen()
		equal(t, "times", times(calls), []time.Duration{0, 21 * time.Second})
		if calls[1].m.DeliveryAttempt != 2 {
			t.Errorf("attempt %d", calls[1].m.DeliveryAttempt)
		}
		r.wantBacklog(audit, 0)
	})
}

func TestPush_PanicAndGoexit_AreNacks(t *testing.T) {
	for name, fail := range map[string]func(){
		"panic":            func() { panic("boom") },
		"panic with error": func() { panic(errSick) },
		"Goexit":           runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pushed(audit, deadLetter)
				r.respond(func(_ context.Context, _ *transport.Subscription, m *transport.Message) error {
					if m.DeliveryAttempt < 3 {
						fail()
					}
					return nil
				})
				r.publish("one")
				time.Sleep(time.Second)
				equal(t, "times", times(r.seen()), []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond})
				r.wantBacklog(audit, 0)
			})
		})
	}
}

func TestPush_MaxOutstanding(t *testing.T) {
	for _, tc := range []struct{ max, want int }{{3, 3}, {0, broker.DefaultMaxOutstandingPushes}} {
		bubbleWith(t, broker.Config{MaxOutstandingPushes: tc.max}, func(t *testing.T, r *rig) {
			r.pushed(audit)
			r.respond(func(context.Context, *transport.Subscription, *transport.Message) error {
				time.Sleep(time.Second)
				return nil
			})
			r.publish(numbered("m", 250)...)
			if n := len(r.seen()); n != tc.want {
				t.Errorf("%d pushes at once, want %d", n, tc.want)
			}
			time.Sleep(time.Second)
			if n := len(r.seen()); n != 2*tc.want {
				t.Errorf("%d pushes after a second, want %d", n, 2*tc.want)
			}
			time.Sleep(2 * time.Minute)
			r.wantBacklog(audit, 0)
		})
	}
}

// Handlers that do not end must not stop the subscription for good.
func TestPush_DeafHandlers_GiveTheirPlacesUpAtTheDeadline(t *testing.T) {
	bubbleWith(t, broker.Config{MaxOutstandingPushes: 1}, func(t *testing.T, r *rig) {
		r.pushed(audit, retry(time.Minute, time.Minute))
		r.respond(func(_ context.Context, _ *transport.Subscription, m *transport.Message) error {
			if string(m.Data) == "deaf" {
				time.Sleep(time.Hour)
			}
			return nil
		})
		r.publish("deaf", "two")
		time.Sleep(11 * time.Second)
		equal(t, "times", times(r.seen()), []time.Duration{0, 10 * time.Second})
		r.must(r.DeleteSubscription(audit))
	})
}

func TestPush_SubscriptionCanBePulledToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(broker.Config{AutoCreate: true}) // no Pusher
		s := &transport.Subscription{Name: audit, Topic: orders, Push: &transport.PushConfig{Endpoint: "x"}}
		if err := b.PutSubscription(s); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(orders, []*transport.Message{{Data: []byte("a")}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 3 { // a nack comes at once, as for any pull
			list, err := b.TryPull(audit, 1, 0)
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			if err := errors.Join(b.ModifyAckDeadline(audit, 0, list[0].AckID)...); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPush_DeletedMeanwhile_OutcomeIsIgnored(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed(audit)
		r.respond(func(context.Context, *transport.Subscription, *transport.Message) error {
			time.Sleep(time.Second)
			return nil
		})
		r.publish("one", "two")
		synctest.Wait()
		r.must(r.DeleteSubscription(audit))
		r.pulled(audit)
		time.Sleep(time.Minute)
		r.wantBacklog(audit, 0)
		r.publish("three")
		r.wantTexts(audit, "three")
	})
}

func TestDeadLetter_AfterMaxAttempts_OnceWithItsSource(t *testing.T) {
	describe := func(name string) (id, project string) { return strings.ToUpper(name), "my-project" }
	bubbleWith(t, broker.Config{Describe: describe}, func(t *testing.T, r *rig) {
		r.topic(grave)
		r.pushed(audit, func(s *transport.Subscription) {
			s.DeadLetter = &transport.DeadLetterPolicy{Topic: grave, MaxAttempts: 7}
		})
		r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
		r.pulled("dead-elsewhere", func(s *transport.Subscription) { s.Topic, s.Filter = grave, `attributes:nothing` })
		r.failing()
		_, err := r.Publish(orders, []*transport.Message{{Data: []byte("data"), OrderingKey: "k", Attributes: map[string]string{"a": "b"}}})
		r.must(err)
		time.Sleep(time.Hour)
		calls := r.seen()
		if len(calls) != 7 || calls[6].m.DeliveryAttempt != 7 {
			t.Errorf("%d pushes: %+v", len(calls), calls)
		}
		r.wantBacklog(audit, 0)
		r.wantBacklog("dead", 1)
		r.wantBacklog("dead-elsewhere", 0)
		m := r.one("dead").Message
		want := map[string]string{
			"a": "b",
			"CloudPubSubDeadLetterSourceDeliveryCount":       "7",
			"CloudPubSubDeadLetterSourceSubscription":        "AUDIT",
			"CloudPubSubDeadLetterSourceSubscriptionProject": "my-project",
			"CloudPubSubDeadLetterSourceTopicPublishTime":    r.start.UTC().Format(time.RFC3339Nano),
		}
		for k, v := range want {
			if m.Attributes[k] != v {
				t.Errorf("attribute %s = %q, want %q", k, m.Attributes[k], v)
			}
		}
		if len(m.Attributes) != len(want) || string(m.Data) != "data" || m.OrderingKey != "k" || m.ID == calls[0].m.ID || !m.PublishTime.After(r.start) {
			t.Errorf("dead letter %+v", m)
		}
	})
}

func TestDeadLetter_TopicMissing_MessageStaysUntilThereIsOne(t *testing.T) {
	bubbleWith(t, broker.Config{AutoCreate: true}, func(t *testing.T, r *rig) {
		r.failing()
		r.pushed(audit, deadLetter, retry(time.Second, time.Second))
		r.publish("one")
		time.Sleep(time.Minute)
		if n := len(r.seen()); n < 50 {
			t.Errorf("%d pushes", n)
		}
		r.wantBacklog(audit, 1)
		r.topic(grave)
		r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
		time.Sleep(time.Second)
		r.wantBacklog(audit, 0)
		r.wantTexts("dead", "one")
	})
}

// The nack comes at the very moment at which the lease runs out.
func TestDeadLetter_NackAndExpiryAtOnce_Once(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, r *rig) {
			r.topic(grave)
			r.pulled(audit, deadLetter)
			r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
			r.publish("one")
			for range 5 {
				m := r.one(audit)
				time.Sleep(10 * time.Second)
				r.ModifyAckDeadline(audit, 0, m.AckID) // may or may not find the lease
			}
			r.wantNothing(audit)
			r.wantTexts("dead", "one")
		})
	}
}

func TestDeadLetter_OwnTopic_ComesAsANewMessage(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered, func(s *transport.Subscription) { s.DeadLetter = &transport.DeadLetterPolicy{Topic: orders} })
		r.publishKeyed("k", "one", "two")
		for range 5 {
			r.nack(audit, r.one(audit))
		}
		r.wantTexts(audit, "two")
		r.wantTexts(audit, "one")
	})
}
