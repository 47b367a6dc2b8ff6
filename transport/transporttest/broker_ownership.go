package transporttest

import (
	"maps"
	"reflect"

	"github.com/typedtasks/typedtasks/transport"
)

func messageOwnershipLaws() []brokerLaw {
	return []brokerLaw{
		{"ownership/message-kept", "What the caller does to its message after Publish returned changes nothing.", messageKept},
		{"ownership/message-changed", "Publish and the delivery change neither the caller's message nor anything that it refers to.", messageChanged},
		{"ownership/message-unchanged", "A message comes again as it was published, to every subscription.", messageUnchanged},
	}
}

func messageKept(t *brokerTrial) {
	t.needsWaiting()
	t.subscribe(t.sub(subscription))
	m := t.keyed("key", "before")
	m.Attributes = map[string]string{"value": "before", "gone": "before"}
	t.publish(m)
	clear(m.Data)
	m.Attributes["value"], m.Attributes["new"] = "after", "after"
	delete(m.Attributes, "gone")
	*m = transport.Message{Topic: otherTopic, Data: []byte("other")}
	t.publish(m) // so that a driver that kept what it must not shows it, instead of racing
	box, _ := t.receive(subscription, ack)
	got := box.next()
	if want := (map[string]string{"value": "before", "gone": "before"}); string(got.Data) != "before" || got.OrderingKey != "key" || !maps.Equal(got.Attributes, want) {
		t.errorf("received %q under key %q with attributes %q, published was %q under %q with %q", got.Data, got.OrderingKey, got.Attributes, "before", "key", want)
	}
	box.none("the other message went to another topic")
}

func messageChanged(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	room := []byte("data|beyond its length")
	made := func() *transport.Message {
		return &transport.Message{Topic: topic, OrderingKey: "key", Attributes: map[string]string{"k": "v"}, Data: room[:4]}
	}
	m, was := made(), made()
	was.Data = []byte("data")
	t.publish(m)
	box.exactly("it was acknowledged", "data")
	if !reflect.DeepEqual(m, was) {
		t.errorf("the message was %+v and is %+v", *was, *m)
	}
	if string(room) != "data|beyond its length" {
		t.errorf("the array behind Data was overwritten: %q", room)
	}
}

func messageUnchanged(t *brokerTrial) {
	t.needsWaiting()
	one := t.listen(t.sub(subscription), nackFirst(2))
	two := t.listen(t.sub(subscription+"-2"), nackFirst(1))
	m := t.keyed("key", "data")
	m.Attributes = map[string]string{"k": "v"}
	id := t.publish(m)
	for _, got := range []letter{one.next(), one.next(), one.next(), two.next(), two.next()} {
		if got.ID != id || string(got.Data) != "data" || got.OrderingKey != "key" || !maps.Equal(got.Attributes, m.Attributes) {
			t.errorf("received id %q, data %q, key %q, attributes %q; want %q and what was published", got.ID, got.Data, got.OrderingKey, got.Attributes, id)
		}
	}
	one.none("it was acknowledged")
	two.none("it was acknowledged")
}
