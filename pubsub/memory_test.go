package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestMemory_FanOut_FilterAndSubscriptionsOfLaterTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var audit, emea, late, other evSeen[evGot]
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		elsewhere := pubsub.NewPublisher[evOrder](pubsub.Topic("elsewhere"))
		app, m := evMemory(t, tasks.Config{}, p, elsewhere,
			pubsub.NewSubscriber(evNote[evOrder](&audit, nil), pubsub.Topic("orders"), pubsub.Subscription("audit")),
			pubsub.NewSubscriber(evNote[evOrder](&emea, nil), pubsub.Topic("orders"), pubsub.Subscription("emea"),
				pubsub.Filter(`attributes.region = "emea"`)),
			pubsub.NewSubscriber(evNote[evOrder](&other, nil), pubsub.Topic("elsewhere"), pubsub.Subscription("other")))
		began := time.Now().UTC()
		for i, region := range []string{"emea", "apac", ""} {
			id := evDo(p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: i + 1}, pubsub.Attribute("region", region), pubsub.OrderingKey("k")))(t)
			evPass(0)
			got := audit.one(t)
			evEqual(t, "the message", got.message, pubsub.Message[struct{}]{Attributes: map[string]string{"region": region}, ID: id, OrderingKey: "k", PublishTime: began})
			if got.headers.Get("Traceparent") != "00-1" || got.meta.ID != id || got.limit != 10*time.Second || evJSON(t, got.data) != fmt.Sprintf(`{"id":%d}`, i+1) {
				t.Errorf("got %+v", got)
			}
		}
		evEqual(t, "what the filter lets through", emea.one(t).data, evOrder{ID: 1})
		if list := other.all(); len(list) > 0 {
			t.Errorf("another topic's messages: %+v", list)
		}
		if err := app.Register(pubsub.NewSubscriber(evNote[evOrder](&late, nil), pubsub.Topic("orders"), pubsub.Subscription("late"))); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.PublishAll(t.Context(), []evOrder{{ID: 4}, {ID: 5}}) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		evPass(time.Hour)
		if n := len(late.all()); n != 2 {
			t.Errorf("the later subscription gets %d messages, want 2", n)
		}
		for _, name := range []string{"audit", "emea", "other", "late"} {
			if n, err := m.SubscriptionBacklog(t.Context(), name); n != 0 || err != nil {
				t.Errorf("%s has %d messages left, %v", name, n, err)
			}
		}
	})
}

func TestMemory_Backoff_IsWhatTheOptionSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		opts  []pubsub.SubscriberOption
		cfg   tasks.SubscriberDefaults
		pause []time.Duration
	}{
		{"option", []pubsub.SubscriberOption{pubsub.Backoff(10*time.Second, time.Minute)}, tasks.SubscriberDefaults{},
			[]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute}},
		{"of the App", nil, tasks.SubscriberDefaults{MinBackoff: time.Second, MaxBackoff: 3 * time.Second},
			[]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}},
		{"zeros", []pubsub.SubscriberOption{pubsub.Backoff(0, 0)}, tasks.SubscriberDefaults{MinBackoff: time.Second, MaxBackoff: 3 * time.Second},
			[]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 600 * time.Second}},
		{"least alone", []pubsub.SubscriberOption{pubsub.Backoff(400*time.Second, 0)}, tasks.SubscriberDefaults{},
			[]time.Duration{400 * time.Second, 600 * time.Second, 600 * time.Second}},
		{"none: a push's own", nil, tasks.SubscriberDefaults{}, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
				evMemory(t, tasks.Config{Subscriber: c.cfg}, p, pubsub.NewSubscriber(func(context.Context, pubsub.Message[evOrder]) error {
					at = append(at, time.Now())
					return errEv
				}, append(c.opts, pubsub.Topic("orders"), pubsub.Subscription("audit"))...))
				evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
				var total time.Duration
				for _, d := range c.pause {
					total += d
				}
				evPass(total)
				if len(at) != len(c.pause)+1 {
					t.Fatalf("ran %d times, want %d", len(at), len(c.pause)+1)
				}
				for i, want := range c.pause {
					if got := at[i+1].Sub(at[i]); got != want {
						t.Errorf("pause %d was %s, want %s", i+1, got, want)
					}
				}
			})
		})
	}
}

func TestMemory_DeadLetter_AfterTheAttemptsOfTheOption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen, dead, quiet evSeen[evGot]
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		_, m := evMemory(t, tasks.Config{}, p,
			pubsub.NewSubscriber(evNote(&seen, func(o evOrder) error {
				if o.ID == 1 {
					return errEv
				}
				return nil
			}), pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.DeadLetter(""), pubsub.MaxDeliveryAttempts(7)),
			pubsub.NewSubscriber(evNote(&quiet, func(evOrder) error { return errEv }), pubsub.Topic("orders"), pubsub.Subscription("default"), pubsub.DeadLetter("quiet-dead")),
			pubsub.NewSubscriber(evNote[evOrder](&dead, nil), pubsub.Topic("audit--dead"), pubsub.Subscription("dead")))
		id := evDo(p.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}, pubsub.Attribute("a", "b"), pubsub.OrderingKey("k")))(t)
		evDo(p.Publish(t.Context(), evOrder{ID: 2}))(t)
		evPass(24 * time.Hour)
		attempts := 0
		for _, got := range seen.all() {
			if got.message.ID == id {
				if attempts++; got.message.DeliveryAttempt != attempts || got.meta.Attempt != attempts {
					t.Errorf("attempt %d says %d, %d", attempts, got.message.DeliveryAttempt, got.meta.Attempt)
				}
			}
		}
		if n := len(quiet.all()); attempts != 7 || n != 10 {
			t.Errorf("%d attempts, want 7; %d of two messages, want 10", attempts, n)
		}
		got := dead.one(t)
		if got.message.Attributes["a"] != "b" || got.message.Attributes["CloudPubSubDeadLetterSourceDeliveryCount"] != "7" || got.message.OrderingKey != "k" ||
			got.headers.Get("Traceparent") != "00-1" || evJSON(t, got.data) != `{"id":1}` || got.message.DeliveryAttempt != 0 {
			t.Errorf("the dead letter is %+v", got)
		}
		// Nobody here reads quiet-dead: it has a subscription of its own, as Sync would give it one.
		if n, err := m.SubscriptionBacklog(t.Context(), "quiet-dead"); n != 2 || err != nil {
			t.Errorf("%d dead letters are kept, %v, want 2", n, err)
		}
	})
}

func TestMemory_Ordered_AFailureHoldsUpItsKeyAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		got, running := map[string][]int{}, map[string]bool{}
		failures := map[int]int{2: 2, 5: 1}
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"), pubsub.Ordered())
		evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[evOrder]) error {
			mu.Lock()
			if running[m.OrderingKey] {
				t.Errorf("two of %s at a time", m.OrderingKey)
			}
			running[m.OrderingKey] = true
			got[m.OrderingKey] = append(got[m.OrderingKey], m.Data.ID)
			failures[m.Data.ID]--
			fail := failures[m.Data.ID] >= 0
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running[m.OrderingKey] = false
			mu.Unlock()
			if fail {
				return errEv
			}
			return nil
		}, pubsub.Topic("orders"), pubsub.Ordered(), pubsub.Subscription("line"), pubsub.Backoff(time.Minute, time.Minute)))
		for id := range 8 {
			evDo(p.Publish(t.Context(), evOrder{ID: id + 1}, pubsub.OrderingKey([]string{"a", "b"}[id%2])))(t)
		}
		evPass(5 * time.Second)
		mu.Lock()
		if !slices.Equal(got["a"], []int{1, 3, 5}) || !slices.Equal(got["b"], []int{2}) {
			t.Errorf("after 5 s: %v", got)
		}
		mu.Unlock()
		evPass(time.Hour)
		if !slices.Equal(got["a"], []int{1, 3, 5, 5, 7}) || !slices.Equal(got["b"], []int{2, 2, 2, 4, 6, 8}) {
			t.Errorf("in the end: %v", got)
		}
	})
}

func TestMemory_AckDeadline_EndsTheContextAndTheMessageComesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ends []error
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(ctx context.Context, _ pubsub.Message[evOrder]) error {
			if len(ends) == 1 {
				ends = append(ends, nil)
				return nil
			}
			began := time.Now()
			<-ctx.Done()
			if took := time.Since(began); took != 20*time.Second {
				t.Errorf("the context ended after %s", took)
			}
			ends = append(ends, ctx.Err())
			return ctx.Err()
		}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.AckDeadline(20*time.Second)))
		evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
		evPass(time.Hour)
		if len(ends) != 2 || !errors.Is(ends[0], context.DeadlineExceeded) {
			t.Errorf("ended with %v", ends)
		}
	})
}

func TestMemory_TwoApps_ShareTopics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		var seen evSeen[string]
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		sub := pubsub.NewSubscriber(func(ctx context.Context, _ pubsub.Message[evOrder]) error {
			app, _ := tasks.AppFrom(ctx)
			seen.add(app.Config().Name)
			return nil
		}, pubsub.Topic("orders"))
		apps := map[string]*tasks.App{}
		for _, name := range []string{"one", "two"} {
			apps[name] = evApp(t, tasks.Config{Name: name, Transport: m, Endpoint: "http://" + name}, p, sub)
		}
		evDo(p.Publish(apps["one"].Context(t.Context()), evOrder{ID: 1}))(t)
		evPass(0)
		if got := slices.Sorted(slices.Values(seen.all())); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("received by %q", got)
		}
		if err := apps["one"].Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		evDo(p.Publish(apps["two"].Context(t.Context()), evOrder{ID: 2}))(t)
		evPass(time.Minute)
		if got := seen.all(); !slices.Equal(got, []string{"two"}) {
			t.Errorf("received by %q after the first one's shutdown", got)
		}
		if n, err := m.SubscriptionBacklog(t.Context(), "one--ev-order"); n != 1 || err != nil {
			t.Errorf("%d messages wait for the first one, %v", n, err)
		}
		// It comes back, and gets what it has missed.
		evApp(t, tasks.Config{Name: "one", Transport: m, Endpoint: "http://one"}, sub)
		evPass(2 * time.Minute)
		if got := seen.all(); !slices.Equal(got, []string{"one"}) {
			t.Errorf("received by %q after its return", got)
		}
	})
}

func TestMemory_Shutdown_WaitsForSubscribers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ctxErr, published error
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		done := pubsub.NewPublisher[evOrder](pubsub.Topic("done"))
		app, _ := evMemory(t, tasks.Config{}, p, done, pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[evOrder]) error {
			time.Sleep(5 * time.Second)
			ctxErr = ctx.Err()
			_, published = done.Publish(ctx, m.Data)
			return nil
		}, pubsub.Topic("orders"), pubsub.Subscription("audit")))
		evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
		synctest.Wait()
		began := time.Now()
		if err := app.Shutdown(t.Context()); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if ctxErr != nil || published != nil {
			t.Errorf("the handler's context: %v; its Publish: %v", ctxErr, published)
		}
	})
}

func TestMemory_HandlersEnqueueAndTasksPublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps []string
		orders, shipped := pubsub.NewPublisher[evOrder](pubsub.Topic("orders")), pubsub.NewPublisher[evOrder](pubsub.Topic("shipped"))
		step := func(ctx context.Context, name string) {
			steps = append(steps, name+" "+tasks.HeadersFrom(ctx).Get("Traceparent"))
		}
		ship := tasks.New(func(ctx context.Context, o evOrder) error {
			step(ctx, "ship")
			_, err := shipped.Publish(ctx, o)
			return err
		}, tasks.WithName("ship"))
		evMemory(t, tasks.Config{}, orders, shipped, ship,
			pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[evOrder]) error {
				step(ctx, "paid")
				_, err := ship.Enqueue(ctx, m.Data)
				return err
			}, pubsub.Topic("orders"), pubsub.Subscription("orders")),
			pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[evOrder]) error { step(ctx, "told"); return nil },
				pubsub.Topic("shipped"), pubsub.Subscription("shipped")))
		evDo(orders.Enqueue(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}, pubsub.Task(tasks.In(time.Minute))))(t)
		evPass(time.Minute)
		if want := []string{"paid 00-1", "ship 00-1", "told 00-1"}; !slices.Equal(steps, want) {
			t.Errorf("went %q, want %q", steps, want)
		}
	})
}

func TestMemory_MiddlewareOfTheApp_WrapsSubscribers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
		app, m := evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(context.Context, pubsub.Message[evOrder]) error { return errEv },
			pubsub.Topic("orders"), pubsub.Subscription("audit")))
		app.Use(func(next tasks.Handler) tasks.Handler { return evDiscards(next) })
		evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
		evPass(0)
		if n, err := m.SubscriptionBacklog(t.Context(), "audit"); n != 0 || err != nil {
			t.Errorf("%d messages left, %v", n, err)
		}
	})
}

func TestMemory_Attributes_ArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen evSeen[evGot]
		p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
		evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(evNote[pubsub.Raw](&seen, nil), pubsub.Topic("raw"), pubsub.Subscription("raw")))
		attrs := map[string]string{"Ünï": "cödé\n\x00", strings.Repeat("k", 256): strings.Repeat("v", 1024), "empty": ""}
		evDo(p.Publish(t.Context(), pubsub.Raw{}, pubsub.Attributes(attrs)))(t)
		evPass(0)
		if got := seen.one(t); !maps.Equal(got.message.Attributes, attrs) || len(got.data.(pubsub.Raw)) != 0 {
			t.Errorf("got %+v", got)
		}
	})
}
