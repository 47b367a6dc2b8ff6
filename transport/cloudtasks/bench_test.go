package cloudtasks_test

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

	apiv2 "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/go-playground/validator/v10"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// BenchmarkEnqueue compares Enqueue over the driver with what one writes by hand: encode, validate, CreateTask
// of Google's client as it comes. Both talk to one server, in turns of a few calls, so that what else the
// machine does falls on both; the ratio of their times is the result.
func BenchmarkEnqueue(b *testing.B) {
	for _, size := range []struct {
		name  string
		items int
	}{{"small", 0}, {"20KB", 125}} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", size.name, goroutines), func(b *testing.B) {
				addr := (&echo{}).start(b)
				ours, theirs := byApp(b, addr), byHand(b, addr)
				payload := benchPayload(size.items)
				compare(b, goroutines, func() error { return ours(b.Context(), payload) }, func() error { return theirs(b.Context(), payload) })
			})
		}
	}
}

// compare runs both in turns and reports the median time of each per call, and their ratio.
func compare(b *testing.B, goroutines int, ours, theirs func() error) {
	const calls = 256
	turn := func(f func() error) float64 {
		began := time.Now()
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range calls / goroutines {
					if err := f(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		return float64(time.Since(began).Nanoseconds()) / calls
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

// BenchmarkEnqueueAll compares EnqueueAll of 10,000 with loops of CreateTask calls by Google's client, in turns:
// one call after the other (a hundredth of them, times a hundred) and the best of some numbers of goroutines.
func BenchmarkEnqueueAll(b *testing.B) {
	const n = 10_000
	payloads := slices.Repeat([]benchOrder{benchPayload(0)}, n)
	for _, latency := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run(fmt.Sprint("latency=", latency), func(b *testing.B) {
			addr := (&echo{latency: latency}).start(b)
			task, ctx := benchTask(b, addr)
			theirs := byHand(b, addr)
			loop := func(n, goroutines int) float64 {
				began := time.Now()
				var left atomic.Int64
				left.Store(int64(n))
				var all sync.WaitGroup
				for range goroutines {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if err := theirs(b.Context(), payloads[0]); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				return float64(time.Since(began).Microseconds()) / 1000
			}
			var ours, sequential, best, bySequential, byBest []float64
			for b.Loop() {
				began := time.Now()
				for _, r := range task.EnqueueAll(ctx, payloads) {
					if r.Err != nil || r.Receipt.ID == "" {
						b.Fatalf("%+v", r)
					}
				}
				o := float64(time.Since(began).Microseconds()) / 1000
				s, c := loop(n/100, 1)*100, min(loop(n, 64), loop(n, 256), loop(n, 1024))
				ours, sequential, best = append(ours, o), append(sequential, s), append(best, c)
				bySequential, byBest = append(bySequential, s/o), append(byBest, c/o)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ours), "ours-ms")
			b.ReportMetric(median(sequential), "sequential-ms")
			b.ReportMetric(median(best), "concurrent-ms")
			b.ReportMetric(median(bySequential), "x-sequential")
			b.ReportMetric(median(byBest), "x-concurrent")
		})
	}
}

// benchOrder is a payload as services have them.
type benchOrder struct {
	ID       int64       `json:"id" validate:"required"`
	Email    string      `json:"email" validate:"required,email"`
	Currency string      `json:"currency" validate:"len=3"`
	Total    float64     `json:"total" validate:"gte=0"`
	Placed   time.Time   `json:"placed"`
	Items    []benchItem `json:"items,omitempty" validate:"dive"`
}

type benchItem struct {
	SKU      string            `json:"sku" validate:"required"`
	Name     string            `json:"name"`
	Quantity int               `json:"quantity" validate:"min=1"`
	Price    float64           `json:"price"`
	Tags     []string          `json:"tags"`
	Extra    map[string]string `json:"extra"`
}

func benchPayload(items int) benchOrder {
	o := benchOrder{ID: 42, Email: "ana@example.com", Currency: "EUR", Total: 119.90, Placed: time.Unix(1732415400, 123456000).UTC()}
	for i := range items {
		o.Items = append(o.Items, benchItem{
			SKU: "sku-" + strconv.Itoa(i), Name: "a thing with a name of ordinary length", Quantity: 1 + i%3, Price: 9.99,
			Tags: []string{"blue", "large", "sale"}, Extra: map[string]string{"warehouse": "north", "shelf": strconv.Itoa(i)},
		})
	}
	return o
}

func benchTask(b *testing.B, addr string) (*tasks.Task[benchOrder], context.Context) {
	b.Helper()
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Queue: "mail", Endpoint: "https://shop.example.com/_tasks", Transport: connect(b, cloudtasks.WithEndpoint(addr)),
		Quarantine: func(context.Context, tasks.Quarantined) error { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	task := tasks.New(func(context.Context, benchOrder) error { return nil }, tasks.WithName("Order"))
	if err := app.Register(task); err != nil {
		b.Fatal(err)
	}
	return task, app.Context(b.Context())
}

func byApp(b *testing.B, addr string) func(context.Context, benchOrder) error {
	task, ctx := benchTask(b, addr)
	return func(_ context.Context, o benchOrder) error {
		_, err := task.Enqueue(ctx, o)
		return err
	}
}

func byHand(b *testing.B, addr string) func(context.Context, benchOrder) error {
	b.Helper()
	client, err := apiv2.NewClient(b.Context(), option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	validate := validator.New(validator.WithRequiredStructEnabled())
	return func(ctx context.Context, o benchOrder) error {
		if err := validate.Struct(o); err != nil {
			return err
		}
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		_, err = client.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{
			Parent: parent + "/queues/mail",
			Task: &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
				Url: url, HttpMethod: cloudtaskspb.HttpMethod_POST, Headers: map[string]string{"Content-Type": "application/json"}, Body: body,
				AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
					ServiceAccountEmail: "tasks@emulator.iam.gserviceaccount.com", Audience: "https://shop.example.com",
				}},
			}}},
		})
		return err
	}
}

// echo answers as Cloud Tasks does and keeps nothing.
type echo struct {
	cloudtaskspb.UnimplementedCloudTasksServer
	latency time.Duration
	tasks   atomic.Int64
}

func (e *echo) start(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	g := grpc.NewServer()
	cloudtaskspb.RegisterCloudTasksServer(g, e)
	var served sync.WaitGroup
	served.Go(func() { _ = g.Serve(l) })
	b.Cleanup(func() {
		g.Stop()
		served.Wait()
	})
	return l.Addr().String()
}

func (e *echo) create(r *cloudtaskspb.CreateTaskRequest) *cloudtaskspb.Task {
	r.Task.Name = r.Parent + "/tasks/" + strconv.FormatInt(e.tasks.Add(1), 10)
	r.Task.GetHttpRequest().Body = nil
	return r.Task
}

func (e *echo) wait() {
	if e.latency > 0 {
		<-time.After(e.latency)
	}
}

func (e *echo) CreateTask(_ context.Context, r *cloudtaskspb.CreateTaskRequest) (*cloudtaskspb.Task, error) {
	e.wait()
	return e.create(r), nil
}

func (e *echo) BatchCreateTasks(_ context.Context, r *cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error) {
	e.wait()
	resp := &cloudtaskspb.BatchCreateTasksResponse{}
	for _, one := range r.Requests {
		resp.Tasks = append(resp.Tasks, e.create(one))
	}
	done, err := anypb.New(resp)
	if err != nil {
		return nil, err
	}
	meta, err := anypb.New(&cloudtaskspb.BatchCreateTasksMetadata{State: cloudtaskspb.BatchCreateTasksMetadata_SUCCEEDED})
	if err != nil {
		return nil, err
	}
	return &longrunningpb.Operation{Name: parent + "/operations/1", Metadata: meta, Done: true, Result: &longrunningpb.Operation_Response{Response: done}}, nil
}
