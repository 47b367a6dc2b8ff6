package pubsub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	google "cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/go-playground/validator/v10"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// benchEvent is about 120 bytes of JSON.
type benchEvent struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email"   validate:"required,email"`
	Name   string `json:"name"    validate:"max=80"`
	Note   string `json:"note"    validate:"max=200"`
}

var benchData = benchEvent{123456789, "ana@example.com", "Ana", "a note that makes the event about 120 bytes long, all told"}

// BenchmarkPublish compares Publisher[M] with what one writes by hand: encoding/json, validator and Google's
// client, with the same settings, against one server in the same process. Turns alternate; the ratio of their
// times is the result.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			calls := 20_000
			if callers == 1 {
				calls = 20 // by hand 10 ms each
			}
			w := newBenchWorld(b)
			compareBench(b, calls, func() { w.waiting(callers, calls, w.ours) }, func() { w.waiting(callers, calls, w.byHand) })
		})
	}
}

// BenchmarkPublishAll is 100,000 messages at once: by hand, all are given to the client, and then waited for.
func BenchmarkPublishAll(b *testing.B) {
	const n = 100_000
	w := newBenchWorld(b)
	events := slices.Repeat([]benchEvent{benchData}, n)
	compareBench(b, n, func() {
		for _, r := range w.publisher.PublishAll(b.Context(), events) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}, func() {
		results := make([]*google.PublishResult, n)
		for i := range events {
			results[i] = w.raw(events[i])
		}
		for _, r := range results {
			if _, err := r.Get(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// compareBench runs both in turns and reports the median time of each per message, and the median ratio.
func compareBench(b *testing.B, n int, ours, theirs func()) {
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
	b.ReportMetric(medianOf(a), "ours-ns")
	b.ReportMetric(medianOf(z), "theirs-ns")
	b.ReportMetric(medianOf(ratios), "ratio")
}

func medianOf(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// benchWorld is both sides and the server that they talk to.
type benchWorld struct {
	b         *testing.B
	publisher *pubsub.Publisher[benchEvent]
	client    *google.Publisher
	validate  *validator.Validate
}

func newBenchWorld(b *testing.B) *benchWorld {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(server, &acceptAll{})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	b.Cleanup(server.Stop)
	dial := []option.ClientOption{
		option.WithEndpoint(listener.Addr().String()), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}

	broker, err := cloudpubsub.New(b.Context(), cloudpubsub.WithProject("p"), cloudpubsub.WithClientOptions(dial...))
	if err != nil {
		b.Fatal(err)
	}
	app, err := tasks.NewApp(tasks.Config{Name: "bench", Transport: memory.New(), Broker: broker})
	if err != nil {
		b.Fatal(err)
	}
	w := &benchWorld{b: b, publisher: pubsub.NewPublisher[benchEvent](pubsub.Topic("events")), validate: validator.New()}
	if err := app.Register(w.publisher); err != nil {
		b.Fatal(err)
	}
	client, err := google.NewClient(b.Context(), "p", dial...)
	if err != nil {
		b.Fatal(err)
	}
	w.client = client.Publisher("events")
	b.Cleanup(func() {
		w.client.Stop()
		client.Close()
		if err := app.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
		if err := broker.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return w
}

// waiting makes calls by a number of callers that each wait for the server's id.
func (w *benchWorld) waiting(callers, calls int, publish func()) {
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range calls / callers {
				publish()
			}
		})
	}
	all.Wait()
}

func (w *benchWorld) ours() {
	if _, err := w.publisher.Publish(w.b.Context(), benchData); err != nil {
		w.b.Error(err)
	}
}

func (w *benchWorld) byHand() {
	if _, err := w.raw(benchData).Get(w.b.Context()); err != nil {
		w.b.Error(err)
	}
}

func (w *benchWorld) raw(e benchEvent) *google.PublishResult {
	if err := w.validate.Struct(&e); err != nil {
		w.b.Error(err)
	}
	data, err := json.Marshal(&e)
	if err != nil {
		w.b.Error(err)
	}
	return w.client.Publish(w.b.Context(), &google.Message{Data: data})
}

// acceptAll is a Pub/Sub that answers at once and keeps nothing.
type acceptAll struct {
	pubsubpb.UnimplementedPublisherServer
	last atomic.Int64
}

func (s *acceptAll) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	ids := make([]string, len(r.Messages))
	for i := range ids {
		ids[i] = strconv.FormatInt(s.last.Add(1), 10)
	}
	return &pubsubpb.PublishResponse{MessageIds: ids}, nil
}
