package broker_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

func TestTopic_Lifecycle(t *testing.T) {
	b := broker.New(broker.Config{})
	labels := map[string]string{"team": "shop"}
	if err := b.CreateTopic(&transport.Topic{Name: "b", Labels: labels}); err != nil {
		t.Fatal(err)
	}
	labels["team"] = "changed by the caller"
	got, err := b.Topic("b")
	if err != nil || got.Name != "b" || got.Labels["team"] != "shop" {
		t.Fatalf("Topic = %+v, %v", got, err)
	}
	got.Labels["team"] = "changed by the reader"
	if again, _ := b.Topic("b"); again.Labels["team"] != "shop" {
		t.Error("Topic gives its own labels away")
	}
	if err := b.UpdateTopic(&transport.Topic{Name: "b", Labels: map[string]string{"x": "y"}}); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Topic("b"); got.Labels["x"] != "y" || len(got.Labels) != 1 {
		t.Errorf("after UpdateTopic: %+v", got)
	}
	if err := b.CreateTopic(&transport.Topic{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, topic := range b.Topics() {
		names = append(names, topic.Name)
	}
	equal(t, "topics", names, []string{"a", "b"})
	wantError(t, b.CreateTopic(&transport.Topic{Name: "a"}), transport.KindExists, `create topic "a": it exists already`)
}

func TestTopic_Missing_IsNotFound(t *testing.T) {
	b := broker.New(broker.Config{})
	_, err := b.Topic("x")
	wantError(t, err, transport.KindNotFound, `topic "x"`)
	_, err = b.TopicSubscriptions("x")
	wantError(t, err, transport.KindNotFound, `topic "x"`)
	_, err = b.Publish("x", []*transport.Message{{Data: []byte("a")}})
	wantError(t, err, transport.KindNotFound, `publish to topic "x"`)
	wantError(t, b.UpdateTopic(&transport.Topic{Name: "x"}), transport.KindNotFound, `topic "x"`)
	wantError(t, b.DeleteTopic("x"), transport.KindNotFound, `topic "x"`)
}

func TestDeleteTopic_SubscriptionsStayWithWhatTheyHave(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled("b")
		r.pulled("a")
		names, err := r.TopicSubscriptions(orders)
		r.must(err)
		equal(t, "subscriptions", names, []string{"a", "b"})
		r.publish("one")
		r.must(r.DeleteTopic(orders))
		s, err := r.Subscription("a")
		r.must(err)
		if s.Topic != broker.DeletedTopic {
			t.Errorf("its topic is %q", s.Topic)
		}
		r.topic(orders) // of the same name, but another one
		r.publish("two")
		r.wantTexts("a", "one")
		r.must(r.DeleteSubscription("b"))
	})
}

func TestAutoCreate_TopicComesWithItsFirstMessage(t *testing.T) {
	b := broker.New(broker.Config{AutoCreate: true})
	ids, err := b.Publish("new", []*transport.Message{{Data: []byte("a")}})
	if err != nil || len(ids) != 1 {
		t.Fatalf("Publish: %v, %v", ids, err)
	}
	if _, err := b.Topic("new"); err != nil {
		t.Error(err)
	}
}
