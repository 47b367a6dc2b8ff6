package transporttest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func pushLaws() []brokerLaw {
	return []brokerLaw{
		{"push/message", "A push brings the message whole, to its endpoint.", pushMessage},
		{"push/acknowledged", "The statuses 102, 200, 201, 202 and 204 acknowledge, whatever error comes with them.", pushAcknowledged},
		{"push/refused", "Every other status refuses, 203, 205 and 206 included: the message comes again.", pushRefused},
		{"push/panic", "A handler that panics has refused the message.", pushPanic},
		{"push/deadline", "A handler has its subscription's ack deadline; what takes longer is refused, whatever comes of it.", pushDeadline},
		{"push/at-once", "Messages are pushed several at a time: a slow one keeps no other waiting.", pushAtOnce},
		{"push/policy", "A retry policy's pauses hold for pushes.", pushPolicy},
		{"push/order", "An ordered subscription pushes the messages of a key one after the other, in order, refusals included.", pushOrder},
		{"push/dead-letter", "A push that was refused MaxAttempts times is dead-lettered.", pushDeadLetter},
		{"push/update", "A subscription can become pushed, and pulled again, with its backlog.", pushUpdate},
		{"push/filter", "What does not match the filter is not pushed.", pushFilter},
	}
}

func (t *brokerTrial) needsPush() {
	t.needsWaiting()
	if t.NoPush {
		t.skipf("needs pushes: BrokerDriver.NoPush is set")
	}
	if t.Serve == nil {
		t.skipf("needs pushes: there is no BrokerDriver.Serve, and the driver is no transport.Server")
	}
}

func (t *brokerTrial) pushed(name string) *transport.Subscription {
	s := t.sub(name)
	s.Push = &transport.PushConfig{Endpoint: t.endpoint(name)}
	return s
}

// takePushes serves the endpoint of a subscription with h.
func (t *brokerTrial) takePushes(name string, h transport.Handler) *postbox {
	box := t.postbox()
	t.serve(t.endpoint(name), func(ctx context.Context, d *transport.Delivery) (status int, after time.Duration, err error) {
		if d.Message == nil {
			t.errorf("a push to %s came without Delivery.Message", d.URL)
			return http.StatusOK, 0, nil
		}
		_ = box.recording(func(ctx context.Context, _ *transport.Message) error {
			status, after, err = h(ctx, d)
			return nil
		})(ctx, d.Message)
		return status, after, err
	})
	return box
}

func pushMessage(t *brokerTrial) {
	t.needsPush()
	urls := make(chan string, 10)
	s := t.pushed(subscription)
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: deadTopic}
	t.subscribe(s)
	box := t.takePushes(s.Name, func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		offer(urls, d.URL)
		return http.StatusOK, 0, nil
	})
	m := t.keyed("key", "data\x00\xff")
	m.Attributes = map[string]string{"k": "v"}
	id := t.publish(m)
	got := box.next()
	if got.ID != id || string(got.Data) != "data\x00\xff" || got.OrderingKey != "key" || !maps.Equal(got.Attributes, m.Attributes) {
		t.errorf("published %q %+v, pushed %+v", id, m, got.Message)
	}
	if got.DeliveryAttempt != 1 || transport.ResourceID(got.Subscription) != subscription || got.PublishTime.IsZero() {
		t.errorf("pushed attempt %d of subscription %q, published at %s; want 1, %q, a time", got.DeliveryAttempt, got.Subscription, got.PublishTime, subscription)
	}
	if url := <-urls; url != t.endpoint(subscription) {
		t.errorf("pushed to %q, want %q", url, t.endpoint(subscription))
	}
	t.publish(&transport.Message{Topic: topic, Attributes: map[string]string{"no": "data"}})
	if got := box.next(); len(got.Data) != 0 || got.Attributes["no"] != "data" {
		t.errorf("a message without data was pushed with %q, attributes %q", got.Data, got.Attributes)
	}
}

func pushAcknowledged(t *brokerTrial) {
	t.needsPush()
	for _, status := range []int{http.StatusProcessing, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent} {
		if status == http.StatusProcessing && !t.Bubble {
			continue // HTTP servers send it before an answer, not as one
		}
		name := fmt.Sprintf("sub-%d", status)
		t.subscribe(t.pushed(name))
		box := t.takePushes(name, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			return status, 0, errNack
		})
		t.publish(t.message(name))
		box.exactly(fmt.Sprintf("%d acknowledges", status), name)
	}
}

func pushRefused(t *brokerTrial) {
	t.needsPush()
	for _, status := range []int{203, 205, 206, 304, 400, 404, 429, 500, 503} {
		name := fmt.Sprintf("sub-%d", status)
		s := t.pushed(name)
		s.Retry = &transport.BackoffRange{Min: t.unit / 10, Max: t.unit}
		t.subscribe(s)
		box := t.takePushes(name, answers(status, http.StatusOK))
		t.publish(t.message(name))
		box.exactly(fmt.Sprintf("the first answer was %d, the second 200", status), name, name)
	}
}

func pushPanic(t *brokerTrial) {
	t.needsPush()
	t.subscribe(t.pushed(subscription))
	var calls atomic.Int32
	box := t.takePushes(subscription, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		if calls.Add(1) == 1 {
			panic("a bug in a handler")
		}
		return http.StatusOK, 0, nil
	})
	t.publish(t.message("explosive"))
	box.exactly("the second attempt succeeded", "explosive", "explosive")
}

func pushDeadline(t *brokerTrial) {
	t.needsPush()
	t.needsBubble()
	s := t.pushed(subscription)
	s.AckDeadline = 20 * time.Second
	t.subscribe(s)
	var calls atomic.Int32
	ended := make(chan error, 1)
	box := t.takePushes(subscription, func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
		if calls.Add(1) == 1 {
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Minute):
			}
			offer(ended, ctx.Err())
		}
		return http.StatusOK, 0, nil
	})
	t.publish(t.message("slow"))
	first, second := box.next(), box.next()
	if gap := second.at.Sub(first.at); gap < 20*time.Second || gap > 5*time.Minute {
		t.errorf("it was pushed again after %s, want its ack deadline, 20s, and a pause", gap)
	}
	t.wantError(<-ended, context.DeadlineExceeded, "the handler's context")
	box.none("the second attempt succeeded")
}

func pushAtOnce(t *brokerTrial) {
	t.needsPush()
	t.subscribe(t.pushed(subscription))
	g := t.gate()
	box := t.takePushes(subscription, g.before(done))
	for i := range 5 {
		t.publish(t.message(fmt.Sprint(i)))
	}
	for range 5 {
		box.next()
	}
	g.open()
	box.none("each was acknowledged")
}

func pushPolicy(t *brokerTrial) {
	t.needsPush()
	t.needsRetryPolicy()
	s := t.pushed(subscription)
	u := t.unit
	s.Retry = &transport.BackoffRange{Min: 2 * u, Max: 8 * u}
	t.subscribe(s)
	box := t.takePushes(subscription, answers(500, 500, 500, 500, 200))
	t.publish(t.message("refused"))
	before := box.next()
	for i, want := range []time.Duration{2 * u, 4 * u, 8 * u, 8 * u} {
		m := box.next()
		// The larger of the policy's pause and the one that push has of its own holds.
		if got := m.at.Sub(before.at); got < want {
			t.errorf("pause %d was %s, want at least %s", i+1, got, want)
		}
		before = m
	}
	box.none("the last attempt succeeded")
}

func pushOrder(t *brokerTrial) {
	t.needsPush()
	s := t.pushed(subscription)
	s.Ordered = true
	s.Retry = &transport.BackoffRange{Min: t.unit / 10, Max: t.unit}
	t.subscribe(s)
	seq := t.sequence()
	t.serve(t.endpoint(subscription), pushedTo(t.postbox().recording(seq.through(nackFirst(1)))))
	want := make(map[string][]string)
	t.publishKeys([]string{"a", "b"}, 0, 5, want)
	seq.wantInOrder(want)
}

func pushDeadLetter(t *brokerTrial) {
	t.needsPush()
	box, dead := t.mortalPush()
	t.publish(t.message("doomed"))
	for i := range 5 {
		if m := box.next(); m.DeliveryAttempt != i+1 {
			t.errorf("push %d says attempt %d", i+1, m.DeliveryAttempt)
		}
	}
	dead.exactly("it was dead-lettered once", "doomed")
	box.none("it was dead-lettered")
}

func (t *brokerTrial) mortalPush() (box, dead *postbox) {
	t.needsDeadLetter()
	dead = t.listen(&transport.Subscription{Name: deadSub, Topic: deadTopic}, ack)
	s := t.pushed(subscription)
	s.DeadLetter = &transport.DeadLetterPolicy{Topic: deadTopic, MaxAttempts: 5}
	s.Retry = &transport.BackoffRange{Min: t.unit / 10, Max: t.unit}
	t.subscribe(s)
	return t.takePushes(s.Name, answers(http.StatusInternalServerError)), dead
}

func pushUpdate(t *brokerTrial) {
	t.needsPush()
	t.needsAdmin()
	t.subscribe(t.sub(subscription))
	box := t.takePushes(subscription, done)
	t.publish(t.message("waiting"))
	box.none("the subscription is pulled")
	s := t.pushed(subscription)
	t.wantError(t.update(s, transport.FieldPush), nil, "UpdateSubscription to push")
	box.exactly("it was published once", "waiting")
	s.Push = nil
	t.wantError(t.update(s, transport.FieldPush), nil, "UpdateSubscription to pull")
	t.publish(t.message("pulled"))
	box.none("the subscription is pulled again")
	pulled, _ := t.receive(subscription, ack)
	pulled.exactly("the other was pushed", "pulled")
}

func pushFilter(t *brokerTrial) {
	t.needsPush()
	s := t.pushed(subscription)
	s.Filter = `attributes:wanted`
	t.subscribe(s)
	box := t.takePushes(subscription, done)
	t.publish(t.message("unwanted"))
	m := t.message("wanted")
	m.Attributes = map[string]string{"wanted": ""}
	t.publish(m)
	box.exactly("it does not match", "wanted")
}
