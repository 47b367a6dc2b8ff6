package broker_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
)

func TestCreateSubscription_Refusals(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		for _, tc := range []struct {
			name     string
			s        transport.Subscription
			kind     transport.Kind
			contains string
		}{
			{"no topic", transport.Subscription{Name: "new", Topic: "missing"}, transport.KindNotFound, `topic "missing"`},
			{"exists", transport.Subscription{Name: audit, Topic: orders}, transport.KindExists, `create subscription "audit"`},
			{"range", transport.Subscription{Name: "new", Topic: orders, AckDeadline: time.Second}, transport.KindInvalid, "ack deadline 1s"},
			{"filter", transport.Subscription{Name: "new", Topic: orders, Filter: `attributes.a = `}, transport.KindInvalid, "at 15"},
		} {
			err := r.CreateSubscription(&tc.s)
			wantError(t, err, tc.kind, tc.contains)
			if tc.name == "filter" {
				if e, ok := errors.AsType[*filter.Error](err); !ok || e.Pos != 15 {
					t.Errorf("%v is no *filter.Error with the position", err)
				}
			}
		}
		if _, err := r.Subscription("new"); err == nil {
			t.Error("what was refused exists")
		}
	})
}

func TestSubscription_ReadsAsSet_WithDefaults(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		set := &transport.Subscription{
			Name: audit, Topic: orders, Labels: map[string]string{"a": "b"}, Push: &transport.PushConfig{Endpoint: "x"}, Filter: "attributes:a",
			Ordered: true, Retry: &transport.BackoffRange{}, RetainAcked: true, DeadLetter: &transport.DeadLetterPolicy{Topic: grave},
		}
		r.must(r.CreateSubscription(set))
		want := *set
		want.AckDeadline, want.Retention, want.Expiration = 10*time.Second, 7*24*time.Hour, 31*24*time.Hour
		want.Retry = &transport.BackoffRange{Min: 10 * time.Second, Max: 600 * time.Second}
		want.DeadLetter = &transport.DeadLetterPolicy{Topic: grave, MaxAttempts: 5}
		got, err := r.Subscription(audit)
		r.must(err)
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("got %+v, want %+v", got, &want)
		}
		got.Push.Endpoint = "changed by the reader"
		set.Labels["a"] = "changed by the caller"
		r.pulled("a")
		list := r.Subscriptions()
		if len(list) != 2 || list[0].Name != "a" || list[1].Name != audit || list[1].Push.Endpoint != "x" || list[1].Labels["a"] != "b" {
			t.Errorf("Subscriptions = %+v", list)
		}
	})
}

func TestUpdateSubscription_OnlyTheNamedFields(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		next := &transport.Subscription{
			Name: audit, Topic: "ignored", Labels: map[string]string{"a": "b"}, Retry: &transport.BackoffRange{Min: 1, Max: 2}, AckDeadline: 60 * time.Second,
			Retention: time.Hour, RetainAcked: true, Expiration: transport.NeverExpires, ExactlyOnceDelivery: true,
			DeadLetter: &transport.DeadLetterPolicy{Topic: grave, MaxAttempts: 9}, Ordered: true, Filter: "ignored",
		}
		before, err := r.Subscription(audit)
		r.must(err)
		r.must(r.UpdateSubscription(next))
		if after, _ := r.Subscription(audit); !reflect.DeepEqual(after, before) {
			t.Errorf("without fields: %+v", after)
		}
		r.must(r.UpdateSubscription(next, transport.FieldLabels, transport.FieldRetry, transport.FieldAckDeadline, transport.FieldRetention,
			transport.FieldRetainAcked, transport.FieldExpiration, transport.FieldExactlyOnce, transport.FieldDeadLetter))
		want := *next
		want.Topic, want.Ordered, want.Filter = orders, false, ""
		if after, _ := r.Subscription(audit); !reflect.DeepEqual(after, &want) {
			t.Errorf("got %+v, want %+v", after, &want)
		}
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit}, transport.FieldDeadLetter, transport.FieldAckDeadline))
		if after, _ := r.Subscription(audit); after.DeadLetter != nil || after.AckDeadline != 10*time.Second {
			t.Errorf("cleared: %+v", after)
		}
		wantError(t, r.UpdateSubscription(&transport.Subscription{Name: "nobody"}), transport.KindNotFound, `update subscription "nobody"`)
		wantError(t, r.UpdateSubscription(next, "filter"), transport.KindInvalid, `"filter" is no field that can be changed`)
		wantError(t, r.UpdateSubscription(&transport.Subscription{Name: audit, Retention: 1}, transport.FieldRetention), transport.KindInvalid, "retention")
	})
}

func TestUpdateSubscription_RetryHoldsForWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered, retry(100*time.Second, 100*time.Second))
		r.publishKeyed("k", "one", "two")
		r.publish("three")
		r.nack(audit, r.pull(audit, 2)...)
		time.Sleep(time.Second)
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit, Retry: &transport.BackoffRange{Min: 10 * time.Second, Max: 10 * time.Second}}, transport.FieldRetry))
		time.Sleep(9*time.Second - 1)
		r.wantNothing(audit)
		time.Sleep(time.Nanosecond)
		r.wantTexts(audit, "one", "three")
		r.wantTexts(audit, "two")
	})
}

func TestUpdateSubscription_PushAndPull(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("one")
		if n := len(r.seen()); n != 0 {
			t.Fatalf("%d pushes", n)
		}
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit, Push: &transport.PushConfig{Endpoint: "x"}}, transport.FieldPush))
		if n := len(r.seen()); n != 1 {
			t.Fatalf("%d pushes", n)
		}
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit}, transport.FieldPush))
		r.publish("two")
		if n := len(r.seen()); n != 1 {
			t.Fatalf("%d pushes", n)
		}
		r.wantTexts(audit, "two")
	})
}

func TestUpdateSubscription_DeadLetterHoldsForWhatHasFailedEnough(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.topic(grave)
		r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
		r.pulled(audit, ordered, retry(0, 600*time.Second))
		r.publishKeyed("k", "often", "never")
		r.publish("once")
		for i := range 5 {
			for _, m := range r.pull(audit, 10) {
				if i == 0 || string(m.Message.Data) == "often" {
					r.nack(audit, m)
				} else {
					r.must(r.Release(audit, m.AckID)[0])
				}
			}
			time.Sleep(10 * time.Minute)
		}
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit, DeadLetter: &transport.DeadLetterPolicy{Topic: grave}}, transport.FieldDeadLetter))
		r.wantTexts("dead", "often")
		r.wantTexts(audit, "never", "once")
	})
}

func TestUpdateSubscription_RetainAckedOff_DropsThem(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, retained)
		r.publish("one")
		r.ack(audit, r.one(audit))
		r.must(r.UpdateSubscription(&transport.Subscription{Name: audit}, transport.FieldRetainAcked))
		r.must(r.Seek(audit, r.start))
		r.wantBacklog(audit, 0)
	})
}

func TestPutSubscription_MakesWhatIsMissing(t *testing.T) {
	bubbleWith(t, broker.Config{}, func(t *testing.T, r *rig) {
		s := &transport.Subscription{Name: audit, Topic: "new", DeadLetter: &transport.DeadLetterPolicy{Topic: grave}}
		for range 2 {
			r.must(r.PutSubscription(s))
			dead, err := r.Subscription(grave)
			r.must(err)
			if dead.Topic != grave || dead.Expiration != transport.NeverExpires {
				t.Errorf("for the dead letters: %+v", dead)
			}
			if names, err := r.TopicSubscriptions("new"); err != nil || len(names) != 1 || names[0] != audit {
				t.Errorf("subscriptions: %v, %v", names, err)
			}
		}
		wantError(t, r.PutSubscription(&transport.Subscription{Name: "bad", Topic: "bad", Retention: 1}), transport.KindInvalid, `subscription "bad"`)
		if _, err := r.Topic("bad"); err == nil {
			t.Error("the topic of what was refused exists")
		}
	})
}

func TestPutSubscription_Existing_KeepsItsBacklogUnlessItIsAnother(t *testing.T) {
	base := transport.Subscription{Name: audit, Topic: orders}
	for _, tc := range []struct {
		name   string
		change change
		keeps  bool
	}{
		{"same", func(*transport.Subscription) {}, true},
		{"what can change", func(s *transport.Subscription) { s.AckDeadline, s.Retention = 20*time.Second, time.Hour }, true},
		{"topic", func(s *transport.Subscription) { s.Topic = "other" }, false},
		{"filter", func(s *transport.Subscription) { s.Filter = "attributes:a" }, false},
		{"ordering", ordered, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.must(r.PutSubscription(&base))
				r.publish("one")
				next := base
				tc.change(&next)
				r.must(r.PutSubscription(&next))
				want := 0
				if tc.keeps {
					want = 1
				}
				r.wantBacklog(audit, want)
				got, err := r.Subscription(audit)
				r.must(err)
				if got.Topic != next.Topic || got.Filter != next.Filter || got.Ordered != next.Ordered || next.AckDeadline != 0 && got.AckDeadline != next.AckDeadline {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

func TestPutSubscription_NewDeadLetterTopic_TakesWhatHasFailedEnough(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("one")
		for range 6 {
			r.nack(audit, r.one(audit))
		}
		r.must(r.PutSubscription(&transport.Subscription{Name: audit, Topic: orders, DeadLetter: &transport.DeadLetterPolicy{Topic: grave}}))
		r.wantBacklog(audit, 0)
		r.wantTexts(grave, "one")
	})
}
