package pubsub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// evDiscards is middleware that lets nothing come again.
func evDiscards(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		if _, err := next(ctx, d); err != nil {
			return nil, tasks.Discard(err)
		}
		return nil, nil
	}
}

func TestQuarantine_TakesMessagesThatDoNotDecode(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	fail := errEv
	app := evApp(t, tasks.Config{Quarantine: func(_ context.Context, q tasks.Quarantined) error {
		if fail == nil {
			kept = append(kept, q)
		}
		return fail
	}}, pubsub.NewSubscriber(func(context.Context, pubsub.Message[evOrder]) error { return errEv }, pubsub.Subscription("audit")))
	post := evServer(t, app)
	bad := evPush(`{"id": 0}`)
	post("/subscriptions/audit", bad).want(t, 400, "rejected") // nobody has it
	fail = nil
	post("/subscriptions/audit", bad).want(t, 202, "quarantined")
	post("/subscriptions/nobody", bad).want(t, 202, "quarantined")
	post("/subscriptions/audit", `{"message": {"data": "%"}}`).want(t, 202, "quarantined")
	post("/subscriptions/audit", evPush(`{"id": 1}`)).want(t, 500, "failed") // Pub/Sub's dead letters are for those
	if len(kept) != 3 {
		t.Fatalf("kept %+v", kept)
	}
	if q := kept[0]; q.Name != "audit" || q.Kind != tasks.KindSubscriber || q.ID != "11" || string(q.Body) != bad {
		t.Errorf("kept %+v", q)
	}
	evSays(t, kept[0].Reason, "id fails rule required")
	if q := kept[1]; q.Name != "nobody" || string(q.Body) != bad {
		t.Errorf("kept %+v", q)
	}
	evSays(t, kept[2].Reason, "base64")
}

func TestQuarantineTo_PublishesToATopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lost evSeen[tasks.Quarantined]
		var attempts int
		park := pubsub.NewPublisher[tasks.Quarantined](pubsub.Topic("parked"))
		raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("orders"))
		task := tasks.New(func(context.Context, evOrder) error { return errEv }, tasks.WithName("ship"),
			tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2}))
		_, m := evMemory(t, tasks.Config{Quarantine: pubsub.QuarantineTo(park)}, park, raw, task,
			pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("orders"), pubsub.Subscription("audit")),
			pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[tasks.Quarantined]) error {
				if attempts++; attempts == 1 {
					return errEv
				}
				lost.add(m.Data)
				return nil
			}, pubsub.Topic("parked"), pubsub.Subscription("parked")))
		evDo(raw.Publish(t.Context(), pubsub.Raw(`{"id": 0}`), pubsub.Attribute("a", "b")))(t)
		evPass(time.Minute)
		q := lost.one(t)
		if q.Name != "audit" || q.Kind != tasks.KindSubscriber || q.Attempt != 1 {
			t.Errorf("quarantined %+v", q)
		}
		evSays(t, q.Reason, "id fails rule required")
		evDo(task.Enqueue(t.Context(), evOrder{ID: 7}))(t)
		evPass(time.Hour)
		if q := lost.one(t); q.Name != "ship" || q.Attempt != 2 || string(q.Body) != `{"id":7}` {
			t.Errorf("quarantined %+v", q)
		}
		if n, err := m.SubscriptionBacklog(t.Context(), "audit"); n != 0 || err != nil {
			t.Errorf("%d messages left, %v", n, err)
		}
	})
}

// What is quarantined must not end up where it came from.
func TestQuarantineTo_Circles_AreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		park := pubsub.NewPublisher[tasks.Quarantined](pubsub.Topic("parked"), pubsub.WithName("park"))
		take := pubsub.QuarantineTo(park)
		var refused []error
		var published int
		raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("parked"))
		app, m := evMemory(t, tasks.Config{Quarantine: func(ctx context.Context, q tasks.Quarantined) error {
			err := take(ctx, q)
			if err != nil {
				refused = append(refused, err)
			}
			return err
		}}, park, raw, pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("projects/p/topics/parked"), pubsub.Subscription("misread"), pubsub.Backoff(time.Minute, time.Minute)))
		app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
			return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
				published += len(ms)
				return next(ctx, ms)
			}
		})
		evDo(raw.Publish(t.Context(), pubsub.Raw(`{"id": 0}`)))(t)
		evPass(90 * time.Second)
		if published != 1 || len(refused) != 2 {
			t.Fatalf("%d were published, %d refused: round and round", published, len(refused))
		}
		evSays(t, refused[0], `subscriber "misread" has topic "parked"`, "circles")
		if n, err := m.SubscriptionBacklog(t.Context(), "misread"); n != 1 || err != nil {
			t.Errorf("%d messages left, %v: it was acknowledged by nobody", n, err)
		}
		evSays(t, take(t.Context(), tasks.Quarantined{Kind: tasks.KindPublisher, Name: "park"}), `publisher "park"`, "circles")
		if err := take(t.Context(), tasks.Quarantined{Kind: tasks.KindPublisher, Name: "other"}); err != nil {
			t.Error(err)
		}
		if err := take(t.Context(), tasks.Quarantined{Kind: tasks.KindSubscriber, Name: "unknown"}); err != nil {
			t.Error(err)
		}
	})
	unregistered := pubsub.QuarantineTo(pubsub.NewPublisher[tasks.Quarantined](pubsub.Topic("parked")))
	err := unregistered(t.Context(), tasks.Quarantined{})
	evIs(t, err, tasks.ErrNotRegistered)
	evSays(t, err, "pubsub: publish parked: ")
}
