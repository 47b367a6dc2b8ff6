package pubsub_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

// evCloud is Google's client over a server of this process.
func evCloud(t *testing.T, address string) *cloudpubsub.Broker {
	t.Helper()
	b, err := cloudpubsub.New(t.Context(), cloudpubsub.WithProject("shop"), cloudpubsub.WithoutOIDC(), cloudpubsub.WithClientOptions(
		option.WithEndpoint(address), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// evClouds runs a test over Google's fake and over our emulator. The fake knows no dead letters, or too many.
func evClouds(t *testing.T, test func(t *testing.T, b *cloudpubsub.Broker, deadLetters bool)) {
	t.Run("pstest", func(t *testing.T) {
		fake := pstest.NewServer()
		t.Cleanup(func() { _ = fake.Close() })
		test(t, evCloud(t, fake.Addr), false)
	})
	t.Run("emulator", func(t *testing.T) {
		e, err := emulator.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		address, err := e.Start()
		if err != nil {
			t.Fatal(err)
		}
		test(t, evCloud(t, address), true)
	})
}

// evUntil is what must have come before something is over.
type evUntil struct {
	mu   sync.Mutex
	left int
	over chan struct{}
}

func newEvUntil(n int) *evUntil { return &evUntil{left: n, over: make(chan struct{})} }

func (u *evUntil) count() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left--; u.left == 0 {
		close(u.over)
	}
}

// wait waits, or tells why the consumer ended before.
func (u *evUntil) wait(t *testing.T, r evReceiving) {
	t.Helper()
	select {
	case <-u.over:
	case err := <-r.done:
		t.Fatalf("Receive ended: %v", err)
	case <-t.Context().Done():
		t.Fatalf("%d have not come", u.left)
	}
}

// As the soak test over memory, through Google's client: messages that fail at times, and a consumer that is stopped
// and started again.
func TestCloud_FailuresAndARestart_NothingIsLost(t *testing.T) {
	evClouds(t, func(t *testing.T, b *cloudpubsub.Broker, deadLetters bool) {
		n := 1000
		if !deadLetters || testing.Short() || raceEnabled { // the fake takes 15 ms for a message
			n = 200
		}
		events := soakEvents(n)
		var doomed []int
		for i := range events {
			if events[i].Failures == soakAlways {
				if !deadLetters {
					events[i].Failures = 2
					continue
				}
				doomed = append(doomed, events[i].ID)
			}
		}
		var mu sync.Mutex
		attempts, done, dead := map[int]int{}, map[int]bool{}, map[int]int{}
		half, all, buried := newEvUntil(n/2), newEvUntil(n-len(doomed)), newEvUntil(max(1, len(doomed)))
		p := pubsub.NewPublisher[soakEvent](pubsub.Topic("events"))
		opts := []pubsub.SubscriberOption{pubsub.Topic("events"), pubsub.Subscription("events"), pubsub.Pull(), pubsub.MaxOutstanding(100, 0)}
		if deadLetters {
			opts = append(opts, pubsub.DeadLetter("events-dead"))
		}
		sub := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[soakEvent]) error {
			mu.Lock()
			defer mu.Unlock()
			if attempts[m.Data.ID]++; attempts[m.Data.ID] <= m.Data.Failures {
				return errEv
			}
			if !done[m.Data.ID] {
				done[m.Data.ID] = true
				half.count()
				all.count()
			}
			return nil
		}, opts...)
		bury := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[soakEvent]) error {
			mu.Lock()
			defer mu.Unlock()
			if dead[m.Data.ID]++; dead[m.Data.ID] == 1 {
				buried.count()
			}
			return nil
		}, pubsub.Topic("events-dead"), pubsub.Subscription("dead"), pubsub.Pull())
		defs := []tasks.Definition{p, sub}
		if deadLetters {
			defs = append(defs, bury)
		}
		consumer := func() (*tasks.App, evReceiving) {
			app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, defs...)
			if _, err := pubsub.Sync(t.Context(), app); err != nil {
				t.Fatal(err)
			}
			return app, evReceive(t.Context(), app)
		}
		app, receiving := consumer()
		for chunk := range slices.Chunk(events, 100) {
			for _, r := range p.PublishAll(t.Context(), chunk) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
			}
		}
		half.wait(t, receiving)
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-receiving.done; err != nil {
			t.Error(err)
		}
		_, receiving = consumer()
		all.wait(t, receiving)
		if deadLetters {
			buried.wait(t, receiving)
		}
		if err := receiving.stop(); err != nil {
			t.Error(err)
		}
		for _, id := range doomed {
			if dead[id] != 1 {
				t.Errorf("%d was dead %d times, after %d runs", id, dead[id], attempts[id])
			}
		}
		if len(dead) != len(doomed) {
			t.Errorf("%d dead letters, want %d", len(dead), len(doomed))
		}
	})
}

func TestCloud_OrderingKeys_KeepTheirOrderOverARestart(t *testing.T) {
	const n, keys = 120, 6
	evClouds(t, func(t *testing.T, b *cloudpubsub.Broker, _ bool) {
		var mu sync.Mutex
		last := map[string]int{}
		half, all := newEvUntil(n/2), newEvUntil(n)
		p := pubsub.NewPublisher[soakEvent](pubsub.Topic("events"), pubsub.Ordered())
		sub := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[soakEvent]) error {
			mu.Lock()
			defer mu.Unlock()
			switch e := m.Data; {
			case e.ID <= last[e.Key]: // at least once
			case e.ID != last[e.Key]+keys && last[e.Key] != 0:
				t.Errorf("%d of %s came after %d", e.ID, e.Key, last[e.Key])
				fallthrough
			default:
				last[e.Key] = e.ID
				half.count()
				all.count()
			}
			return nil
		}, pubsub.Topic("events"), pubsub.Subscription("events"), pubsub.Pull(), pubsub.Ordered(), pubsub.MaxOutstanding(20, 0))
		consumer := func() (*tasks.App, evReceiving) {
			app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, sub)
			if _, err := pubsub.Sync(t.Context(), app); err != nil {
				t.Fatal(err)
			}
			return app, evReceive(t.Context(), app)
		}
		app, receiving := consumer()
		var events []soakEvent
		for i := range n {
			events = append(events, soakEvent{ID: i + 1, Key: string(rune('a' + i%keys))})
		}
		for _, r := range p.PublishAll(t.Context(), events) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		half.wait(t, receiving)
		if err := receiving.stop(); err != nil {
			t.Error(err)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		_, receiving = consumer()
		all.wait(t, receiving)
		if err := receiving.stop(); err != nil {
			t.Error(err)
		}
	})
}
