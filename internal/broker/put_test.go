package broker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// put declares a subscription.
func (r *rig) put(name, topic string, changes ...change) {
	r.t.Helper()
	s := &transport.Subscription{Name: name, Topic: topic}
	for _, f := range changes {
		f(s)
	}
	r.must(r.PutSubscription(s))
}

// bury publishes a message that ends in the dead-letter topic of audit.
func (r *rig) bury(text string) {
	r.t.Helper()
	r.publish(text)
	for range 5 {
		r.nack(audit, r.one(audit))
	}
	r.wantBacklog(audit, 0)
}

func filtered(s *transport.Subscription) { s.Filter = "attributes:region" }

func TestPutSubscription_KeeperOfDeadLetters_OnlyWhereNobodyReadsAll(t *testing.T) {
	source := func(r *rig) { r.put(audit, orders, deadLetter) }
	reader := func(r *rig) { r.put("reader", grave) }
	for _, tc := range []struct {
		name  string
		steps []func(*rig)
		want  []string // the dead-letter topic's subscriptions
	}{
		{"nobody reads", []func(*rig){source, source}, []string{grave}},
		{"a reader before", []func(*rig){reader, source}, []string{"reader"}},
		{"a reader after", []func(*rig){source, reader, source}, []string{"reader"}},
		{"a reader that is pushed to, in order", []func(*rig){source, func(r *rig) { r.put("reader", grave, pushing, ordered) }}, []string{"reader"}},
		{"a filtered reader before", []func(*rig){func(r *rig) { r.put("reader", grave, filtered) }, source}, []string{grave, "reader"}},
		{"a filtered reader after", []func(*rig){source, func(r *rig) { r.put("reader", grave, filtered) }}, []string{grave, "reader"}},
		{"a reader that gets a filter", []func(*rig){source, reader, func(r *rig) { r.put("reader", grave, filtered) }}, []string{grave, "reader"}},
		{"a reader that goes elsewhere", []func(*rig){source, reader, func(r *rig) { r.put("reader", orders) }}, []string{grave}},
		{"a reader that loses its filter", []func(*rig){source, func(r *rig) { r.put("reader", grave, filtered) }, reader}, []string{"reader"}},
		{"declared by the keeper's name", []func(*rig){source, func(r *rig) { r.put(grave, grave) }, reader, source}, []string{grave, "reader"}},
		{"declared by the keeper's name, in order", []func(*rig){source, func(r *rig) { r.put(grave, grave, ordered) }, reader}, []string{grave, "reader"}},
		{"declared by the keeper's name before", []func(*rig){func(r *rig) { r.put(grave, grave) }, source, reader}, []string{grave, "reader"}},
		{"a keeper that was changed by hand", []func(*rig){source, func(r *rig) {
			r.must(r.UpdateSubscription(&transport.Subscription{Name: grave, Labels: map[string]string{"mine": "1"}}, transport.FieldLabels))
		}, reader}, []string{grave, "reader"}},
		{"one made by hand", []func(*rig){func(r *rig) {
			r.topic(grave)
			r.must(r.CreateSubscription(&transport.Subscription{Name: grave, Topic: grave}))
		}, source, reader}, []string{grave, "reader"}},
		{"the name is taken on another topic", []func(*rig){func(r *rig) { r.put(grave, orders) }, source}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				for _, step := range tc.steps {
					step(r)
				}
				got, err := r.TopicSubscriptions(grave)
				r.must(err)
				equal(t, "subscriptions", got, tc.want)
			})
		})
	}
}

func TestPutSubscription_KeeperThatHoldsMessages_Stays(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put(audit, orders, deadLetter)
		r.bury("one")
		leased := r.one(grave)
		r.put("reader", grave)
		r.wantBacklog(grave, 1)
		r.ack(grave, leased)
		r.put("reader", grave)
		_, err := r.Subscription(grave)
		wantError(t, err, transport.KindNotFound, grave)
	})
}

func TestPutSubscription_KeeperThatSomebodyWaitsAt_Stays(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put(audit, orders, deadLetter)
		stop := r.receiving(grave, transport.ReceiveSettings{}, func(context.Context, *transport.Message) error { return nil })
		synctest.Wait()
		r.put("reader", grave)
		r.must(stop())
		r.wantBacklog(grave, 0)
	})
}

func TestPutSubscription_UnderTheKeepersName_TakesItsMessages(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.put(audit, orders, deadLetter)
		r.bury("one")
		r.bury("two")
		leased := r.one(grave)
		r.put(grave, grave, ordered, pushing)
		calls := r.seen()
		if len(calls) != 2 || string(calls[0].m.Data) != "one" || string(calls[1].m.Data) != "two" {
			t.Errorf("pushed %+v", calls)
		}
		wantError(t, r.Acknowledge(grave, leased.AckID)[0], transport.KindNotFound, grave)
		r.wantBacklog(grave, 0)
		time.Sleep(time.Minute)
		if n := len(r.seen()); n != 2 {
			t.Errorf("%d pushes", n)
		}
	})
}
