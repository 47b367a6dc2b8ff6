package cloudpubsub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// gated is a server whose first so many requests to publish wait until they are released.
func gated(n int, topics ...string) (s *server, release func()) {
	s = newServer(topics...)
	open := make(chan struct{})
	var mu sync.Mutex
	s.hook = func(ctx context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "Publish" {
			mu.Lock()
			n--
			waits := n >= 0
			mu.Unlock()
			if waits {
				select {
				case <-open:
				case <-ctx.Done():
					return nil, status.FromContextError(ctx.Err()).Err()
				}
			}
		}
		return handle()
	}
	return s, func() { close(open) }
}

// callers publish at the same time and are waited for.
type callers struct {
	t    *testing.T
	b    transport.Broker
	done sync.WaitGroup
	mu   sync.Mutex
	ids  map[string]string // of data
}

func newCallers(t *testing.T, b transport.Broker) *callers {
	return &callers{t: t, b: b, ids: map[string]string{}}
}

func (c *callers) publish(m *transport.Message) {
	c.done.Go(func() {
		id, err := c.b.Publish(c.t.Context(), m)
		if err != nil {
			c.t.Errorf("Publish %.20q: %v", m.Data, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ids[string(m.Data)] = id
	})
}

// wait also checks that each got the id of its own message.
func (c *callers) wait(s *server) {
	c.done.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.messages {
		if got := c.ids[string(m.Data)]; got != fmt.Sprint(i+1) {
			c.t.Errorf("message %.20q is stored as %d, its caller got id %q", m.Data, i+1, got)
		}
	}
	if len(s.messages) != len(c.ids) {
		c.t.Errorf("%d messages are stored, %d were published", len(s.messages), len(c.ids))
	}
}

// bubble runs f on a clock of its own, against a server within the process.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestPublish_SendsMessageAndReturnsID(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t)
	m := &transport.Message{Topic: "orders", Data: []byte("data"), Attributes: map[string]string{"k": "v"}, OrderingKey: "key", ID: "ignored"}
	if id := publish(t, b, m); id != "1" {
		t.Errorf("id %q", id)
	}
	publish(t, b, &transport.Message{Topic: "projects/emulator/topics/orders", Attributes: map[string]string{"only": "this"}})
	got := s.calls("Publish")[0].(*pubsubpb.PublishRequest)
	want := &pubsubpb.PublishRequest{Topic: project + "/topics/orders", Messages: []*pubsubpb.PubsubMessage{{Data: []byte("data"), Attributes: map[string]string{"k": "v"}, OrderingKey: "key"}}}
	if !proto.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestPublish_QuietTopic_WaitsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		b := s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{DelayThreshold: time.Hour}))
		began := time.Now()
		for range 3 {
			publish(t, b, message("one"))
			publish(t, b, keyed("key", "two"))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
		if got := s.sizes(); !slices.Equal(got, []int{1, 1, 1, 1, 1, 1}) {
			t.Errorf("requests of %v messages", got)
		}
	})
}

func TestPublish_WhileRequestIsInFlight_OthersGather(t *testing.T) {
	for name, c := range map[string]struct {
		settings pubsub.PublishSettings
		key      string
		messages int
		meanwhile,
		all []int // messages of requests, before the first is back and at the end
	}{
		"until it is back":             {settings: pubsub.PublishSettings{DelayThreshold: time.Hour}, messages: 20, meanwhile: []int{1}, all: []int{1, 20}},
		"up to the count":              {settings: pubsub.PublishSettings{DelayThreshold: time.Hour, CountThreshold: 8}, messages: 20, meanwhile: []int{1, 8, 8}, all: []int{1, 8, 8, 4}},
		"up to the bytes":              {settings: pubsub.PublishSettings{DelayThreshold: time.Hour, ByteThreshold: 28}, messages: 8, meanwhile: []int{1, 4, 4}, all: []int{1, 4, 4}},
		"of a key, until it is back":   {settings: pubsub.PublishSettings{DelayThreshold: time.Millisecond}, key: "key", messages: 20, meanwhile: []int{1}, all: []int{1, 20}},
		"of a key, as many as may be":  {settings: pubsub.PublishSettings{CountThreshold: 8}, key: "key", messages: 20, meanwhile: []int{1}, all: []int{1, 8, 8, 4}},
		"never more than Pub/Sub does": {settings: pubsub.PublishSettings{DelayThreshold: time.Hour, CountThreshold: 5000}, messages: 1200, meanwhile: []int{1, 1000}, all: []int{1, 1000, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, release := gated(1, "orders")
				all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(c.settings)))
				all.publish(keyed(c.key, "first"))
				synctest.Wait()
				for i := range c.messages {
					all.publish(keyed(c.key, fmt.Sprintf("%05d", i)))
				}
				synctest.Wait()
				if got := s.sizes(); !slices.Equal(got, c.meanwhile) {
					t.Errorf("while the first is in flight: requests of %v messages, want %v", got, c.meanwhile)
				}
				release()
				all.wait(s)
				if got := s.sizes(); !slices.Equal(got, c.all) {
					t.Errorf("in the end: requests of %v messages, want %v", got, c.all)
				}
			})
		})
	}
}

func TestPublish_WhileRequestIsInFlight_NobodyWaitsLongerThanTheDelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{DelayThreshold: time.Second})))
		all.publish(message("first"))
		synctest.Wait()
		all.publish(message("second"))
		<-time.After(900 * time.Millisecond)
		all.publish(message("third"))
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("requests of %v messages before the delay", got)
		}
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("requests of %v messages after the delay", got)
		}
		release()
		all.wait(s)
	})
}

func TestPublish_RequestStaysBelowWhatPubSubTakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{DelayThreshold: time.Hour, ByteThreshold: 100e6})))
		all.publish(message("first"))
		synctest.Wait()
		for i := range 5 {
			all.publish(message(fmt.Sprint(i) + strings.Repeat("x", 3e6)))
		}
		synctest.Wait()
		release()
		all.wait(s)
		if got := s.sizes(); !slices.Equal(got, []int{1, 3, 2}) {
			t.Errorf("requests of %v messages, want 3 and 2 of 3 MB", got)
		}
		for _, r := range s.calls("Publish") {
			if n := proto.Size(r); n > pubsub.MaxPublishRequestBytes {
				t.Errorf("a request of %d bytes", n)
			}
		}
	})
}

func TestPublish_Key_OneRequestAtATimeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(2, "orders")
		all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{CountThreshold: 2})))
		var want []string
		for _, key := range []string{"a", "b"} {
			for i := range 9 {
				all.publish(keyed(key, fmt.Sprint(key, i)))
				synctest.Wait()
			}
		}
		for i := range 9 {
			want = append(want, fmt.Sprint("a", i))
		}
		if got := s.sizes(); !slices.Equal(got, []int{1, 1}) { // a key does not wait for another
			t.Errorf("requests of %v messages while the first of each key is in flight", got)
		}
		release()
		all.wait(s)
		if got := s.stored("a"); !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

func TestPublish_KeyThatFailed_IsNotHeldUp(t *testing.T) {
	s := newServer("orders")
	fail := true
	s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
		if fail {
			return nil, status.Error(codes.FailedPrecondition, "injected")
		}
		return handle()
	}
	b := s.dial(t)
	_, err := b.Publish(t.Context(), keyed("key", "one"))
	requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindOther)
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("error %v hides its code", err)
	}
	fail = false
	publish(t, b, keyed("key", "two"))
}

func TestPublish_Errors_SayWhatToDo(t *testing.T) {
	for code, c := range map[codes.Code]struct {
		kind transport.Kind
		text string
	}{
		codes.PermissionDenied: {transport.KindOther, "roles/pubsub.publisher"},
		codes.InvalidArgument:  {transport.KindInvalid, "injected"},
		codes.Unimplemented:    {transport.KindUnsupported, "injected"},
	} {
		t.Run(code.String(), func(t *testing.T) {
			s := newServer()
			s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
				return nil, status.Error(code, "injected")
			}
			b := s.dial(t)
			_, err := b.Publish(t.Context(), message("one"))
			requireKind(t, err, transport.OpPublish, `topic "orders"`, c.kind)
			if status.Code(err) != code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, code %v, want %v and %q", err, status.Code(err), code, c.text)
			}
			r := b.PublishBatch(t.Context(), []*transport.Message{message("one")})
			requireKind(t, r[0].Err, transport.OpPublish, `topic "orders"`, c.kind)
		})
	}
}

func TestPublish_BadTopicName_IsInvalid(t *testing.T) {
	b := newServer().dial(t)
	for _, name := range []string{"", "no", "a/b", "projects/p/orders", "projects//topics/orders", "projects/p/subscriptions/orders", "projects/p/topics/x/orders"} {
		_, err := b.Publish(t.Context(), &transport.Message{Topic: name, Data: []byte("x")})
		if !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("topic %q: error %v", name, err)
		}
	}
}

func TestPublish_WhatMayPass_IsRetriedAsByTheClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		faults := []codes.Code{codes.Unavailable, codes.Aborted, codes.Internal, codes.ResourceExhausted, codes.Unknown, codes.DeadlineExceeded, codes.Canceled}
		left := slices.Clone(faults)
		s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
			if len(left) == 0 {
				return handle()
			}
			code := left[0]
			left = left[1:]
			return nil, status.Error(code, "injected")
		}
		b := s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{Timeout: time.Hour}))
		publish(t, b, message("one"))
		if n := len(s.sizes()); n != len(faults)+1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestPublish_LostAnswer_IsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		lost := false
		s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
			r, err := handle()
			if !lost {
				lost = true
				return nil, status.Error(codes.Unavailable, "injected")
			}
			return r, err
		}
		if id := publish(t, s.pipe(t), keyed("key", "one")); id != "2" {
			t.Errorf("id %q, want that of the second time", id)
		}
	})
}

func TestPublish_Timeout_EndsTheRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
			return nil, status.Error(codes.Unavailable, "injected")
		}
		b := s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{Timeout: 5 * time.Second}))
		for _, m := range []*transport.Message{message("one"), keyed("key", "two")} {
			began := time.Now()
			_, err := b.Publish(t.Context(), m)
			if err == nil || time.Since(began) > 5*time.Second {
				t.Errorf("%s: %v after %v", m.Data, err, time.Since(began))
			}
			requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindOther)
		}
	})
}

func TestPublish_ContextEnds_CallerReturnsAtOnce(t *testing.T) {
	for name, key := range map[string]string{"alone": "", "of a key": "key"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, release := gated(1, "orders")
				b := s.pipe(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				m := keyed(key, "first")
				m.Attributes = map[string]string{"k": "v"}
				_, err := b.Publish(ctx, m)
				requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindOther)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				m.Data[0], m.Attributes["k"] = 'X', "X" // the message is the caller's again
				release()
				publish(t, b, keyed(key, "second"))
				if got := s.stored(key); key != "" && !slices.Equal(got, []string{"first", "second"}) {
					t.Errorf("stored %q", got)
				}
			})
		})
	}
}

func TestPublish_ContextEndsWhileGathering_OthersAreNotHarmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		b := s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{DelayThreshold: time.Hour}))
		all := newCallers(t, b)
		all.publish(message("first"))
		synctest.Wait()
		all.publish(message("second"))
		ctx, cancel := context.WithCancel(t.Context())
		var left sync.WaitGroup
		left.Go(func() {
			if _, err := b.Publish(ctx, message("gone")); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
		synctest.Wait()
		cancel()
		left.Wait()
		release()
		all.done.Wait()
		if got := s.stored(""); len(got) != 3 { // it had joined them already
			t.Errorf("stored %q", got)
		}
	})
}

func TestPublish_MessageIsTheCallersAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		b := s.pipe(t)
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				m := keyed([]string{"", "key"}[i%2], "before")
				m.Attributes = map[string]string{"k": "before"}
				was := maps.Clone(m.Attributes)
				publish(t, b, m)
				if string(m.Data) != "before" || !reflect.DeepEqual(m.Attributes, was) {
					t.Error("the message was changed")
				}
				copy(m.Data, "after!")
				m.Attributes["k"] = "after"
			})
		}
		all.Wait()
		for _, r := range s.calls("Publish") {
			for _, m := range r.(*pubsubpb.PublishRequest).Messages {
				if string(m.Data) != "before" || m.Attributes["k"] != "before" {
					t.Errorf("sent %v", m)
				}
			}
		}
	})
}

func TestPublish_ManyCallersAndKeys_LoseNothing(t *testing.T) {
	s := newServer()
	calls := 0
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		s.mu.Lock()
		calls++
		n := calls
		s.mu.Unlock()
		if method == "Publish" && n%5 == 0 {
			return nil, status.Error(codes.FailedPrecondition, "injected")
		}
		return handle()
	}
	b := s.dial(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{CountThreshold: 7, NumGoroutines: 3}))
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			key := []string{"", "a", "b", fmt.Sprint("own-", i)}[i%4]
			for j := range 25 {
				for {
					_, err := b.Publish(t.Context(), keyed(key, fmt.Sprintf("%d-%d", i, j)))
					if err == nil {
						break
					}
					if status.Code(err) != codes.FailedPrecondition {
						t.Errorf("error %v", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	// Nothing that was refused is stored, so each message is there once, and a caller's own come in their order.
	last := map[string]int{}
	for _, m := range s.messages {
		var i, j int
		if _, err := fmt.Sscanf(string(m.Data), "%d-%d", &i, &j); err != nil {
			t.Fatal(err)
		}
		if key := fmt.Sprint(i); last[key] != j {
			t.Errorf("caller %d: message %d comes where %d should", i, j, last[key])
		} else {
			last[key]++
		}
	}
	if len(s.messages) != 40*25 {
		t.Errorf("%d messages are stored", len(s.messages))
	}
	if n := len(s.calls("CreateTopic")); n != 1 {
		t.Errorf("the topic was created %d times", n)
	}
}
