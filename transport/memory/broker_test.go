package memory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

var _ interface {
	transport.Broker
	transport.BatchPublisher
	transport.BrokerAdmin
	transport.Receiver
	transport.FlowReceiver
	transport.SubscriptionDeclarer
	transport.SubscriptionBacklogger
} = (*memory.Transport)(nil)

const (
	topic    = "orders"
	audit    = "audit"
	endpoint = "https://shop.example.com/_tasks/subscriptions/audit"
)

func message(text string) *transport.Message {
	return &transport.Message{Topic: topic, Data: []byte(text)}
}

func publish(t *testing.T, tr *memory.Transport, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := tr.Publish(context.Background(), message(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func declare(t *testing.T, tr *memory.Transport, s transport.Subscription) {
	t.Helper()
	if s.Topic == "" {
		s.Topic = topic
	}
	if err := tr.DeclareSubscription(&s); err != nil {
		t.Fatal(err)
	}
}

func wantSubscriptionBacklog(t *testing.T, tr *memory.Transport, name string, want int) {
	t.Helper()
	if n, err := tr.SubscriptionBacklog(t.Context(), name); err != nil || n != want {
		t.Errorf("backlog of %q = %d, %v; want %d", name, n, err, want)
	}
}

func TestPush_StatusesThatAcknowledge(t *testing.T) {
	for status, acknowledges := range map[int]bool{102: true, 200: true, 201: true, 202: true, 203: false, 204: true, 206: false, 301: false, 404: false, 500: false} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := memory.New()
				declare(t, tr, transport.Subscription{Name: audit, Push: &transport.PushConfig{Endpoint: endpoint}})
				answer(t, tr, status)
				publish(t, tr, "one")
				synctest.Wait()
				want := 1
				if acknowledges {
					want = 0
				}
				wantSubscriptionBacklog(t, tr, audit, want)
				if tr.Backlog() != 0 {
					t.Errorf("Backlog counts messages: %d", tr.Backlog())
				}
			})
		})
	}
}

func TestPush_Delivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var got []transport.Delivery
		serve := func(d *transport.Delivery) (int, time.Duration, error) {
			got = append(got, *d)
			switch len(got) {
			case 1:
				return 500, 0, errors.New("sick")
			case 2:
				panic("boom")
			}
			return 204, 0, nil
		}
		declare(t, tr, transport.Subscription{Name: "plain", Push: &transport.PushConfig{Endpoint: "https://other.example.com/plain"}})
		declare(t, tr, transport.Subscription{
			Name: audit, Push: &transport.PushConfig{Endpoint: endpoint}, AckDeadline: 20 * time.Second,
			DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead"},
		})
		publish(t, tr, "one") // nobody serves yet: a nack
		synctest.Wait()
		err := tr.Serve("https://shop.example.com/_tasks", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) { return serve(d) })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != 3 {
			t.Fatalf("%d deliveries: %+v", len(got), got)
		}
		for i, d := range got {
			m := d.Message
			if d.URL != endpoint || d.Timeout != 20*time.Second || d.Attempt != i+2 || d.Body != nil || d.Queue != "" || m == nil ||
				string(m.Data) != "one" || m.Subscription != audit || m.DeliveryAttempt != i+2 || m.ID == "" {
				t.Errorf("delivery %d: %+v with %+v", i, d, m)
			}
		}
		serve = func(d *transport.Delivery) (int, time.Duration, error) {
			if d.URL != "https://other.example.com/plain" || d.Attempt != 1 || d.Message.DeliveryAttempt != 0 {
				t.Errorf("without a dead-letter policy: %+v with %+v", d, d.Message)
			}
			return 200, 0, nil
		}
		if err := tr.Serve("https://other.example.com", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) { return serve(d) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantSubscriptionBacklog(t, tr, "plain", 0)
		wantSubscriptionBacklog(t, tr, audit, 0)
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPublish_Errors(t *testing.T) {
	tr := memory.New(memory.WithMessageCapacity(2), memory.WithMessageCapacityBytes(100))
	declare(t, tr, transport.Subscription{Name: audit})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tr.Publish(ended, message("a"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `publish to topic "orders"`) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if _, err := tr.Publish(t.Context(), message("")); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("empty: %v", err)
	}
	if _, err := tr.Publish(t.Context(), message(string(make([]byte, 101)))); !errors.Is(err, transport.ErrCapacity) {
		t.Errorf("more bytes than there may be: %v", err)
	}
	publish(t, tr, "a", "b")
	if _, err := tr.Publish(t.Context(), message("c")); !errors.Is(err, transport.ErrCapacity) {
		t.Errorf("more messages than there may be: %v", err)
	}
	wantSubscriptionBacklog(t, tr, audit, 2)
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Publish(t.Context(), message("a")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("after Shutdown: %v", err)
	}
}

func TestPublishBatch_OneThatFailsFailsItsKey(t *testing.T) {
	tr := memory.New()
	declare(t, tr, transport.Subscription{Name: audit})
	ms := []*transport.Message{
		{Topic: topic, OrderingKey: "a", Data: []byte("a1")},
		{Topic: topic, OrderingKey: "a"}, // empty
		{Topic: topic, OrderingKey: "b", Data: []byte("b1")},
		{Topic: "projects/p/topics/" + topic, OrderingKey: "a", Data: []byte("a3")},
		{Topic: "other", OrderingKey: "a", Data: []byte("of another topic")},
		{Topic: topic},
		{Topic: topic, Data: []byte("free")},
	}
	var ok []bool
	for i, r := range tr.PublishBatch(t.Context(), ms) {
		ok = append(ok, r.Err == nil)
		if (r.Err == nil) != (r.Receipt.ID != "") {
			t.Errorf("result %d: %+v", i, r)
		}
		if i == 3 && !errors.Is(r.Err, transport.ErrInvalid) { // the cause is that of the one before
			t.Errorf("what follows: %v", r.Err)
		}
	}
	if want := []bool{true, false, true, false, true, false, true}; !slices.Equal(ok, want) {
		t.Errorf("results %v, want %v", ok, want)
	}
	wantSubscriptionBacklog(t, tr, audit, 3)
}

func TestNames_FullOnesCountByTheirID(t *testing.T) {
	tr := memory.New()
	ctx := t.Context()
	if err := tr.CreateTopic(ctx, &transport.Topic{Name: "projects/p/topics/orders", Labels: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	if err := tr.CreateTopic(ctx, &transport.Topic{Name: "orders-dead"}); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Topic(ctx, "projects/p/topics/orders"); err != nil || got.Name != topic || got.Labels["a"] != "b" {
		t.Errorf("Topic = %+v, %v", got, err)
	}
	s := &transport.Subscription{
		Name: "projects/p/subscriptions/audit", Topic: "projects/p/topics/orders",
		DeadLetter: &transport.DeadLetterPolicy{Topic: "projects/p/topics/orders-dead"},
	}
	for range 2 {
		if err := tr.CreateSubscription(ctx, s); err != nil {
			t.Fatal(err)
		}
		got, err := tr.Subscription(ctx, "projects/q/subscriptions/audit")
		if err != nil || got.Name != audit || got.Topic != topic || got.DeadLetter.Topic != "orders-dead" || s.DeadLetter.Topic == "orders-dead" {
			t.Errorf("Subscription = %+v, %v", got, err)
		}
		if _, err := tr.Publish(ctx, &transport.Message{Topic: "projects/p/topics/orders", Data: []byte("one")}); err != nil {
			t.Fatal(err)
		}
		receiving, stop := context.WithCancel(ctx)
		err = tr.Receive(receiving, "projects/p/subscriptions/audit", func(_ context.Context, m *transport.Message) error {
			if m.Subscription != audit {
				t.Errorf("it comes from %q", m.Subscription)
			}
			stop()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		wantSubscriptionBacklog(t, tr, "projects/p/subscriptions/audit", 0)
		if err := tr.DeleteSubscription(ctx, "projects/p/subscriptions/audit"); err != nil {
			t.Error(err)
		}
	}
}

func TestBrokerAdmin_Errors(t *testing.T) {
	tr := memory.New()
	ctx := t.Context()
	publish(t, tr, "makes the topic")
	dead := &transport.DeadLetterPolicy{Topic: "orders-dead"}
	sub := func(name, topic string, d *transport.DeadLetterPolicy) *transport.Subscription {
		return &transport.Subscription{Name: name, Topic: topic, DeadLetter: d}
	}
	if err := tr.CreateSubscription(ctx, sub(audit, topic, nil)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		err  error
		want error
	}{
		{"topic with a bad name", tr.CreateTopic(ctx, &transport.Topic{Name: "a"}), transport.ErrInvalid},
		{"topic that exists", tr.CreateTopic(ctx, &transport.Topic{Name: topic}), transport.ErrExists},
		{"subscription with a bad name", tr.CreateSubscription(ctx, sub("goog", topic, nil)), transport.ErrInvalid},
		{"bad topic name", tr.CreateSubscription(ctx, sub("new", "1", nil)), transport.ErrInvalid},
		{"bad dead-letter topic", tr.CreateSubscription(ctx, sub("new", topic, &transport.DeadLetterPolicy{})), transport.ErrInvalid},
		{"missing topic", tr.CreateSubscription(ctx, sub("new", "missing", nil)), transport.ErrNotFound},
		{"missing dead-letter topic", tr.CreateSubscription(ctx, sub("new", topic, dead)), transport.ErrNotFound},
		{"subscription that exists", tr.CreateSubscription(ctx, sub(audit, topic, nil)), transport.ErrExists},
		{"update of none", tr.UpdateSubscription(ctx, sub("none", "", nil)), transport.ErrNotFound},
		{"update of a bad name", tr.UpdateSubscription(ctx, sub("", "", nil)), transport.ErrInvalid},
		{"update to a missing dead-letter topic", tr.UpdateSubscription(ctx, sub(audit, "", dead), transport.FieldDeadLetter), transport.ErrNotFound},
		{"update of another field", tr.UpdateSubscription(ctx, sub(audit, "", dead), transport.FieldLabels), nil},
		{"declaration with a bad name", tr.DeclareSubscription(sub("", topic, nil)), transport.ErrInvalid},
		{"deletion of none", tr.DeleteSubscription(ctx, "none"), transport.ErrNotFound},
	} {
		if !errors.Is(tc.err, tc.want) || tc.want == nil && tc.err != nil {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
	}
	if got, err := tr.Subscription(ctx, audit); err != nil || got.DeadLetter != nil {
		t.Errorf("after the updates: %+v, %v", got, err)
	}
}

func TestSubscriptions_ByName_UntilTheContextEnds(t *testing.T) {
	tr := memory.New()
	for _, name := range []string{"ccc", "aaa", "bbb"} {
		declare(t, tr, transport.Subscription{Name: name})
	}
	var names []string
	for s, err := range tr.Subscriptions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if names = append(names, s.Name); len(names) == 2 {
			break
		}
	}
	if !slices.Equal(names, []string{"aaa", "bbb"}) {
		t.Errorf("names %v", names)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for s, err := range tr.Subscriptions(ctx) {
		if s != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", s, err)
		}
	}
}

func TestShutdown_TasksAndMessagesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		start := time.Now()
		declare(t, tr, transport.Subscription{Name: "pushed", Push: &transport.PushConfig{Endpoint: endpoint}, AckDeadline: 600 * time.Second})
		declare(t, tr, transport.Subscription{Name: "pulled"})
		var mu sync.Mutex
		var puts int
		both := func(after time.Duration) {
			time.Sleep(after)
			_, err := tr.Enqueue(context.Background(), &transport.Task{Queue: queue, URL: url})
			_, err2 := tr.Publish(context.Background(), message("late"))
			if err := errors.Join(err, err2); err != nil {
				t.Errorf("after %v: %v", after, err)
			}
			mu.Lock()
			defer mu.Unlock()
			puts++
		}
		err := tr.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Message != nil {
				both(2 * time.Minute)
			} else {
				both(time.Minute)
			}
			return 200, 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		received := make(chan error, 1)
		go func() {
			received <- tr.Receive(context.Background(), "pulled", func(context.Context, *transport.Message) error {
				both(3 * time.Minute)
				return nil
			})
		}()
		enqueue(t, tr, "")
		publish(t, tr, "one")
		synctest.Wait()
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-received; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Receive: %v", err)
		}
		if took := time.Since(start); took != 3*time.Minute || puts != 3 {
			t.Errorf("took %v, %d handlers put something in", took, puts)
		}
		if _, err := tr.Enqueue(t.Context(), &transport.Task{Queue: queue, URL: url}); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Enqueue after it: %v", err)
		}
		if tr.Backlog() != 3 {
			t.Errorf("%d tasks left, want 3", tr.Backlog())
		}
		wantSubscriptionBacklog(t, tr, "pushed", 3)
		wantSubscriptionBacklog(t, tr, "pulled", 3)
	})
}

func TestShutdown_ContextEnds_BothAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		declare(t, tr, transport.Subscription{Name: audit, Push: &transport.PushConfig{Endpoint: endpoint}})
		err := tr.Serve("", func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 500, 0, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, tr, "")
		publish(t, tr, "one")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = tr.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 attempts") || !strings.Contains(err.Error(), "1 messages") {
			t.Errorf("Shutdown: %v", err)
		}
		synctest.Wait()
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func ExampleTransport_Publish() {
	t := memory.New()
	ctx, stop := context.WithCancel(context.Background())
	err := t.DeclareSubscription(&transport.Subscription{Name: "audit", Topic: "orders", Filter: `attributes.region = "emea"`})
	if err != nil {
		panic(err)
	}
	for region, order := range map[string]string{"emea": "a table", "apac": "a chair"} {
		_, err := t.Publish(ctx, &transport.Message{Topic: "orders", Data: []byte(order), Attributes: map[string]string{"region": region}})
		if err != nil {
			panic(err)
		}
	}
	err = t.Receive(ctx, "audit", func(_ context.Context, m *transport.Message) error {
		fmt.Printf("%s from %s\n", m.Data, m.Subscription)
		stop()
		return nil
	})
	left, _ := t.SubscriptionBacklog(ctx, "audit")
	fmt.Println(err, left)
	// Output:
	// a table from audit
	// <nil> 0
}
