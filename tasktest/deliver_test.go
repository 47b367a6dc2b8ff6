package tasktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// paidMessage is a message with data that validates.
func paidMessage() pubsub.Message[Paid] { return pubsub.Message[Paid]{Data: Paid{Order: 7}} }

func TestDeliver_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		returns error
		opts    []pubsub.SubscriberOption
		outcome tasks.Outcome
		status  int
		text    string
		tasks   int
	}{
		{"nil", nil, nil, tasks.OutcomeExecuted, http.StatusOK, "<nil>", 0},
		{"nil of one that pulls", nil, []pubsub.SubscriberOption{pubsub.Pull()}, tasks.OutcomeExecuted, http.StatusOK, "<nil>", 0},
		{"discard", tasks.Discard(errBoom), nil, tasks.OutcomeDiscarded, http.StatusAccepted, "discarded: boom", 0},
		{"snooze", tasks.Snooze(time.Hour), nil, tasks.OutcomeSnoozed, http.StatusOK, "snoozed for 1h0m0s", 1},
		{"via tasks", errBoom, []pubsub.SubscriberOption{pubsub.ViaTasks()}, tasks.OutcomeEnqueued, http.StatusOK, "<nil>", 1},
		{"retry after", tasks.RetryAfter(time.Minute, errBoom), nil, tasks.OutcomeRetryLater, http.StatusServiceUnavailable, "retry after 1m0s: boom", 0},
		{"error", fmt.Errorf("mail: %w", errBoom), nil, tasks.OutcomeFailed, http.StatusInternalServerError, "mail: boom", 0},
		{"reject", tasks.Reject(errBoom), nil, tasks.OutcomeRejected, http.StatusBadRequest, "boom", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := audit(func(context.Context, pubsub.Message[Paid]) error { return c.returns }, c.opts...)
			res := tasktest.Deliver(t, s, paidMessage())
			if res.Outcome != c.outcome || res.HTTPStatus != c.status || fmt.Sprint(res.Err) != c.text || res.Stack != nil || res.Value != nil {
				t.Errorf("got %q, %d, %v, want %q, %d, %s", res.Outcome, res.HTTPStatus, res.Err, c.outcome, c.status, c.text)
			}
			if len(res.Enqueued) != c.tasks || len(res.Published) != 0 {
				t.Errorf("enqueued %v, published %v", res.Enqueued, res.Published)
			}
		})
	}
}

func TestDeliver_Panic_HasErrAndStack(t *testing.T) {
	t.Parallel()
	res := tasktest.Deliver(t, audit(func(context.Context, pubsub.Message[Paid]) error { explode(errBoom); return nil }), paidMessage())
	if res.Outcome != tasks.OutcomeFailed || !errors.Is(res.Err, errBoom) {
		t.Errorf("got %q, %v", res.Outcome, res.Err)
	}
	contains(t, string(res.Stack), "explode")
}

func TestDeliver_InvalidData_IsDeliveredAndRejected(t *testing.T) {
	t.Parallel()
	ran := false
	res := tasktest.Deliver(t, audit(func(context.Context, pubsub.Message[Paid]) error { ran = true; return nil }), pubsub.Message[Paid]{})
	if _, invalid := errors.AsType[*tasks.ValidationError](res.Err); ran || res.Outcome != tasks.OutcomeRejected || !invalid {
		t.Errorf("ran %t, %q, %v", ran, res.Outcome, res.Err)
	}
}

// gets delivers to a subscriber with the options and returns what its function got.
func gets[M any](t testing.TB, m pubsub.Message[M], opts []pubsub.SubscriberOption, run ...tasktest.RunOption) (got pubsub.Message[M], meta tasks.Metadata) {
	t.Helper()
	s := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[M]) error {
		got = m
		meta, _ = tasks.MetadataFrom(ctx)
		return nil
	}, append([]pubsub.SubscriberOption{pubsub.WithName("Gets"), pubsub.Topic("orders")}, opts...)...)
	if res := tasktest.Deliver(t, s, m, run...); res.Outcome != tasks.OutcomeExecuted {
		t.Fatalf("got %q, %v", res.Outcome, res.Err)
	}
	return got, meta
}

func TestDeliver_Message_AsGiven_DefaultsAsPubSub(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 6, 0, 0, 1e6, time.UTC)
	given := pubsub.Message[Paid]{
		Data: Paid{Order: 7}, Attributes: map[string]string{"a": "b"}, ID: "m1", OrderingKey: "ana", PublishTime: at, DeliveryAttempt: 3,
	}
	got, meta := gets(t, given, nil)
	if got.Data != given.Data || got.Attributes["a"] != "b" || len(got.Attributes) != 1 || got.ID != "m1" || got.OrderingKey != "ana" || !got.PublishTime.Equal(at) || got.DeliveryAttempt != 3 {
		t.Errorf("got %+v, want %+v", got, given)
	}
	if meta.ID != "m1" || meta.Queue != "" || meta.Attempt != 3 {
		t.Errorf("metadata %+v", meta)
	}

	before := time.Now()
	got, meta = gets(t, paidMessage(), nil)
	if got.ID != "136969346945" || got.Attributes != nil || got.OrderingKey != "" || got.DeliveryAttempt != 0 || meta.Attempt != 1 ||
		got.PublishTime.Before(before.Add(-time.Millisecond)) || got.PublishTime.After(time.Now()) {
		t.Errorf("got %+v", got)
	}
	letters := []pubsub.SubscriberOption{pubsub.DeadLetter("")}
	if got, _ = gets(t, paidMessage(), letters); got.DeliveryAttempt != 1 {
		t.Errorf("with a dead-letter topic, got attempt %d", got.DeliveryAttempt)
	}
	if got, meta = gets(t, given, letters, tasktest.Attempt(5)); got.DeliveryAttempt != 5 || meta.Attempt != 5 {
		t.Errorf("with Attempt, got %+v, %+v", got, meta)
	}
}

func TestDeliver_PublishTime_IsTheRecorders(t *testing.T) {
	t.Parallel()
	var got pubsub.Message[Paid]
	s := audit(func(_ context.Context, m pubsub.Message[Paid]) error { got = m; return nil })
	rec := tasktest.New(t, s)
	rec.Advance(720 * time.Hour)
	tasktest.Deliver(t, s, paidMessage(), tasktest.With(rec))
	if !got.PublishTime.Equal(rec.Now()) {
		t.Errorf("published at %s, want %s", got.PublishTime, rec.Now())
	}
}

func TestDeliver_OtherKindsOfData(t *testing.T) {
	t.Parallel()
	if got, _ := gets(t, pubsub.Message[pubsub.Raw]{Data: pubsub.Raw("\xff no JSON")}, nil); string(got.Data) != "\xff no JSON" {
		t.Errorf("raw: got %q", got.Data)
	}
	if got, _ := gets(t, pubsub.Message[pubsub.Raw]{Attributes: map[string]string{"a": "b"}}, nil); len(got.Data) != 0 || got.Attributes["a"] != "b" {
		t.Errorf("no data: got %+v", got)
	}
	if got, _ := gets(t, pubsub.Message[*Paid]{Data: &Paid{Order: 7}}, nil); got.Data.Order != 7 {
		t.Errorf("a pointer: got %+v", got)
	}
	if got, _ := gets(t, pubsub.Message[int]{Data: 7}, nil); got.Data != 7 {
		t.Errorf("a number: got %+v", got)
	}
	if got, _ := gets(t, paidMessage(), []pubsub.SubscriberOption{pubsub.WithCodec(reversed{})}); got.Data.Order != 7 {
		t.Errorf("another codec: got %+v", got)
	}
	unwrapped := pubsub.Message[Paid]{Data: Paid{Order: 7}, Attributes: map[string]string{"Region": "emea"}, OrderingKey: "ana", ID: "m1"}
	got, _ := gets(t, unwrapped, []pubsub.SubscriberOption{pubsub.Unwrapped(), pubsub.DeadLetter("")})
	if got.Data.Order != 7 || got.Attributes["region"] != "emea" || got.OrderingKey != "ana" || got.ID != "m1" || got.DeliveryAttempt != 0 {
		t.Errorf("unwrapped: got %+v", got)
	}
}

func TestDeliver_WithHeader_PropagatedOnesComeInTheMessage(t *testing.T) {
	t.Parallel()
	trace := tasktest.WithHeader("traceparent", "00-a")
	got, meta := gets(t, paidMessage(), nil, trace, tasktest.WithHeader("x-mine", "1"))
	if meta.Header.Get("Traceparent") != "00-a" || meta.Header.Get("X-Mine") != "1" || got.Attributes != nil {
		t.Errorf("headers %v, attributes %v", meta.Header, got.Attributes)
	}
	mine := map[string]string{"a": "b"}
	raw, meta := gets(t, pubsub.Message[pubsub.Raw]{Data: pubsub.Raw(`{}`), Attributes: mine}, nil, trace)
	if meta.Header.Get("Traceparent") != "00-a" || string(raw.Data) != "{}" || raw.Attributes["http-traceparent"] != "00-a" || len(mine) != 1 {
		t.Errorf("raw: headers %v, %+v; what was given is now %v", meta.Header, raw, mine)
	}
	number, meta := gets(t, pubsub.Message[int]{Data: 7}, nil, trace)
	if meta.Header.Get("Traceparent") != "00-a" || number.Attributes["http-traceparent"] != "00-a" {
		t.Errorf("a number: headers %v, %+v", meta.Header, number)
	}

	r := tasktest.PushRequest(t, audit(ignore[Paid]), paidMessage(), trace, tasktest.WithHeader("X-Mine", "1"))
	if r.Header.Get("Traceparent") != "" || r.Header.Get("X-Mine") != "1" {
		t.Errorf("the push has %v", r.Header)
	}
}

func TestDeliver_PropagatedHeaders_RideAlong(t *testing.T) {
	t.Parallel()
	p := paid()
	s := audit(func(ctx context.Context, m pubsub.Message[Paid]) error {
		_, err := p.Publish(ctx, Paid{Order: m.Data.Order + 1})
		return errors.Join(err, invoice2(ctx, m))
	})
	rec := tasktest.New(t, p, s, SendReceipt)
	publish(t, rec.Context(), p, Paid{Order: 1}) // before, so it does not count
	res := tasktest.Deliver(t, s, paidMessage(), tasktest.With(rec), tasktest.WithHeader("traceparent", "00-a"))
	tasktest.RequirePublished(t, rec, p, tasktest.WithHeader("traceparent", "00-a"))
	tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.WithHeader("traceparent", "00-a"))
	if len(res.Published) != 1 || res.Published[0].Publisher != "OrderPaid" || len(res.Enqueued) != 1 || res.Enqueued[0].Task != "Order" || res.Recorder != rec {
		t.Errorf("published %v, enqueued %v", res.Published, res.Enqueued)
	}
}

func TestRun_TellsWhatWasPublished(t *testing.T) {
	t.Parallel()
	p := paid()
	task := tasks.New(func(ctx context.Context, o Order) error {
		_, err := p.Publish(ctx, Paid{Order: o.ID})
		return err
	})
	res := tasktest.Run(t, task, Order{1}, tasktest.With(tasktest.New(t, task, p)))
	if len(res.Published) != 1 || res.Published[0].Topic != "orders" || len(res.Enqueued) != 0 {
		t.Errorf("published %v, enqueued %v", res.Published, res.Enqueued)
	}

	want := "tasktest: Order enqueues or publishes what its App does not know: make a recorder with both and pass With(rec)"
	if fake := try(t, func(t testing.TB) { tasktest.Run(t, task, Order{1}) }); len(fake.logs) != 1 || fake.logs[0] != want {
		t.Errorf("logs %q, want %q", fake.logs, want)
	}
	want = strings.Replace(want, "Order", "Invoicing", 1)
	if fake := try(t, func(t testing.TB) { tasktest.Deliver(t, Invoicing, paidMessage()) }); len(fake.logs) != 1 || fake.logs[0] != want {
		t.Errorf("logs %q, want %q", fake.logs, want)
	}
}

func TestDeliver_Authenticator_IsAsked(t *testing.T) {
	t.Parallel()
	s := audit(ignore[Paid])
	rec := tasktest.NewWith(t, tasks.Config{Authenticator: doorman{"sesame"}, Endpoint: "https://shop.example.com/_tasks"}, s)
	if res := tasktest.Deliver(t, s, paidMessage(), tasktest.With(rec)); res.HTTPStatus != http.StatusUnauthorized || !errors.Is(res.Err, errBoom) {
		t.Errorf("got %d, %v", res.HTTPStatus, res.Err)
	}
	if res := tasktest.Deliver(t, s, paidMessage(), tasktest.With(rec), tasktest.WithHeader("Authorization", "sesame")); res.HTTPStatus != http.StatusOK {
		t.Errorf("got %d, %v", res.HTTPStatus, res.Err)
	}
}

func TestDeliver_Options_ThatMakeNoSense_Refused(t *testing.T) {
	t.Parallel()
	s := audit(ignore[Paid])
	unwrapped := audit(ignore[Paid], pubsub.Unwrapped(), pubsub.DeadLetter(""))
	raw := pubsub.NewSubscriber(ignore[json.RawMessage], pubsub.WithName("JSON"), pubsub.Topic("orders"))
	nameless := pubsub.NewSubscriber(ignore[int])
	bad := pubsub.NewSubscriber(ignore[int], pubsub.WithName("ab"), pubsub.Topic("orders"))
	for want, f := range map[string]func(t testing.TB){
		"tasktest: Audit: ID is for tasks: set the ID of the pubsub.Message":                          func(t testing.TB) { tasktest.Deliver(t, s, paidMessage(), tasktest.ID("a")) },
		"tasktest: Audit: Queue is for tasks: a message comes from a subscription":                    func(t testing.TB) { tasktest.Deliver(t, s, paidMessage(), tasktest.Queue("a")) },
		"tasktest: Audit: LastAttempt is for tasks: Pub/Sub does not say which attempt is the last":   func(t testing.TB) { tasktest.PushRequest(t, s, paidMessage(), tasktest.LastAttempt()) },
		"tasktest: Attempt(0): attempts count from 1":                                                 func(t testing.TB) { tasktest.Deliver(t, s, paidMessage(), tasktest.Attempt(0)) },
		"tasktest: option 1 is nil: leave it out":                                                     func(t testing.TB) { tasktest.Deliver(t, s, paidMessage(), nil) },
		"tasktest: Audit: Attempt(1): an unwrapped push does not tell attempts":                       func(t testing.TB) { tasktest.Deliver(t, unwrapped, paidMessage(), tasktest.Attempt(1)) },
		"tasktest: Audit: Attempt(2): Pub/Sub tells attempts only where there is a dead-letter topic": func(t testing.TB) { tasktest.Deliver(t, s, paidMessage(), tasktest.Attempt(2)) },
		"tasktest: JSON: the data does not encode: ": func(t testing.TB) {
			tasktest.PushRequest(t, raw, pubsub.Message[json.RawMessage]{Data: json.RawMessage("{")})
		},
		"tasktest: the definition of subscriber  is not valid: name \"\": ":  func(t testing.TB) { tasktest.PushRequest(t, nameless, pubsub.Message[int]{}) },
		"tasktest: pubsub: subscriber \"ab\": subscription: id \"ab\" has 2": func(t testing.TB) { tasktest.PushRequest(t, bad, pubsub.Message[int]{}) },
	} {
		if got := mustFail(t, f); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPushRequest_AsPubSubSendsIt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 6, 0, 0, 1e6, time.UTC)
	m := pubsub.Message[Paid]{Data: Paid{Order: 7}, Attributes: map[string]string{"region": "emea"}, ID: "m1", OrderingKey: "ana", PublishTime: at}
	s := audit(ignore[Paid], pubsub.DeadLetter(""))
	wantLines(t, sent(t, tasktest.PushRequest(t, s, m, tasktest.Attempt(2), tasktest.Mount("/_tasks"))),
		`POST /_tasks/subscriptions/Audit {"deliveryAttempt":2,"message":{"attributes":{"region":"emea"},"data":"eyJvcmRlciI6N30=","messageId":"m1","message_id":"m1",`+
			`"orderingKey":"ana","publishTime":"2026-11-24T06:00:00.001Z","publish_time":"2026-11-24T06:00:00.001Z"},"subscription":"projects/tasktest/subscriptions/audit"}`,
		"Content-Type: application/json",
		"User-Agent: APIs-Google",
	)
	wantLines(t, sent(t, tasktest.PushRequest(t, audit(ignore[Paid], pubsub.Unwrapped()), m)),
		`POST /subscriptions/Audit {"order":7}`,
		"Region: emea",
		"User-Agent: APIs-Google",
		"X-Goog-Pubsub-Message-Id: m1",
		"X-Goog-Pubsub-Ordering-Key: ana",
		"X-Goog-Pubsub-Publish-Time: 2026-11-24T06:00:00.001Z",
		"X-Goog-Pubsub-Subscription-Name: projects/tasktest/subscriptions/audit",
	)
	full := audit(ignore[Paid], pubsub.Subscription("projects/billing/subscriptions/paid"))
	rec := tasktest.NewWith(t, tasks.Config{Endpoint: "https://shop.example.com/_tasks", SubscriptionsPath: "events"}, full)
	contains(t, sent(t, tasktest.PushRequest(t, full, m, tasktest.With(rec)))[0], "POST /_tasks/events/Audit ", `"subscription":"projects/billing/subscriptions/paid"`)
}

// What the platform sends, as package tasks is tested with.
func TestPushRequest_FieldsOfTheWireVector(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "tasks", "testdata", "wire", "pubsub-push.json"))
	if err != nil {
		t.Skip(err)
	}
	var vector struct {
		Headers map[string]string
		Body    string
	}
	if err := json.Unmarshal(data, &vector); err != nil {
		t.Fatal(err)
	}
	fields := func(body string) []string {
		var push struct{ Message map[string]any }
		var top map[string]any
		if err := errors.Join(json.Unmarshal([]byte(body), &push), json.Unmarshal([]byte(body), &top)); err != nil {
			t.Fatal(err)
		}
		return append(slices.Sorted(maps.Keys(top)), slices.Sorted(maps.Keys(push.Message))...)
	}
	r := tasktest.PushRequest(t, audit(ignore[Paid], pubsub.DeadLetter("")),
		pubsub.Message[Paid]{Data: Paid{Order: 7}, OrderingKey: "acme", Attributes: map[string]string{"region": "emea"}}, tasktest.Attempt(2))
	_, body, _ := strings.Cut(sent(t, r)[0], "Audit ")
	if got, want := fields(body), fields(vector.Body); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for name, want := range vector.Headers {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestPushRequest_ForAMountedApp_Arrives(t *testing.T) {
	t.Parallel()
	var seen []int
	s := audit(take(&seen))
	app, err := tasks.NewApp(tasks.Config{Transport: memory.New(), Endpoint: "https://shop.example.com/_tasks", Authenticator: tasks.TrustNetwork()})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Register(s); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, tasktest.PushRequest(t, s, paidMessage(), tasktest.Mount("/_tasks")))
	if w.Code != http.StatusOK || !slices.Equal(seen, []int{7}) {
		t.Errorf("status %d, ran %v", w.Code, seen)
	}
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
