package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func publishLaws() []brokerLaw {
	return []brokerLaw{
		{"publish/id", "Publish answers an id of the message's own, not empty, and the message arrives under it.", publishID},
		{"publish/data", "Every byte of a message's data arrives, whatever it is.", publishData},
		{"publish/attributes", "Attributes arrive as they are: any UTF-8, empty values, none at all.", publishAttributes},
		{"publish/empty", "A message with attributes needs no data.", publishEmpty},
		{"publish/fields", "A message arrives with its ordering key, its subscription, the time of its publication in UTC, and without a topic.", publishFields},
		{"publish/error", "A refused message is a *transport.Error of OpPublish that names the topic.", publishError},
		{"publish/new-topic", "A topic that does not exist is created by its first message.", publishNewTopic},
		{"publish/nobody", "A message to a topic without subscriptions is accepted.", publishNobody},
		{"publish/cancelled", "A context that has ended publishes nothing and answers its error.", publishCancelled},
		{"publish/afterwards", "The context of Publish bounds the call and nothing after it.", publishAfterwards},
		{"publish/concurrent", "Messages that are published and received at the same time are lost nowhere.", publishConcurrent},
	}
}

func publishID(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	var mu sync.Mutex
	ids := make(map[string]string) // of data
	t.atOnce(5, func(i int) {
		for j := range 10 {
			data := fmt.Sprintf("%d-%d", i, j)
			id, err := t.attempt(t.message(data))
			t.wantError(err, nil, "Publish of %q", data)
			mu.Lock()
			ids[data] = id
			mu.Unlock()
		}
	})
	seen := make(map[string]string)
	for data, id := range ids {
		if other, ok := seen[id]; ok || id == "" {
			t.errorf("message %q got the id %q, message %q too", data, id, other)
		}
		seen[id] = data
	}
	for range ids {
		if m := box.next(); ids[string(m.Data)] != m.ID {
			t.errorf("message %q was published as %q and arrived as %q", m.Data, ids[string(m.Data)], m.ID)
		}
	}
	box.none("each message was published once")
}

func publishData(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, data := range [][]byte{
		{0}, {'x', 0}, []byte(" \r\n"), []byte("null"), {0xff, 0xfe}, every, bytes.Repeat(every, 4<<10), // 1 MiB
	} {
		t.publish(&transport.Message{Topic: topic, Data: data})
		if got := box.next().Data; !bytes.Equal(got, data) {
			t.errorf("published %s, received %s", brief(data), brief(got))
		}
	}
}

func publishAttributes(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	for _, attrs := range []map[string]string{
		nil,
		{"key": "value"},
		{"empty": ""},
		{"Key": "upper", "key": "lower"},
		{"a b/c.d": "e\nf\x00g", "\u307f\u3093\u306a": "\U0001f600", "-": "-"},
		{"content-type": "text/plain", "Authorization": "attribute", "traceparent": "00-1-2-03"},
	} {
		m := t.message("data")
		m.Attributes = attrs
		t.publish(m)
		if got := box.next().Attributes; !maps.Equal(got, attrs) {
			t.errorf("published %q, received %q", attrs, got)
		}
	}
}

func publishEmpty(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	for _, data := range [][]byte{nil, {}} {
		t.publish(&transport.Message{Topic: topic, Data: data, Attributes: map[string]string{"only": "this"}})
		if m := box.next(); len(m.Data) != 0 || m.Attributes["only"] != "this" {
			t.errorf("received data %q, attributes %q", m.Data, m.Attributes)
		}
	}
}

func publishFields(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	for _, key := range []string{"", "customer 7/\u307f"} {
		m := t.keyed(key, "data")
		m.ID, m.DeliveryAttempt, m.Subscription, m.PublishTime = "mine", 7, "mine", time.Unix(1, 0) // ignored
		before := t.now()
		id := t.publish(m)
		got := box.next()
		if got.OrderingKey != key || got.ID != id || got.DeliveryAttempt != 0 {
			t.errorf("published %q under key %q, received %q under %q, attempt %d", id, key, got.ID, got.OrderingKey, got.DeliveryAttempt)
		}
		if transport.ResourceID(got.Subscription) != subscription || got.Topic != "" {
			t.errorf("received from subscription %q, topic %q; want %q and no topic", got.Subscription, got.Topic, subscription)
		}
		const skew = time.Minute // of a broker on another machine
		if got.PublishTime.Location() != time.UTC || got.PublishTime.Sub(before).Abs() > skew {
			t.errorf("published at %s, the message says %s", before.UTC(), got.PublishTime)
		}
	}
}

// now is what the driver takes for now.
func (t *brokerTrial) now() time.Time {
	if c, err := transport.BrokerAs[transport.Clock](t.Broker); err == nil {
		return c.Now()
	}
	return time.Now()
}

func publishError(t *brokerTrial) {
	_, err := t.attempt(t.message(""))
	t.wantTyped(err, topic, transport.KindInvalid)
	_, err = t.attempt(&transport.Message{Topic: "no/topic", Data: []byte("data")})
	t.wantTyped(err, "no/topic", transport.KindInvalid)
}

// wantTyped records unless err is a *transport.Error about publishing to a topic.
func (t *brokerTrial) wantTyped(err error, topic string, kind transport.Kind) {
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		t.errorf("error %q is a %T, want a *transport.Error", text(err), err)
		return
	}
	if e.Op != transport.OpPublish || !strings.Contains(e.Resource, topic) || e.Kind != kind {
		t.errorf("error %q: verb %q, resource %q, kind %q; want %q, topic %q, %q", e, e.Op, e.Resource, e.Kind, transport.OpPublish, topic, kind)
	}
}

func publishNewTopic(t *brokerTrial) {
	t.publish(t.message("first"))
	if t.Admin != nil {
		ctx, cancel := t.context()
		defer cancel()
		if got, err := t.Admin.Topic(ctx, topic); err != nil || transport.ResourceID(got.Name) != topic {
			t.errorf("after the first message Topic(%q) = %+v, %q", topic, got, text(err))
		}
	}
	box := t.listen(t.sub(subscription), ack)
	t.publish(t.message("second"))
	box.exactly("the subscription is younger than the first message", "second")
}

func publishNobody(t *brokerTrial) {
	for range 3 {
		if id := t.publish(t.message("unheard")); id == "" {
			t.errorf("the id is empty")
		}
	}
}

func publishCancelled(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	cancelled, cancel := context.WithCancel(t.tb.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.tb.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, expired} {
		_, err := t.Broker.Publish(ctx, t.message("unborn"))
		t.wantError(err, ctx.Err(), "Publish with an ended context")
	}
	box.none("the context had ended")
}

func publishAfterwards(t *brokerTrial) {
	g := t.gate()
	if t.Eager {
		g.open() // there is no afterwards
	}
	box := t.listen(t.sub(subscription), g.beforeReceiver(ack))
	ctx, cancel := context.WithCancel(t.tb.Context())
	_, err := t.Broker.Publish(ctx, t.message("orphan"))
	cancel()
	t.wantError(err, nil, "Publish")
	if m := box.next(); m.ended != nil {
		t.errorf("the receiver's context had ended: %v", m.ended)
	}
	g.open()
	box.none("the message was taken")
}

func publishConcurrent(t *brokerTrial) {
	const publishers, each = 8, 25
	t.subscribe(t.sub(subscription))
	h := nackFirst(1)
	if t.Eager {
		h = ack // the publisher would get the error
	}
	var mu sync.Mutex
	acked := make(map[string]int)
	counting := func(ctx context.Context, m *transport.Message) error {
		err := h(ctx, m)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			acked[string(m.Data)]++
		}
		return err
	}
	t.receive(subscription, counting)
	if !t.Eager {
		t.receive(subscription, counting) // they share
	}
	t.atOnce(publishers, func(i int) {
		for j := range each {
			_, err := t.attempt(t.message(fmt.Sprintf("%d-%d", i, j)))
			t.wantError(err, nil, "Publish")
		}
	})
	t.eventually("every message was acknowledged", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acked) == publishers*each
	})
	t.pass(t.Grace)
	mu.Lock()
	defer mu.Unlock()
	for data, n := range acked {
		if n != 1 {
			t.errorf("message %q was acknowledged %d times", data, n)
		}
	}
}
