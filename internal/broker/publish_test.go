package broker_test

import (
	"context"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

func TestPublish_GoesToEverySubscriptionWhoseFilterMatches(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled("all")
		r.pulled("emea", func(s *transport.Subscription) { s.Filter = `attributes.region = "emea"` })
		r.pulled("none", func(s *transport.Subscription) { s.Filter = `attributes:missing` })
		_, err := r.Publish(orders, []*transport.Message{
			{Data: []byte("here"), Attributes: map[string]string{"region": "emea"}},
			{Data: []byte("there"), Attributes: map[string]string{"region": "apac"}},
			{Data: []byte("nowhere")},
		})
		r.must(err)
		r.wantBacklog("none", 0)
		r.wantTexts("all", "here", "there", "nowhere")
		r.wantTexts("emea", "here")
		r.pulled("late") // sees only what comes after it
		r.publish("new")
		r.wantTexts("late", "new")
	})
}

func TestPublish_MessageArrivesAsItWas(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.pulled("dead", deadLetter)
		m := &transport.Message{
			Topic: "ignored", ID: "ignored", OrderingKey: "k", Data: []byte("data"), Attributes: map[string]string{"a": "b"}, DeliveryAttempt: 7,
		}
		ids, err := r.Publish(orders, []*transport.Message{m})
		r.must(err)
		m.Data[0], m.Attributes["a"] = 'X', "X"
		time.Sleep(time.Second)
		for _, tc := range []struct {
			sub     string
			attempt int
		}{{audit, 0}, {"dead", 1}} {
			got := r.one(tc.sub).Message
			if got.ID != ids[0] || got.Topic != "" || got.OrderingKey != "k" || string(got.Data) != "data" || !maps.Equal(got.Attributes, map[string]string{"a": "b"}) ||
				!got.PublishTime.Equal(r.start) || got.PublishTime.Location() != time.UTC || got.Subscription != tc.sub || got.DeliveryAttempt != tc.attempt {
				t.Errorf("%s: %+v", tc.sub, got)
			}
			got.Data[0], got.Attributes["a"] = 'Y', "Y" // its own
		}
	})
}

func TestPublish_IDsAreDecimalAndRise(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		last := uint64(0)
		for _, id := range append(r.publish("a", "b"), r.publish("c")...) {
			n, err := strconv.ParseUint(id, 10, 64)
			if err != nil || n <= last {
				t.Errorf("id %q after %d: %v", id, last, err)
			}
			last = n
		}
	})
}

func TestPublish_Capacity_AllOrNone(t *testing.T) {
	batch := func(n, size int) (ms []*transport.Message) {
		for range n {
			ms = append(ms, &transport.Message{Data: make([]byte, size)})
		}
		return ms
	}
	for _, tc := range []struct {
		name     string
		cfg      broker.Config
		fits     []*transport.Message
		tooMany  []*transport.Message
		contains string
	}{
		{"messages count in each subscription", broker.Config{Capacity: 6}, batch(3, 1), batch(1, 1), "6 messages wait to be acknowledged, and 2 more would pass the limit of 6"},
		{"a batch", broker.Config{Capacity: 6}, batch(2, 1), batch(2, 1), "4 messages"},
		{"bytes count once", broker.Config{CapacityBytes: 30}, batch(3, 10), batch(1, 1), "30 bytes wait to be acknowledged, and 1 more would pass the limit of 30"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubbleWith(t, tc.cfg, func(t *testing.T, r *rig) {
				r.pulled("a")
				r.pulled("b")
				_, err := r.Publish(orders, tc.fits)
				r.must(err)
				_, err = r.Publish(orders, tc.tooMany)
				wantError(t, err, transport.KindCapacity, tc.contains)
				r.wantBacklog("a", len(tc.fits))
				r.ack("a", r.pull("a", 100)...)
				r.ack("b", r.pull("b", 100)...)
				_, err = r.Publish(orders, tc.tooMany)
				r.must(err)
			})
		})
	}
}

func TestPublish_NobodySubscribes_TakesNoRoom(t *testing.T) {
	bubbleWith(t, broker.Config{Capacity: 1, CapacityBytes: 1}, func(t *testing.T, r *rig) {
		for range 3 {
			r.publish("larger than the capacity")
		}
	})
}

func TestPublish_Full_MakesRoomByDroppingWhatIsOldOrAcknowledged(t *testing.T) {
	bubbleWith(t, broker.Config{CapacityBytes: 30}, func(t *testing.T, r *rig) {
		r.pulled(audit, retained, func(s *transport.Subscription) { s.Retention = 10 * time.Minute })
		r.publish("ten bytes.", "ten bytes.", "ten bytes.")
		r.ack(audit, r.pull(audit, 3)...)
		r.publish("twenty bytes, 20 of.") // drops two of the acknowledged
		r.must(r.Seek(audit, r.start))
		r.wantBacklog(audit, 2)
		time.Sleep(10 * time.Minute)
		r.publish("thirty bytes, thirty of them..") // drops what is too old
		r.wantBacklog(audit, 1)
	})
}

func TestPublish_Retained_CountBoundedByCapacity(t *testing.T) {
	bubbleWith(t, broker.Config{Capacity: 5}, func(t *testing.T, r *rig) {
		r.pulled(audit, retained)
		for i := range 20 {
			r.publish(strconv.Itoa(i))
			r.ack(audit, r.one(audit))
		}
		r.must(r.Seek(audit, r.start))
		r.wantTexts(audit, "15", "16", "17", "18", "19")
	})
}

func TestPublish_AfterShutdown_IsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.must(r.Shutdown(context.Background()))
		_, err := r.Publish(orders, []*transport.Message{{Data: []byte("a")}})
		wantError(t, err, transport.KindClosed, `publish to topic "orders"`)
	})
}
