package transporttest

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func eagerBrokerLaws() []brokerLaw {
	return []brokerLaw{
		{"eager/subscribers-ran", "A broker that runs in the caller has run every subscriber when Publish returns.", eagerSubscribersRan},
		{"eager/subscriber-error", "A broker that runs in the caller returns the subscribers' errors from Publish, does not retry, and leaves none out.", eagerSubscriberError},
		{"eager/subscriber-panic", "A subscriber's panic is an error of Publish.", eagerSubscriberPanic},
		{"eager/statuses", "A broker that runs in the caller takes 102, 200, 201, 202 and 204 as done, whatever error comes with them, and no other.", eagerStatuses},
	}
}

func (t *brokerTrial) needsEager() {
	if !t.Eager {
		t.skipf("is about drivers that run in the caller: BrokerDriver.Eager is not set")
	}
}

func eagerSubscribersRan(t *brokerTrial) {
	t.needsEager()
	var ran atomic.Int32
	for _, name := range []string{"first-sub", "second-sub", "third-sub"} {
		t.listen(t.sub(name), func(context.Context, *transport.Message) error {
			ran.Add(1)
			return nil
		})
	}
	t.publish(t.message("data"))
	if n := ran.Load(); n != 3 {
		t.errorf("%d subscribers ran before Publish returned, want 3", n)
	}
}

func eagerSubscriberError(t *brokerTrial) {
	t.needsEager()
	one, two := errors.New("one"), errors.New("two")
	boxes := []*postbox{
		t.listen(t.sub("first-sub"), func(context.Context, *transport.Message) error { return one }),
		t.listen(t.sub("second-sub"), ack),
		t.listen(t.sub("third-sub"), func(context.Context, *transport.Message) error { return two }),
	}
	_, err := t.attempt(t.message("data"))
	t.wantError(err, one, "Publish")
	t.wantError(err, two, "Publish")
	for _, box := range boxes {
		box.exactly("the caller has the error", "data")
	}
}

func eagerSubscriberPanic(t *brokerTrial) {
	t.needsEager()
	t.listen(t.sub(subscription), func(context.Context, *transport.Message) error { panic("a bug in a handler") })
	if _, err := t.attempt(t.message("data")); err == nil {
		t.errorf("Publish to a subscriber that panics: no error")
	}
}

func eagerStatuses(t *brokerTrial) {
	t.needsEager()
	t.subscribe(t.sub(subscription))
	var status atomic.Int32
	t.serve(t.endpoint(subscription), func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		return int(status.Load()), 0, errNack
	})
	for code, done := range map[int]bool{
		http.StatusProcessing: true, 200: true, 201: true, 202: true, 204: true,
		203: false, 205: false, 206: false, 304: false, 404: false, 500: false,
	} {
		status.Store(int32(code))
		if _, err := t.attempt(t.message("data")); (err == nil) != done {
			t.errorf("a subscriber answers %d: error %q", code, text(err))
		}
	}
}
