package taskotel_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func nothing(context.Context, order) error { return nil }

func ignore(context.Context, pubsub.Message[order]) error { return nil }

// recorder is an instrumented App whose time stands still.
func recorder(t testing.TB, cfg tasks.Config, e *exported, defs ...tasks.Definition) *tasktest.Recorder {
	t.Helper()
	rec := tasktest.NewWith(t, cfg, defs...)
	if err := taskotel.Instrument(rec.App(), taskotel.WithTracerProvider(e.provider)); err != nil {
		t.Fatal(err)
	}
	return rec
}

// wantAttributes compares all attributes of a span; "*" is any value.
func wantAttributes(t testing.TB, s tracetest.SpanStub, want map[attribute.Key]string) {
	t.Helper()
	got := values(s.Attributes)
	for key, value := range want {
		if value == "*" && got[key] != "" {
			want[key] = got[key]
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s has the attributes\n%v, want\n%v", s.Name, got, want)
	}
}

func TestSpans_OfATask_HaveTheConventionsNames(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("Charge"), tasks.OnQueue("payments"), tasks.WithAliases("Pay"))
	rec := recorder(t, tasks.Config{}, spans, task)
	id := must(task.Enqueue(rec.Context(), order{ID: 1}))(t).ID
	rec.Drain()
	got := spans.want(t, `
		producer send payments: ok
		  consumer process payments: executed`)
	wantAttributes(t, got[0], map[attribute.Key]string{
		"messaging.system": "typedtasks", "messaging.operation.name": "send", "messaging.operation.type": "send", "messaging.destination.name": "payments",
		"messaging.message.id": id, "typedtasks.kind": "task", "typedtasks.name": "Charge", "typedtasks.outcome": "ok",
	})
	wantAttributes(t, got[1], map[attribute.Key]string{
		"messaging.system": "typedtasks", "messaging.operation.name": "process", "messaging.operation.type": "process", "messaging.destination.name": "payments",
		"messaging.message.id": id, "typedtasks.kind": "task", "typedtasks.name": "Charge", "typedtasks.attempt": "1", "typedtasks.outcome": "executed",
	})
	if scope := got[0].InstrumentationScope; scope.Name != taskotel.ScopeName || !strings.Contains(scope.SchemaURL, "opentelemetry.io/schemas/1.") {
		t.Errorf("the scope is %+v", scope)
	}
	if got[0].Status.Code != codes.Unset || got[1].Status.Code != codes.Unset {
		t.Errorf("success has a status: %v, %v", got[0].Status, got[1].Status)
	}
}

func TestSpans_OfAMessage_HaveTheConventionsNames(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	p := pubsub.NewPublisher[order](pubsub.Topic("orders"), pubsub.WithName("paid"))
	s := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.WithName("auditor"), pubsub.DeadLetter("dead"))
	rec := recorder(t, tasks.Config{}, spans, p, s)
	id := must(p.Publish(rec.Context(), order{ID: 1}, pubsub.OrderingKey("acme")))(t)
	rec.Drain()
	got := spans.want(t, `
		producer send orders: ok
		  consumer subscribe audit: executed`)
	wantAttributes(t, got[0], map[attribute.Key]string{
		"messaging.system": "typedtasks", "messaging.operation.name": "send", "messaging.operation.type": "send", "messaging.destination.name": "orders",
		"messaging.message.id": id, "messaging.gcp_pubsub.message.ordering_key": "acme", "typedtasks.kind": "publisher", "typedtasks.name": "paid", "typedtasks.outcome": "ok",
	})
	wantAttributes(t, got[1], map[attribute.Key]string{
		"messaging.system": "typedtasks", "messaging.operation.name": "subscribe", "messaging.operation.type": "process", "messaging.destination.name": "audit",
		"messaging.destination.subscription.name": "audit", "messaging.message.id": id, "messaging.gcp_pubsub.message.ordering_key": "acme",
		"messaging.gcp_pubsub.message.delivery_attempt": "1", "typedtasks.kind": "subscriber", "typedtasks.name": "auditor", "typedtasks.outcome": "executed",
	})
}

func TestSpans_NameTheSystemThatTheTransportIs(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	sub := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("projects/shop/subscriptions/audit"))
	app := newApp(t, tasks.Config{Name: "shop", Endpoint: "https://shop.example.com", Transport: nowhere{}, Broker: &remote{}}, spans, task, p, sub)
	must(task.Enqueue(t.Context(), order{ID: 1}))(t)
	must(p.Publish(t.Context(), order{ID: 1}))(t)
	app.ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, order{ID: 1}))
	app.ServeHTTP(httptest.NewRecorder(), tasktest.PushRequest(t, sub, pubsub.Message[order]{Data: order{ID: 1}}))
	app.ServeHTTP(httptest.NewRecorder(), scheduled(t, task))
	for name, system := range map[string]string{
		"send shop":   "gcp_cloud_tasks",
		"send orders": "gcp_pubsub", "process tasks": "gcp_cloud_tasks", "subscribe audit": "gcp_pubsub", "process nightly": "gcp_cloud_scheduler",
	} {
		if got := text(find(t, spans.GetSpans(), name), "messaging.system"); got != system {
			t.Errorf("%s is of %q, want %q", name, got, system)
		}
	}
}

func TestSpans_OfMany_OneForEachAndOneForAll(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task, p)
	ctx := under(rec.Context(), traceparent)
	task.EnqueueAll(ctx, []order{{1}, {2}, {3}})
	p.PublishAll(ctx, []order{{1}, {2}})
	rec.Drain()
	got := spans.want(t, `
		(outside)
		  producer create shop: ok
		    consumer process shop: executed
		  producer create shop: ok
		    consumer process shop: executed
		  producer create shop: ok
		    consumer process shop: executed
		  client send shop: -
		  producer create orders: ok
		  producer create orders: ok
		  client send orders: -`)
	oneTrace(t, got, outerTrace)
	send := find(t, got, "send shop")
	wantAttributes(t, send, map[attribute.Key]string{
		"messaging.system": "typedtasks", "messaging.operation.name": "send", "messaging.operation.type": "send", "messaging.destination.name": "shop",
		"messaging.batch.message_count": "3", "typedtasks.kind": "task", "typedtasks.name": "charge",
	})
	linked := map[trace.SpanID]bool{}
	for _, l := range send.Links {
		linked[l.SpanContext.SpanID()] = true
	}
	for _, s := range got {
		if s.Name == "create shop" && (!linked[s.SpanContext.SpanID()] || text(s, "messaging.operation.type") != "create" || text(s, "messaging.message.id") == "") {
			t.Errorf("%v is not linked, or not whole", values(s.Attributes))
		}
	}
	if len(linked) != 3 {
		t.Errorf("%d links, want 3", len(linked))
	}
}

func TestSpans_OfVeryMany_LinkAsManyAsSpansKeep(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	orders := make([]order, 130)
	for i := range orders {
		orders[i].ID = i + 1
	}
	task.EnqueueAll(rec.Context(), orders)
	if send := find(t, spans.GetSpans(), "send shop"); len(send.Links) != 128 || send.DroppedLinks != 0 {
		t.Errorf("%d links, %d dropped", len(send.Links), send.DroppedLinks)
	}
}

func TestSpans_OfAnEnqueueThatFails_SayWhy(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	must(task.Enqueue(rec.Context(), order{ID: 1}, tasks.WithID("one")))(t)
	if r := must(task.Enqueue(rec.Context(), order{ID: 1}, tasks.WithID("one")))(t); !r.Duplicate {
		t.Fatal("it is no duplicate")
	}
	rec.FailNext(1, errDown)
	if _, err := task.Enqueue(rec.Context(), order{ID: 1}); err == nil {
		t.Fatal("it did not fail")
	}
	rec.FailNext(1, context.DeadlineExceeded)
	task.EnqueueAll(rec.Context(), []order{{1}, {2}})
	got := spans.want(t, `
		producer send shop: ok
		producer send shop: duplicate
		producer send shop: error, error _OTHER
		producer create shop: error, error timeout
		producer create shop: ok
		client send shop: -, error timeout`)
	failed := got[2]
	if !strings.Contains(failed.Status.Description, errDown.Error()) || len(failed.Events) != 1 || values(failed.Events[0].Attributes)["exception.message"] != failed.Status.Description {
		t.Errorf("it says %+v and %+v", failed.Status, failed.Events)
	}
	for _, s := range got {
		if s.Name == "send shop" && s.SpanKind == trace.SpanKindClient && s.Status.Description != "1 of 2 failed" {
			t.Errorf("the whole says %+v", s.Status)
		}
	}
}

func TestSpans_NameTheKindOfAnError(t *testing.T) {
	t.Parallel()
	for kind, want := range map[error]string{
		transport.ErrNotFound: "not_found", transport.ErrQueueMissing: "not_found", transport.ErrExists: "exists", transport.ErrGone: "exists",
		transport.ErrUnsupported: "unsupported", transport.ErrClosed: "closed", transport.ErrCapacity: "capacity", transport.ErrTooLarge: "too_large",
		transport.ErrTooFar: "too_far", transport.ErrInvalid: "invalid", context.Canceled: "canceled", context.DeadlineExceeded: "timeout", errDown: "_OTHER",
	} {
		spans, p := tracing(t), pubsub.NewPublisher[order](pubsub.Topic("orders"))
		to := &remote{fail: func(*transport.Message) error {
			return &transport.Error{Op: transport.OpPublish, Kind: transport.KindOf(kind), Err: kind}
		}}
		newApp(t, tasks.Config{Transport: nowhere{}, Broker: to, Endpoint: "https://shop.example.com"}, spans, p)
		if _, err := p.Publish(t.Context(), order{1}); !errors.Is(err, kind) {
			t.Errorf("got %v, want %v", err, kind)
		}
		if got := text(spans.GetSpans()[0], "error.type"); got != want {
			t.Errorf("error.type of %v is %q, want %q", kind, got, want)
		}
	}
}

// What comes from nowhere: a request that is no platform's, a message that does not say its subscription.
func TestSpans_OfWhatSaysLittle(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	sub := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: &remote{}, Endpoint: "https://shop.example.com"}, spans, task, sub)
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/tasks/charge", strings.NewReader(`{"id":1}`)))
	if err := app.Deliver(t.Context(), sub, &transport.Message{Data: []byte(`{"id":1}`)}); err != nil {
		t.Error(err)
	}
	spans.want(t, `
		consumer process: executed
		consumer subscribe audit: executed`)
}

func TestSpans_OfARetriedEnqueue_AreOne(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"), tasks.WithEnqueueRetry(retrying()))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	rec.FailNext(1, errDown)
	must(task.Enqueue(rec.Context(), order{ID: 1}))(t)
	rec.Drain()
	spans.want(t, `
		producer send shop: ok
		  consumer process shop: executed`)
}

func TestSpans_RunInTheCaller_IsInternal(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	inner := tasks.New(nothing, tasks.WithName("inner"))
	outer := tasks.New(func(ctx context.Context, o order) error { return inner.Run(ctx, o) }, tasks.WithName("outer"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, inner, outer)
	must(outer.Enqueue(rec.Context(), order{ID: 1}))(t)
	rec.Drain()
	if err := inner.Run(under(rec.Context(), traceparent), order{ID: 2}); err != nil {
		t.Fatal(err)
	}
	got := spans.want(t, `
		producer send shop: ok
		  consumer process shop: executed
		    internal run inner: executed
		(outside)
		  internal run inner: executed`)
	wantAttributes(t, got[1], map[attribute.Key]string{"typedtasks.kind": "task", "typedtasks.name": "inner", "typedtasks.attempt": "1", "typedtasks.outcome": "executed"})
}

func TestSpans_Debug_IsInternalAndLinksToTheEnqueue(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
	id := must(task.Enqueue(rec.Context(), order{ID: 1}, tasks.In(time.Hour)))(t).ID
	if err := task.Debug(rec.Context(), id); err != nil {
		t.Fatal(err)
	}
	ctx, around := spans.provider.Tracer("test").Start(rec.Context(), "a command")
	if err := task.Debug(ctx, id); err != nil {
		t.Fatal(err)
	}
	around.End()
	got := spans.want(t, `
		producer send shop: ok
		  internal run charge: executed
		internal a command: -
		  internal run charge: executed`)
	if l := got[2].Links; len(l) != 1 || l[0].SpanContext.SpanID() != got[0].SpanContext.SpanID() {
		t.Errorf("links %v, want the enqueue's", l)
	}
}

func TestSpans_Eager_NestInTheCallersOwn(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]tasks.Config{"as configured": {Eager: true}, "as a transport": {Transport: eager.New()}} {
		t.Run(name, func(t *testing.T) {
			spans := tracing(t)
			cfg.Name = "shop"
			helper := tasks.New(nothing, tasks.WithName("helper"))
			p := pubsub.NewPublisher[order](pubsub.Topic("orders"))
			sub := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[order]) error { return helper.Run(ctx, m.Data) },
				pubsub.Topic("orders"), pubsub.Subscription("audit"))
			task := tasks.New(func(ctx context.Context, o order) error {
				_, err := p.Publish(ctx, o)
				return errors.Join(err, helper.Run(ctx, o))
			}, tasks.WithName("charge"))
			newApp(t, cfg, spans, task, p, sub, helper)
			must(task.Enqueue(under(t.Context(), traceparent), order{ID: 1}))(t)
			oneTrace(t, spans.want(t, `
		(outside)
		  producer send shop: ok
		    consumer process shop: executed
		      producer send orders: ok
		        consumer subscribe audit: executed
		          internal run helper: executed
		      internal run helper: executed`), outerTrace)
		})
	}
}

func TestSpans_Memory_OneTraceOverRetriesSnoozesAndMessages(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	p := pubsub.NewPublisher[order](pubsub.Topic("orders"))
	runs := 0
	task := tasks.New(func(ctx context.Context, o order) error {
		switch runs++; runs {
		case 1:
			return errDown
		case 2:
			return tasks.Snooze(0)
		default:
			_, err := p.Enqueue(ctx, o)
			return err
		}
	}, tasks.WithName("charge"), tasks.WithRetryConfig(quickly()))
	via := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("via"), pubsub.ViaTasks())
	newApp(t, tasks.Config{Name: "shop", Transport: memory.New()}, spans, task, p, via)
	must(task.Enqueue(under(t.Context(), traceparent), order{ID: 1}))(t)
	oneTrace(t, spans.want(t, `
		(outside)
		  producer send shop: ok
		    consumer process shop: failed, error failed
		    consumer process shop: snoozed
		      producer send shop: ok
		        consumer process shop: executed
		          producer send shop: ok
		            consumer process shop: executed
		              producer send orders: ok
		                consumer subscribe via: enqueued
		                  producer send shop: ok
		                    consumer process shop: executed`), outerTrace)
}

func TestSpans_AQuarantinesEnqueue_IsTheRunsChild(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	graveyard := tasks.New(func(context.Context, tasks.Quarantined) error { return nil }, tasks.WithName("graveyard"), tasks.OnQueue("graves"))
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := recorder(t, tasks.Config{Name: "shop", Quarantine: tasks.QuarantineTo(graveyard)}, spans, task, graveyard)
	r := tasktest.Request(t, task, order{}, tasktest.With(rec))
	r.Header.Set("traceparent", traceparent)
	rec.App().ServeHTTP(httptest.NewRecorder(), r)
	spans.want(t, `
		(outside)
		  consumer process shop: rejected, error rejected
		    producer send graves: ok`)
}

// scheduled is the push of a job of Cloud Scheduler.
func scheduled(t testing.TB, task *tasks.Task[order]) *http.Request {
	t.Helper()
	r := tasktest.Request(t, task, order{ID: 1})
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Cloudtasks-") {
			r.Header.Del(name)
		}
	}
	r.Header.Set("X-CloudScheduler", "true")
	r.Header.Set("X-CloudScheduler-JobName", "projects/shop/locations/l/jobs/nightly")
	r.Header.Set("X-CloudScheduler-ScheduleTime", "2026-11-24T03:00:00Z")
	return r
}
