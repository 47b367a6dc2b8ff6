package emulator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// receive runs Google's subscriber on audit until done is closed. Each message goes to f.
func (r *pubsubRig) receive(done <-chan struct{}, f func(*pubsub.Message)) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	received := make(chan error, 1)
	go func() {
		received <- r.client().Subscriber("audit").Receive(ctx, func(_ context.Context, m *pubsub.Message) { f(m) })
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		r.t.Errorf("not done after 60 s; %d messages are left", r.backlog(audit))
	}
	cancel()
	if err := <-received; err != nil {
		r.t.Errorf("Receive: %v", err)
	}
}

func TestReceive_TenThousandMessages_EachOnce(t *testing.T) {
	const n = 10_000
	r := startPubsub(t)
	r.subscribe()
	p := r.client().Publisher("orders")
	var published sync.WaitGroup
	for i := range n {
		result := p.Publish(r.t.Context(), &pubsub.Message{Data: fmt.Append(nil, i)})
		published.Go(func() {
			if _, err := result.Get(r.t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	var mu sync.Mutex
	seen := make(map[string]int, n)
	done := make(chan struct{})
	r.receive(done, func(m *pubsub.Message) {
		mu.Lock()
		seen[string(m.Data)]++
		last := len(seen) == n && seen[string(m.Data)] == 1
		mu.Unlock()
		m.Ack()
		if last {
			close(done)
		}
	})
	published.Wait()
	p.Stop()
	mu.Lock()
	defer mu.Unlock()
	again := 0
	for _, times := range seen {
		again += times - 1
	}
	if len(seen) != n || again > 0 || r.backlog(audit) != 0 {
		t.Errorf("%d of %d messages arrived, %d again, %d are left", len(seen), n, again, r.backlog(audit))
	}
}

func TestReceive_StreamsThatEnd_AreOpenedAgain(t *testing.T) {
	const n = 300
	r := startPubsub(t, emulator.WithStreamTime(20*time.Millisecond))
	r.subscribe()
	go func() {
		for i := range n {
			_, _ = r.topics.Publish(context.Background(), &pubsubpb.PublishRequest{Topic: orders, Messages: texts(fmt.Sprint(i), 1)})
			<-time.After(time.Millisecond)
		}
	}()
	var mu sync.Mutex
	seen := map[string]bool{}
	done := make(chan struct{})
	r.receive(done, func(m *pubsub.Message) {
		m.Ack()
		mu.Lock()
		defer mu.Unlock()
		if seen[m.ID] = true; len(seen) == n {
			close(done)
		}
	})
}

// TestReceive_OrderedWithNacks nacks a tenth of the messages: all of a key must arrive in order, again included.
func TestReceive_OrderedWithNacks_KeepsTheOrder(t *testing.T) {
	const keys, each = 20, 15
	r := startPubsub(t)
	r.subscribe(ordered)
	p := r.client().Publisher("orders")
	p.EnableMessageOrdering = true
	for i := range each {
		for k := range keys {
			p.Publish(r.t.Context(), &pubsub.Message{Data: fmt.Append(nil, i), OrderingKey: fmt.Sprint("key", k)})
		}
	}
	p.Stop()
	if n := r.backlog(audit); n != keys*each {
		t.Fatalf("%d messages wait", n)
	}
	var mu sync.Mutex
	next := map[string]int{}
	left := keys * each
	done := make(chan struct{})
	random := rand.New(rand.NewPCG(1, 2))
	r.receive(done, func(m *pubsub.Message) {
		mu.Lock()
		defer mu.Unlock()
		if want := fmt.Sprint(next[m.OrderingKey]); string(m.Data) != want {
			t.Errorf("%s: %s, want %s", m.OrderingKey, m.Data, want)
		}
		if random.IntN(10) == 0 {
			m.Nack()
			return
		}
		m.Ack()
		next[m.OrderingKey]++
		if left--; left == 0 {
			close(done)
		}
	})
	r.drained(audit)
}

func TestReceive_ExactlyOnce_ConfirmsAcks(t *testing.T) {
	const n = 200
	r := startPubsub(t)
	r.subscribe(exactlyOnce)
	r.publish(texts("m", n)...)
	var mu sync.Mutex
	seen := map[string]int{}
	left := n
	done := make(chan struct{})
	r.receive(done, func(m *pubsub.Message) {
		mu.Lock()
		seen[m.ID]++
		first := seen[m.ID] == 1
		mu.Unlock()
		result := m.AckWithResult
		if first && m.ID[len(m.ID)-1] == '7' {
			result = m.NackWithResult
		}
		status, err := result().Get(context.Background())
		if status != pubsub.AcknowledgeStatusSuccess || err != nil {
			t.Errorf("message %s: status %d, %v", m.ID, status, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if !first || m.ID[len(m.ID)-1] != '7' {
			if left--; left == 0 {
				close(done)
			}
		}
	})
	for id, times := range seen {
		if want := 1 + map[bool]int{true: 1}[id[len(id)-1] == '7']; times != want {
			t.Errorf("message %s came %d times, want %d", id, times, want)
		}
	}
	if n := r.backlog(audit); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// TestReceive_ExactlyOnce_LateAck drops the subscription under the client: its leases are gone.
func TestReceive_ExactlyOnce_LateAck_IsToldOf(t *testing.T) {
	r := startPubsub(t)
	r.subscribe(exactlyOnce)
	r.publish(text("m"))
	done := make(chan struct{})
	var once sync.Once
	r.receive(done, func(m *pubsub.Message) {
		once.Do(func() {
			defer close(done)
			if err := r.seek(time.Now().Add(time.Hour)); err != nil { // ends its lease
				t.Error(err)
			}
			status, err := m.AckWithResult().Get(context.Background())
			if status != pubsub.AcknowledgeStatusInvalidAckID || err == nil {
				t.Errorf("status %d, %v", status, err)
			}
		})
	})
}
