package cloudpubsub_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

func flowControl(what pubsub.LimitExceededBehavior, messages, bytes int) cloudpubsub.Option {
	return cloudpubsub.WithPublishSettings(pubsub.PublishSettings{FlowControlSettings: pubsub.FlowControlSettings{
		LimitExceededBehavior: what, MaxOutstandingMessages: messages, MaxOutstandingBytes: bytes,
	}})
}

func TestFlowControl_Block_WaitsForRoom(t *testing.T) {
	for name, limits := range map[string][2]int{"messages": {2, 0}, "bytes": {0, 16}} { // 2 messages of 7 bytes with their tag
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, release := gated(2, "orders")
				b := s.pipe(t, flowControl(pubsub.FlowControlBlock, limits[0], limits[1]))
				all := newCallers(t, b)
				for _, data := range []string{"first", "secnd", "third"} {
					all.publish(message(data))
					synctest.Wait()
				}
				<-time.After(time.Second) // longer than anybody waits to gather
				if got := s.sizes(); !slices.Equal(got, []int{1, 1}) {
					t.Errorf("requests of %v messages with room for two", got)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := b.Publish(ctx, message("never")); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want that the context ended", err)
				}
				release()
				all.done.Wait()
			})
		})
	}
}

func TestFlowControl_Block_LargeMessageTakesAllTheRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		b := s.pipe(t, flowControl(pubsub.FlowControlBlock, 0, 10))
		all := newCallers(t, b)
		all.publish(message(strings.Repeat("x", 1000)))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Publish(ctx, message("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that the context ended", err)
		}
		all.publish(message("second"))
		release()
		all.wait(s)
		publish(t, b, message(strings.Repeat("x", 1000))) // all that was taken has been given back
	})
}

func TestFlowControl_SignalError_IsCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		limits [2]int
		cause  error
	}{
		"messages": {[2]int{1, 0}, pubsub.ErrFlowControllerMaxOutstandingMessages},
		"bytes":    {[2]int{10, 10}, pubsub.ErrFlowControllerMaxOutstandingBytes},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, release := gated(1, "orders")
				b := s.pipe(t, flowControl(pubsub.FlowControlSignalError, c.limits[0], c.limits[1]))
				all := newCallers(t, b)
				all.publish(message("first"))
				synctest.Wait()
				_, err := b.Publish(t.Context(), message("second"))
				if !errors.Is(err, transport.ErrCapacity) || !errors.Is(err, c.cause) || !strings.Contains(err.Error(), `topic "orders"`) {
					t.Errorf("error %v", err)
				}
				release()
				all.wait(s)
				for range 20 {
					publish(t, b, message("again"))
				}
			})
		})
	}
}

func TestPublishSettings_NumGoroutines_BoundsRequestsInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(100, "orders")
		all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{NumGoroutines: 2})))
		for _, key := range []string{"a", "b", "c", "d"} {
			all.publish(keyed(key, key))
			synctest.Wait()
		}
		if n := len(s.sizes()); n != 2 {
			t.Errorf("%d requests in flight", n)
		}
		release()
		all.wait(s)
	})
}

// compressed counts requests by whether they came compressed.
func compressed(t *testing.T, settings pubsub.PublishSettings, do func(*cloudpubsub.Broker)) (yes, no int) {
	t.Helper()
	s := newServer("orders")
	count := grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if strings.HasSuffix(method, "/Publish") {
			if slices.ContainsFunc(opts, func(o grpc.CallOption) bool {
				c, ok := o.(grpc.CompressorCallOption)
				return ok && c.CompressorType == "gzip"
			}) {
				yes++
			} else {
				no++
			}
		}
		return next(ctx, method, req, reply, cc, opts...)
	})
	do(s.dial(t, cloudpubsub.WithPublishSettings(settings), cloudpubsub.WithClientOptions(option.WithGRPCDialOption(count))))
	return yes, no
}

func TestPublishSettings_Compression(t *testing.T) {
	long := &transport.Message{Topic: "orders", Data: bytes.Repeat([]byte("x"), 300)}
	do := func(b *cloudpubsub.Broker) {
		publish(t, b, long)
		publish(t, b, message("short"))
		for _, r := range b.PublishBatch(t.Context(), []*transport.Message{long}) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
	}
	for name, c := range map[string]struct {
		settings pubsub.PublishSettings
		yes, no  int
	}{
		"off":                    {pubsub.PublishSettings{}, 0, 3},
		"on, by 240 bytes":       {pubsub.PublishSettings{EnableCompression: true}, 2, 1},
		"on, by other threshold": {pubsub.PublishSettings{EnableCompression: true, CompressionBytesThreshold: 1}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if yes, no := compressed(t, c.settings, do); yes != c.yes || no != c.no {
				t.Errorf("%d requests were compressed and %d were not", yes, no)
			}
		})
	}
}

func TestPublishSettings_Hedging_SendsSlowRequestsTwice(t *testing.T) {
	s := newServer()
	var slow atomic.Bool
	s.hook = func(ctx context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "Publish" && slow.Swap(false) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return handle()
	}
	b := s.dial(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{
		DelayThreshold: time.Millisecond, HedgingSettings: &pubsub.HedgingSettings{Delay: 100 * time.Millisecond, RefillRatio: 0.2},
	}))
	m := message("one")
	m.Attributes = map[string]string{"k": "v"}
	for range 5 { // earns one request more
		publish(t, b, m)
	}
	slow.Store(true)
	publish(t, b, m)
	if got := s.stored(""); len(got) != 6 || len(s.calls("Publish")) != 1+5+2 { // one was for the missing topic
		t.Errorf("stored %q by %d requests", got, len(s.calls("Publish")))
	}
	publish(t, b, keyed("key", "two")) // which the client alone would refuse
	_, err := b.Publish(t.Context(), message(strings.Repeat("x", transport.MaxMessageSize)))
	if !errors.Is(err, transport.ErrTooLarge) { // for the client, whose request it would be
		t.Errorf("error %v", err)
	}
}

func TestPublishSettings_Hedging_ShutdownWaitsForWhatIsBuffered(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{
		DelayThreshold: 100 * time.Millisecond, HedgingSettings: &pubsub.HedgingSettings{},
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.Publish(ctx, message("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := s.stored(""); !slices.Equal(got, []string{"one"}) {
		t.Errorf("stored %q", got)
	}
}

func TestPublishSettings_ZeroIsTheClientsDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, release := gated(1, "orders")
		all := newCallers(t, s.pipe(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{})))
		all.publish(message("first"))
		synctest.Wait()
		for i := range pubsub.DefaultPublishSettings.CountThreshold + 1 {
			all.publish(message(string(rune('a' + i))))
		}
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 100}) {
			t.Errorf("requests of %v messages at once", got)
		}
		<-time.After(pubsub.DefaultPublishSettings.DelayThreshold)
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 100, 1}) {
			t.Errorf("requests of %v messages after the delay", got)
		}
		release()
		all.wait(s)
	})
}

func TestReceiveSettings_ReachTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		opts            []cloudpubsub.Option
		with            transport.ReceiveSettings
		messages, bytes int64
		deadline        int32
	}{
		"defaults":         {messages: 1000, bytes: 1e9, deadline: 60},
		"the driver's":     {opts: []cloudpubsub.Option{cloudpubsub.WithReceiveSettings(pubsub.ReceiveSettings{MaxOutstandingMessages: 7, MaxOutstandingBytes: 800, MaxDurationPerAckExtension: 30 * time.Second})}, messages: 7, bytes: 800, deadline: 30},
		"those of a call":  {opts: []cloudpubsub.Option{cloudpubsub.WithReceiveSettings(pubsub.ReceiveSettings{MaxOutstandingMessages: 7})}, with: transport.ReceiveSettings{MaxOutstandingMessages: 3, MaxOutstandingBytes: 400, MaxExtension: time.Minute}, messages: 3, bytes: 400, deadline: 60},
		"some of the call": {opts: []cloudpubsub.Option{cloudpubsub.WithReceiveSettings(pubsub.ReceiveSettings{MaxOutstandingBytes: 900})}, with: transport.ReceiveSettings{MaxOutstandingMessages: 3}, messages: 3, bytes: 900, deadline: 60},
	} {
		t.Run(name, func(t *testing.T) {
			p := &puller{first: make(chan *pubsubpb.StreamingPullRequest, 1)}
			b := p.dial(t, c.opts...)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				if err := b.ReceiveWith(ctx, "audit", c.with, func(context.Context, *transport.Message) error { return nil }); err != nil {
					t.Errorf("Receive: %v", err)
				}
			})
			got := <-p.first
			cancel()
			all.Wait()
			if got.MaxOutstandingMessages != c.messages || got.MaxOutstandingBytes != c.bytes || got.StreamAckDeadlineSeconds != c.deadline || got.Subscription != project+"/subscriptions/audit" {
				t.Errorf("asked for %v", got)
			}
		})
	}
}
