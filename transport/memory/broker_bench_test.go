package memory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// BenchmarkPublishPush is one message from a struct to the struct in the handler that it is pushed to.
func BenchmarkPublishPush(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprint("ordered=", ordered), func(b *testing.B) {
			var done sync.WaitGroup
			t := subscribed(b, transport.Subscription{Name: audit, Topic: topic, Ordered: ordered, Push: &transport.PushConfig{Endpoint: endpoint}})
			defer t.Shutdown(b.Context())
			t.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
				defer done.Done()
				var w welcome
				if err := json.Unmarshal(d.Message.Data, &w); err != nil {
					return 500, 0, err
				}
				return 200, 0, nil
			})
			b.ReportAllocs()
			publishEach(b, t, &done, func(i int) string { return fmt.Sprint(i % 16) })
			done.Wait()
		})
	}
}

// BenchmarkPublishReceive is the same with a subscription that is pulled.
func BenchmarkPublishReceive(b *testing.B) {
	var done sync.WaitGroup
	t := subscribed(b, transport.Subscription{Name: audit, Topic: topic})
	defer t.Shutdown(b.Context())
	go t.Receive(b.Context(), audit, func(_ context.Context, m *transport.Message) error {
		defer done.Done()
		var w welcome
		return json.Unmarshal(m.Data, &w)
	})
	b.ReportAllocs()
	publishEach(b, t, &done, func(int) string { return "" })
	done.Wait()
}

// BenchmarkPublishWaiting is the cost of one more message, published and consumed, where n wait already.
func BenchmarkPublishWaiting(b *testing.B) {
	for _, n := range []int{1e3, 1e5, 1e6} {
		b.Run(fmt.Sprint("waiting=", n), func(b *testing.B) {
			t := subscribed(b, transport.Subscription{Name: audit, Topic: topic})
			defer t.Shutdown(b.Context())
			fillTopic(b, t, n)
			tokens := make(chan struct{})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			go t.ReceiveWith(ctx, audit, transport.ReceiveSettings{MaxOutstandingMessages: 1}, func(context.Context, *transport.Message) error {
				<-tokens
				return nil
			})
			m := &transport.Message{Topic: topic, Data: make([]byte, 120)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.Publish(b.Context(), m); err != nil {
					b.Fatal(err)
				}
				tokens <- struct{}{}
			}
			close(tokens)
		})
	}
}

// BenchmarkWaitingMessageBytes reports what a message of 120 bytes occupies that one subscription has to deliver.
func BenchmarkWaitingMessageBytes(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		t := subscribed(b, transport.Subscription{Name: audit, Topic: topic})
		fillTopic(b, t, n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/message")
		runtime.KeepAlive(t)
	}
}

func subscribed(b *testing.B, s transport.Subscription) *memory.Transport {
	b.Helper()
	t := memory.New(memory.WithMessageCapacity(1 << 30))
	if err := t.DeclareSubscription(&s); err != nil {
		b.Fatal(err)
	}
	return t
}

func publishEach(b *testing.B, t *memory.Transport, done *sync.WaitGroup, key func(int) string) {
	b.Helper()
	for i := 0; b.Loop(); i++ {
		done.Add(1)
		data, err := json.Marshal(payload)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.Publish(b.Context(), &transport.Message{Topic: topic, OrderingKey: key(i), Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

func fillTopic(b *testing.B, t *memory.Transport, n int) {
	b.Helper()
	m := &transport.Message{Topic: topic, Data: make([]byte, 120)}
	for range n {
		if _, err := t.Publish(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
