package tasks_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dlvVector is a request as it reaches a service, and what must be seen of it.
type dlvVector struct {
	Method, Path, Body string
	Headers            map[string]string
	Expect             struct {
		Status   int
		Metadata map[string]any
		Headers  map[string]string
		Payload  map[string]any

		// Of messages.
		Attributes      map[string]string
		MessageID       string `json:"message_id"`
		OrderingKey     string `json:"ordering_key"`
		DeliveryAttempt int    `json:"delivery_attempt"`
		Why             string
	}
}

// dlvPrice is the payload of the vectors.
type dlvPrice struct {
	Price    int       `json:"price" validate:"gt=0"`
	Quantity int       `json:"quantity" validate:"gt=0"`
	Discount float64   `json:"discount"`
	Label    string    `json:"label"`
	At       time.Time `json:"at"`
}

func dlvVectors(t testing.TB) map[string]dlvVector {
	t.Helper()
	paths, err := filepath.Glob("testdata/wire/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	vectors := map[string]dlvVector{}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var v dlvVector
		dec := json.NewDecoder(f)
		dec.DisallowUnknownFields() // all that is expected is looked at
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		_ = f.Close()
		vectors[strings.TrimSuffix(filepath.Base(path), ".json")] = v
	}
	return vectors
}

// dlvMembers are the names under which vectors speak of metadata.
func dlvMembers(m tasks.Metadata) map[string]any {
	return map[string]any{
		"id": m.ID, "queue": m.Queue, "project": m.Project, "attempt": float64(m.Attempt), "execution_count": float64(m.ExecutionCount),
		"previous_response": float64(m.PreviousResponse), "retry_reason": m.RetryReason, "first_attempt": m.FirstAttempt(),
		"eta": m.ETA.Format(time.RFC3339Nano), "scheduler_job": m.SchedulerJob, "schedule_time": m.ScheduleTime.Format(time.RFC3339Nano),
	}
}

func TestServeHTTP_WireVectors(t *testing.T) {
	t.Parallel()
	for name, v := range dlvVectors(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var (
				meta    tasks.Metadata
				headers http.Header
				payload any
			)
			subscriber, message := dlvNotify(func(ctx context.Context, p any) {
				meta, _ = tasks.MetadataFrom(ctx)
				headers, payload = tasks.HeadersFrom(ctx), p
			})
			see := func(ctx context.Context, p any) error {
				meta, _ = tasks.MetadataFrom(ctx)
				headers, payload = tasks.HeadersFrom(ctx), p
				return nil
			}
			app := dlvApp(t, tasks.Config{}, subscriber,
				tasks.New(func(ctx context.Context, p dlvPrice) error { return see(ctx, p) }, tasks.WithName("CalculatePriceTask")),
				tasks.New(func(ctx context.Context, p struct{}) error { return see(ctx, p) }, tasks.WithName("SaySomethingTask")))
			r := dlvPost(v.Path, v.Body)
			r.Method = v.Method
			for k, s := range v.Headers {
				r.Header.Set(k, s)
			}
			if got := dlvServe(t, app, r); got.code != v.Expect.Status {
				t.Fatalf("answered %d (%s), want %d", got.code, got.error, v.Expect.Status)
			}
			if ran := payload != nil; ran != (v.Expect.Status == http.StatusOK) {
				t.Fatalf("the function ran: %t", ran)
			}
			members := dlvMembers(meta)
			for k, want := range v.Expect.Metadata {
				if got, known := members[k]; !known || got != want {
					t.Errorf("metadata %s is %v, want %v", k, got, want)
				}
			}
			seen := map[string]string{}
			for k, vs := range headers {
				seen[strings.ToLower(k)] = strings.Join(vs, "|")
			}
			if !maps.Equal(seen, v.Expect.Headers) && len(seen)+len(v.Expect.Headers) > 0 {
				t.Errorf("propagated %v, want %v", seen, v.Expect.Headers)
			}
			data, err := json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(data, &fields); err != nil {
				t.Fatal(err)
			}
			for _, k := range slices.Sorted(maps.Keys(v.Expect.Payload)) {
				if !reflect.DeepEqual(fields[k], v.Expect.Payload[k]) {
					t.Errorf("payload %s is %v, want %v", k, fields[k], v.Expect.Payload[k])
				}
			}
			if m := *message; m != nil && (!maps.Equal(m.Attributes, v.Expect.Attributes) || m.ID != v.Expect.MessageID ||
				m.OrderingKey != v.Expect.OrderingKey || m.DeliveryAttempt != v.Expect.DeliveryAttempt || m.Subscription == "" || m.PublishTime.IsZero()) {
				t.Errorf("message %+v, want %+v", m, v.Expect)
			}
		})
	}
}

// dlvNotify is the subscriber of the vectors, made by hand as package pubsub does: see gets its payloads.
func dlvNotify(see func(context.Context, any)) (tasks.Definition, **transport.Message) {
	type notice struct {
		Order int    `json:"order" validate:"required"`
		Total string `json:"total"`
	}
	var message *transport.Message
	return msgSubscriber("PleaseNotifyMeTask", func(ctx context.Context, d *transport.Delivery) error {
		app, _ := tasks.AppFrom(ctx)
		_, data := pushwire.ExtractHeaders(d.Message.Data, app.Config().PropagatedHeadersKey)
		var n notice
		if err := app.Decode(tasks.JSONCodec{}, data, &n); err != nil {
			return tasks.Reject(err)
		}
		message = d.Message
		see(ctx, n)
		return nil
	}), &message
}

func TestServeHTTP_PushWithoutData_ReachesWhoNeedsNone(t *testing.T) {
	t.Parallel()
	v := dlvVectors(t)["pubsub-empty"]
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{}, msgSubscriber("PleaseNotifyMeTask", runs.handle(nil)))
	dlvWant(t, dlvServe(t, app, dlvPost(v.Path, v.Body)), http.StatusOK, "executed")
	want := &transport.Message{
		ID: "1", Attributes: map[string]string{"eventType": "OBJECT_FINALIZE"}, PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC),
		Subscription: "projects/p/subscriptions/s",
	}
	if got := runs.one(t); !reflect.DeepEqual(got.message, want) || got.meta.Attempt != 1 || got.meta.ID != "1" {
		t.Errorf("it got %+v with %+v", got.message, got.meta)
	}
}
