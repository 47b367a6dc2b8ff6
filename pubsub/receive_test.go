package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// evReceiving is a Receive that runs.
type evReceiving struct {
	cancel context.CancelFunc
	done   chan error
}

func evReceive(ctx context.Context, app *tasks.App) evReceiving {
	ctx, cancel := context.WithCancel(ctx)
	r := evReceiving{cancel, make(chan error, 1)}
	go func() {
		defer cancel()
		r.done <- pubsub.Receive(ctx, app)
	}()
	return r
}

// stop ends it and returns its error.
func (r evReceiving) stop() error {
	r.cancel()
	return <-r.done
}

func TestReceive_PullsEverySubscriberThatPulls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var audit, pushed, mail evSeen[evGot]
		orders, mails := pubsub.NewPublisher[evOrder](pubsub.Topic("orders")), pubsub.NewPublisher[*evOrder](pubsub.Topic("mails"))
		app, m := evMemory(t, tasks.Config{}, orders, mails,
			tasks.New(func(context.Context, A) error { return nil }),
			pubsub.NewSubscriber(evNote[evOrder](&audit, nil), pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull(), pubsub.DeadLetter("")),
			pubsub.NewSubscriber(evNote[evOrder](&pushed, nil), pubsub.Topic("orders"), pubsub.Subscription("pushed")),
			pubsub.NewSubscriber(evNote[*evOrder](&mail, nil), pubsub.Topic("mails"), pubsub.Subscription("mail"), pubsub.Pull()))
		id := evDo(orders.Publish(evHeaders(t.Context(), "traceparent", "00-1"), evOrder{ID: 1}, pubsub.Attribute("a", "b"), pubsub.OrderingKey("k")))(t)
		published := time.Now().UTC()
		evPass(time.Hour)
		if len(audit.all()) > 0 || len(pushed.all()) != 1 {
			t.Error("a subscriber that pulls is pushed to, or the other way round")
		}
		r := evReceive(t.Context(), app)
		evDo(mails.Publish(t.Context(), &evOrder{ID: 2}))(t)
		synctest.Wait()
		got := audit.one(t)
		evEqual(t, "the message", got.message, pubsub.Message[struct{}]{Attributes: map[string]string{"a": "b"}, ID: id, OrderingKey: "k", PublishTime: published, DeliveryAttempt: 1})
		if got.meta.ID != id || got.meta.Eager || got.headers.Get("Traceparent") != "00-1" || got.limit != time.Hour || evJSON(t, got.data) != `{"id":1}` {
			t.Errorf("got %+v", got)
		}
		if got := mail.one(t); evJSON(t, got.data) != `{"id":2}` {
			t.Errorf("got %+v", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"audit", "mail"} {
			if n, err := m.SubscriptionBacklog(t.Context(), name); n != 0 || err != nil {
				t.Errorf("%s has %d left, %v", name, n, err)
			}
		}
		evDo(orders.Publish(t.Context(), evOrder{ID: 3}))(t)
		evPass(time.Hour)
		if list := audit.all(); len(list) > 0 {
			t.Errorf("received after its end: %+v", list)
		}
	})
}

func TestReceive_Outcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := map[int]int{}
		var mu sync.Mutex
		p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("orders"))
		stranger := pubsub.NewPublisher[evOrder](pubsub.Topic("other"))
		evApp(t, tasks.Config{Name: "other"}, stranger)
		app, m := evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[evOrder]) error {
			mu.Lock()
			attempts[m.Data.ID]++
			n := attempts[m.Data.ID]
			mu.Unlock()
			if n > 1 {
				return nil
			}
			switch m.Data.ID {
			case 1:
				return errEv
			case 2:
				return tasks.Discard(errEv)
			case 3:
				panic("x")
			case 4:
				return tasks.RetryAfter(time.Hour, errEv)
			case 5:
				_, err := stranger.Publish(ctx, evOrder{ID: 1}) // which says ErrNotRegistered
				return err
			case 6:
				return tasks.Snooze(time.Hour)
			case 7:
				return fmt.Errorf("another App's: %w", tasks.ErrShutdown)
			}
			return nil
		}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull(), pubsub.Backoff(time.Minute, time.Minute)))
		r := evReceive(t.Context(), app)
		for id := range 9 {
			evDo(p.Publish(t.Context(), pubsub.Raw(fmt.Sprintf(`{"id":%d}`, id))))(t) // the first is not valid
		}
		evPass(30 * time.Second)
		if n, _ := m.SubscriptionBacklog(t.Context(), "audit"); n != 6 {
			t.Errorf("%d are not acknowledged, want 6: 0 1 3 4 5 7", n)
		}
		evPass(2 * time.Hour)
		mu.Lock()
		evEqual(t, "how often they ran", attempts, map[int]int{1: 2, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 1})
		mu.Unlock()
		if n, _ := m.SubscriptionBacklog(t.Context(), "audit"); n != 1 {
			t.Errorf("%d are not acknowledged, want the one that is not valid", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestReceive_FlowControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts []pubsub.SubscriberOption
		want int
	}{
		{"messages", []pubsub.SubscriberOption{pubsub.MaxOutstanding(3, 0)}, 3},
		{"bytes", []pubsub.SubscriberOption{pubsub.MaxOutstanding(0, 250)}, 2},
		{"Pub/Sub's default", nil, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				running, most, done := 0, 0, 0
				p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
				app, _ := evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(context.Context, pubsub.Message[pubsub.Raw]) error {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(time.Minute)
					mu.Lock()
					defer mu.Unlock()
					running--
					done++
					return nil
				}, append(c.opts, pubsub.Topic("raw"), pubsub.Subscription("raw"), pubsub.Pull())...))
				for range 50 {
					evDo(p.Publish(t.Context(), make(pubsub.Raw, 100)))(t)
				}
				r := evReceive(t.Context(), app)
				evPass(time.Hour)
				if done != 50 || most != c.want {
					t.Errorf("%d done, %d at a time, want %d", done, most, c.want)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// evSlow is an App with a subscriber that takes a minute and notes how its context fares.
func evSlow(t *testing.T) (app *tasks.App, m *memory.Transport, p *pubsub.Publisher[evOrder], ends *evSeen[error]) {
	ends = &evSeen[error]{}
	p = pubsub.NewPublisher[evOrder](pubsub.Topic("orders"))
	app, m = evMemory(t, tasks.Config{}, p, pubsub.NewSubscriber(func(ctx context.Context, _ pubsub.Message[evOrder]) error {
		time.Sleep(time.Minute)
		_, err := p.Publish(ctx, evOrder{ID: 99})
		ends.add(errors.Join(ctx.Err(), err))
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("slow"), pubsub.Pull(), pubsub.MaxOutstanding(2, 0)))
	for i := range 4 {
		evDo(p.Publish(t.Context(), evOrder{ID: i + 1}))(t)
	}
	return app, m, p, ends
}

func TestReceive_ContextEnds_HandlersFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app, m, _, ends := evSlow(t)
		r := evReceive(t.Context(), app)
		evPass(10 * time.Second)
		began := time.Now()
		if err := r.stop(); err != nil || time.Since(began) != 50*time.Second {
			t.Errorf("%v after %s, want the handlers to finish", err, time.Since(began))
		}
		if got := ends.all(); len(got) != 2 || errors.Join(got...) != nil {
			t.Errorf("handlers: %v", got)
		}
		if n, _ := m.SubscriptionBacklog(t.Context(), "slow"); n != 4 { // two of before, two published
			t.Errorf("%d are left, want 4", n)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pubsub.Receive(cancelled, app); err != nil || len(ends.all()) > 0 {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

func TestReceive_Shutdown_EndsItOnceHandlersAreDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app, m, _, ends := evSlow(t)
		r := evReceive(t.Context(), app)
		evPass(10 * time.Second)
		began := time.Now()
		if err := app.Shutdown(t.Context()); err != nil || time.Since(began) != 50*time.Second {
			t.Errorf("%v after %s, want the handlers to finish", err, time.Since(began))
		}
		if err := <-r.done; err != nil {
			t.Errorf("Receive: %v", err)
		}
		if got := ends.all(); len(got) != 2 || errors.Join(got...) != nil {
			t.Errorf("handlers: %v", got)
		}
		if n, _ := m.SubscriptionBacklog(t.Context(), "slow"); n != 4 {
			t.Errorf("%d are left, want 4", n)
		}
		evIs(t, pubsub.Receive(t.Context(), app), tasks.ErrShutdown)
	})
}

// A broker that outlives the App, as Google's does, must not keep Receive waiting.
func TestReceive_Shutdown_WhereTheBrokerGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		evApp(t, tasks.Config{Name: "other", Transport: m, Endpoint: "http://other"})
		app := evApp(t, tasks.Config{Transport: m, Endpoint: "http://shop"},
			pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull()))
		r := evReceive(t.Context(), app)
		evPass(time.Hour)
		if err := app.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-r.done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("Receive goes on")
			_ = r.stop()
		}
	})
}

func TestReceive_Nothing(t *testing.T) {
	t.Parallel()
	app, _ := evMemory(t, tasks.Config{})
	evIs(t, pubsub.Receive(t.Context(), app), pubsub.ErrNothingToReceive)
	app, _ = evMemory(t, tasks.Config{}, pubsub.NewPublisher[evOrder](), pubsub.NewSubscriber(evNothing[evOrder]), tasks.New(func(context.Context, A) error { return nil }))
	err := pubsub.Receive(t.Context(), app)
	evIs(t, err, pubsub.ErrNothingToReceive)
	evSays(t, err, "pubsub: receive: ", "define one with pubsub.Pull")
	pulls := pubsub.NewSubscriber(evNothing[evOrder], pubsub.Pull())
	evIs(t, pubsub.Receive(t.Context(), evApp(t, tasks.Config{Transport: &evRemote{}}, pulls)), tasks.ErrNoBroker)
	err = pubsub.Receive(t.Context(), evApp(t, tasks.Config{}, pulls))
	evIs(t, err, transport.ErrUnsupported)
	evSays(t, err, "pubsub: receive: ")
	evIs(t, pubsub.Receive(t.Context(), evApp(t, tasks.Config{Eager: true}, pulls)), transport.ErrUnsupported)
}

// evReceiver is a broker whose subscriptions go as receive says.
type evReceiver struct {
	*evBroker
	receive func(ctx context.Context, sub string, h func(context.Context, *transport.Message) error) error
}

func (r evReceiver) Receive(ctx context.Context, sub string, h func(context.Context, *transport.Message) error) error {
	return r.receive(ctx, sub, h)
}

func TestReceive_OneSubscriptionFails_TheOthersStopAndItsErrorComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		missing := &transport.Error{Op: transport.OpReceive, Resource: `subscription "missing"`, Kind: transport.KindNotFound}
		var subs evSeen[string]
		broker := evReceiver{&evBroker{}, func(ctx context.Context, sub string, h func(context.Context, *transport.Message) error) error {
			subs.add(sub)
			if sub == "missing" {
				time.Sleep(time.Minute)
				return missing
			}
			<-ctx.Done()
			return h(context.WithoutCancel(ctx), &transport.Message{Data: []byte(`{"id":1}`), Subscription: sub}) // one that was under way
		}}
		ran := 0
		note := func(context.Context, pubsub.Message[evOrder]) error { ran++; return nil }
		err := pubsub.Receive(t.Context(), evApp(t, tasks.Config{Transport: &evRemote{}, Broker: broker},
			pubsub.NewSubscriber(note, pubsub.Subscription("audit"), pubsub.Pull()), pubsub.NewSubscriber(note, pubsub.Subscription("missing"), pubsub.Pull())))
		evIs(t, err, transport.ErrNotFound)
		evSays(t, err, "pubsub: receive missing: ", `subscription "missing"`)
		if got := slices.Sorted(slices.Values(subs.all())); ran != 1 || !slices.Equal(got, []string{"audit", "missing"}) {
			t.Errorf("received %q, ran %d times", got, ran)
		}
	})
}

func TestReceive_ClosedBroker_IsAnErrorUnlessTheAppIsShutDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: evOnly{m}, Logger: slog.New(slog.DiscardHandler)},
			pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull()))
		r := evReceive(t.Context(), app)
		evPass(time.Minute)
		if err := m.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		evIs(t, <-r.done, transport.ErrClosed)
	})
}

// evOnly is what of memory a broker needs.
type evOnly struct{ m *memory.Transport }

func (o evOnly) Publish(ctx context.Context, m *transport.Message) (string, error) {
	return o.m.Publish(ctx, m)
}
func (o evOnly) DeclareSubscription(s *transport.Subscription) error {
	return o.m.DeclareSubscription(s)
}
func (o evOnly) Receive(ctx context.Context, sub string, h func(context.Context, *transport.Message) error) error {
	return o.m.Receive(ctx, sub, h)
}
