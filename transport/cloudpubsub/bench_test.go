package cloudpubsub_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// BenchmarkPublish compares Publish with the Publisher of Google's client as it comes, both waiting for the id, with
// one caller on a quiet topic and with many. Both talk to one server, in turns, so that what else the machine does
// falls on both; the ratio of their times is the result.
func BenchmarkPublish(b *testing.B) {
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		for _, callers := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("latency=%v/callers=%d", latency, callers), func(b *testing.B) {
				s := &echo{latency: latency}
				addr := s.start(b)
				ours, theirs := driver(b, addr), publisher(b, addr)
				compare(b, s, callers, func(ctx context.Context) error {
					_, err := ours.Publish(ctx, &transport.Message{Topic: "orders", Data: payload})
					return err
				}, func(ctx context.Context) error {
					_, err := theirs.Publish(ctx, &pubsub.Message{Data: payload}).Get(ctx)
					return err
				})
			})
		}
	}
}

// BenchmarkPublishKeyed is the same for messages of as many ordering keys as there are callers.
func BenchmarkPublishKeyed(b *testing.B) {
	for _, callers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := &echo{}
			addr := s.start(b)
			ours, theirs := driver(b, addr), publisher(b, addr)
			theirs.EnableMessageOrdering = true
			var a, z atomic.Int64
			key := func(n *atomic.Int64) string { return strconv.FormatInt(n.Add(1)%int64(callers), 10) }
			compare(b, s, callers, func(ctx context.Context) error {
				_, err := ours.Publish(ctx, &transport.Message{Topic: "orders", Data: payload, OrderingKey: key(&a)})
				return err
			}, func(ctx context.Context) error {
				_, err := theirs.Publish(ctx, &pubsub.Message{Data: payload, OrderingKey: key(&z)}).Get(ctx)
				return err
			})
		})
	}
}

// BenchmarkPublishBatch compares PublishBatch of 100,000 messages with the client's Publisher, to which they are
// handed one after the other before their ids are waited for.
func BenchmarkPublishBatch(b *testing.B) {
	const n = 100_000
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(fmt.Sprint("latency=", latency), func(b *testing.B) {
			s := &echo{latency: latency}
			addr := s.start(b)
			ours, theirs := driver(b, addr), publisher(b, addr)
			batch := slices.Repeat([]*transport.Message{{Topic: "orders", Data: payload}}, n)
			once := func() {
				for _, r := range ours.PublishBatch(b.Context(), batch) {
					if r.Err != nil {
						b.Fatal(r.Err)
					}
				}
			}
			hand := func() {
				results := make([]*pubsub.PublishResult, n)
				for i := range results {
					results[i] = theirs.Publish(b.Context(), &pubsub.Message{Data: payload})
				}
				for _, r := range results {
					if _, err := r.Get(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
			turns(b, n, once, hand)
		})
	}
}

var payload = bytes.Repeat([]byte("x"), 200)

// compare runs both in turns, each with so many callers at a time.
func compare(b *testing.B, s *echo, callers int, ours, theirs func(context.Context) error) {
	calls := 50*max(callers, 2) + 7 // no multiple of a request's messages, which would suit the client
	turn := func(f func(context.Context) error) func() {
		return func() {
			var left atomic.Int64
			left.Store(int64(calls))
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if err := f(b.Context()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
		}
	}
	counted := func() { // once more, for the size of requests
		before := s.requests.Load()
		turn(ours)()
		b.ReportMetric(float64(calls)/float64(s.requests.Load()-before), "batch")
	}
	turns(b, calls, turn(ours), turn(theirs))
	counted()
}

// turns reports the median time of each per message, and their ratio.
func turns(b *testing.B, n int, ours, theirs func()) {
	turn := func(f func()) float64 {
		began := time.Now()
		f()
		return float64(time.Since(began).Nanoseconds()) / float64(n)
	}
	turn(ours)
	turn(theirs)
	var a, z, ratios []float64
	for b.Loop() {
		x, y := turn(ours), turn(theirs)
		y2, x2 := turn(theirs), turn(ours)
		a, z, ratios = append(a, x, x2), append(z, y, y2), append(ratios, (x+x2)/(y+y2))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(a), "ours-ns")
	b.ReportMetric(median(z), "theirs-ns")
	b.ReportMetric(median(ratios), "ratio")
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func driver(b *testing.B, addr string) *cloudpubsub.Broker {
	return connect(b, cloudpubsub.WithEndpoint(addr))
}

// publisher is that of Google's client, without the instrumentation that the driver turns off too.
func publisher(b *testing.B, addr string) *pubsub.Publisher {
	b.Helper()
	c := rawClient(b, addr)
	p := c.Publisher("orders")
	b.Cleanup(p.Stop)
	return p
}

// rawClient is Google's own client for a server.
func rawClient(tb testing.TB, addr string) *pubsub.Client {
	tb.Helper()
	c, err := pubsub.NewClient(tb.Context(), "emulator", option.WithEndpoint(addr), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// echo answers as Pub/Sub does and keeps nothing.
type echo struct {
	pubsubpb.UnimplementedPublisherServer
	latency  time.Duration
	requests atomic.Int64
	messages atomic.Int64
}

func (e *echo) start(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	g := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(g, e)
	var served sync.WaitGroup
	served.Go(func() { _ = g.Serve(l) })
	b.Cleanup(func() {
		g.Stop()
		served.Wait()
	})
	return l.Addr().String()
}

func (e *echo) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	if e.latency > 0 {
		<-time.After(e.latency)
	}
	e.requests.Add(1)
	last := e.messages.Add(int64(len(r.Messages)))
	ids := make([]string, len(r.Messages))
	for i := range ids {
		ids[i] = strconv.FormatInt(last-int64(i), 10)
	}
	return &pubsubpb.PublishResponse{MessageIds: ids}, nil
}
