package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

// log notes when, since the recorder was made, a subscriber was called with which order.
func (d *diary) log(name string, m pubsub.Message[Paid]) {
	d.lines = append(d.lines, fmt.Sprintf("%s %s %d#%d", d.rec.Now().Sub(d.start), name, m.Data.Order, m.DeliveryAttempt))
}

// fails is a subscriber's function that keeps the diary and returns err.
func (d *diary) fails(name string, err error) func(context.Context, pubsub.Message[Paid]) error {
	return func(_ context.Context, m pubsub.Message[Paid]) error {
		d.log(name, m)
		return err
	}
}

func TestDrain_Message_ReachesEverySubscriber(t *testing.T) {
	t.Parallel()
	var pushed, pulled, emea, other []int
	var got pubsub.Message[Paid]
	var header string
	p := paid()
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop", Endpoint: "https://shop.example.com/_tasks"}, p,
		audit(func(ctx context.Context, m pubsub.Message[Paid]) error {
			got, header = m, tasks.HeadersFrom(ctx).Get("traceparent")
			return take(&pushed)(ctx, m)
		}),
		audit(take(&pulled), pubsub.WithName("Pulled"), pubsub.Pull()),
		audit(take(&emea), pubsub.WithName("Emea"), pubsub.Filter(`attributes.region = "emea"`)),
		audit(take(&other), pubsub.WithName("Other"), pubsub.Topic("others")),
	)
	publish(t, rec.Context(), p, Paid{Order: 1}, pubsub.Attribute("region", "apac"))
	id := publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 2}, pubsub.Attribute("region", "emea"), pubsub.OrderingKey("ana"))
	if pushed != nil {
		t.Errorf("%v ran before Drain", pushed)
	}
	rec.Drain()
	for name, c := range map[string]struct{ got, want []int }{
		"pushed": {pushed, []int{1, 2}}, "pulled": {pulled, []int{1, 2}}, "filtered": {emea, []int{2}}, "another topic": {other, nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
	want := pubsub.Message[Paid]{Data: Paid{Order: 2}, ID: id, OrderingKey: "ana", PublishTime: rec.Now()}
	if got.Data != want.Data || got.ID != want.ID || got.OrderingKey != want.OrderingKey || !got.PublishTime.Equal(want.PublishTime) ||
		got.DeliveryAttempt != 0 || got.Attributes["region"] != "emea" || header != "00-a" {
		t.Errorf("got %+v with trace %q", got, header)
	}
	mustPass(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) })
	rec.Drain() // nothing
	if len(pushed) != 2 {
		t.Errorf("it came again: %v", pushed)
	}
}

func TestDrain_Message_ComesAgainAtItsTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts []pubsub.SubscriberOption
		want []string
	}{
		{"with the pauses of push", nil, []string{"0s A 1#0", "100ms A 1#0", "300ms A 1#0", "700ms A 1#0"}},
		{"as configured", []pubsub.SubscriberOption{pubsub.Backoff(10*time.Second, 30*time.Second)}, []string{"0s A 1#0", "10s A 1#0", "30s A 1#0", "1m0s A 1#0"}},
		{"pulled", []pubsub.SubscriberOption{pubsub.Pull(), pubsub.Backoff(time.Second, time.Second)}, []string{"0s A 1#0", "1s A 1#0", "2s A 1#0", "3s A 1#0"}},
		{"with attempts told", []pubsub.SubscriberOption{pubsub.DeadLetter(""), pubsub.Backoff(time.Second, time.Second)}, []string{"0s A 1#1", "1s A 1#2", "2s A 1#3", "3s A 1#4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var d diary
			p := paid()
			s := audit(func(_ context.Context, m pubsub.Message[Paid]) error {
				if d.log("A", m); len(d.lines) < 4 {
					return errBoom
				}
				return nil
			}, c.opts...)
			rec := tasktest.New(t, p, s)
			d.keep(rec)
			publish(t, rec.Context(), p, Paid{Order: 1})
			rec.Drain()
			d.want(t, c.want...)
			tasktest.RequirePublished(t, rec, p) // redeliveries are no new messages
			mustPass(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) })
		})
	}
}

func TestDrain_Message_OutcomesAreTasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		returns error
		runs    int
	}{
		{"discarded", tasks.Discard(errBoom), 1},
		{"retry after", tasks.RetryAfter(time.Hour, errBoom), 5},
		{"rejected", tasks.Reject(errBoom), 5},
	} {
		runs := 0
		s := audit(func(context.Context, pubsub.Message[Paid]) error { runs++; return c.returns }, pubsub.DeadLetter(""))
		p := paid()
		rec := tasktest.New(t, p, s)
		publish(t, rec.Context(), p, Paid{Order: 1})
		rec.Drain()
		if runs != c.runs {
			t.Errorf("%s: %d runs, want %d", c.name, runs, c.runs)
		}
	}
}

func TestDrain_DeadLetter_GoesToItsTopic_AndIsGivenUp(t *testing.T) {
	t.Parallel()
	var d diary
	var dead pubsub.Message[pubsub.Raw]
	p := paid()
	s := audit(d.fails("A", errBoom), pubsub.DeadLetter("projects/p/topics/orders-dead"), pubsub.MaxDeliveryAttempts(6), pubsub.Backoff(time.Second, time.Second),
		pubsub.Subscription("projects/billing/subscriptions/audit"))
	burial := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[pubsub.Raw]) error { dead = m; return nil },
		pubsub.WithName("Burial"), pubsub.Topic("orders-dead"), pubsub.Subscription("burial"))
	rec := tasktest.New(t, p, s, burial)
	d.keep(rec)
	id := publish(t, rec.Context(), p, Paid{Order: 1}, pubsub.Attribute("a", "b"))
	rec.Drain()
	d.want(t, "0s A 1#1", "1s A 1#2", "2s A 1#3", "3s A 1#4", "4s A 1#5", "5s A 1#6")
	if string(dead.Data) != `{"order":1}` || dead.Attributes["a"] != "b" || dead.Attributes["CloudPubSubDeadLetterSourceDeliveryCount"] != "6" ||
		dead.Attributes["CloudPubSubDeadLetterSourceSubscription"] != "audit" || dead.Attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] != "billing" {
		t.Errorf("the dead letter is %+v", dead)
	}
	want := tasktest.GivenUp{Task: "Audit", ID: id, Subscription: "projects/billing/subscriptions/audit", DeadLetter: "orders-dead", Attempts: 6}
	if all := rec.GivenUp(); len(all) != 1 || all[0].String() != want.Task+", id "+id+` on "projects/billing/subscriptions/audit", after 6 attempts, now in "orders-dead": boom` ||
		all[0].DeadLetter != want.DeadLetter || all[0].Attempts != want.Attempts || !errors.Is(all[0].Err, errBoom) {
		t.Errorf("given up: %+v, want %+v", all, want)
	}
	tasktest.RequirePublished(t, rec, p)
	tasktest.RequireNothingElse(t, rec) // a dead letter is no message of the App's
}

func TestDrain_MessageThatAlwaysFails_IsGivenUp(t *testing.T) {
	t.Parallel()
	runs, fine := 0, []int{}
	p, order := paid(), tasks.New(nothing[Order])
	rec := tasktest.New(t, p, order, audit(take(&fine), pubsub.WithName("Fine")),
		audit(func(context.Context, pubsub.Message[Paid]) error { runs++; return errBoom }, pubsub.Subscription("audit")))
	start := rec.Now()
	publish(t, rec.Context(), p, Paid{Order: 1})
	enqueue(t, rec.Context(), order, Order{1}, tasks.In(720*time.Hour)) // meanwhile it does not turn
	mustPass(t, func(testing.TB) { rec.Drain() })
	if runs != 100 || rec.Now().Sub(start) != 720*time.Hour || !slices.Equal(fine, []int{1}) {
		t.Errorf("%d runs, to %s, the other one got %v", runs, rec.Now().Sub(start), fine)
	}
	want := "tasktest: 1 messages were given up\n    Audit, id 1 on \"audit\", after 100 attempts: boom"
	if got := mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	rec.Advance(24 * time.Hour)
	if runs != 100 {
		t.Errorf("it came again: %d runs", runs)
	}
}

func TestDrain_MessageOfAnUnknownPath_SaysSo(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	local, err := transport.BrokerAs[transport.SubscriptionDeclarer](rec.App().Config().Broker)
	if err != nil {
		t.Fatal(err)
	}
	server, err := transport.As[transport.Server](rec.App().Config().Transport)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve("https://odd.example.com", func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 203, 0, nil }); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*transport.Subscription{
		{Name: "odd", Topic: "orders", Push: &transport.PushConfig{Endpoint: "https://odd.example.com"}},
		{Name: "elsewhere", Topic: "orders", Push: &transport.PushConfig{Endpoint: "https://else.example.com"}},
		{Name: "unknown", Topic: "orders", Push: &transport.PushConfig{Endpoint: "http://localhost/subscriptions/Unknown"}},
		{Name: "nobodys", Topic: "orders"},
	} {
		s.DeadLetter = &transport.DeadLetterPolicy{Topic: "dead"}
		if err := local.DeclareSubscription(s); err != nil {
			t.Fatal(err)
		}
		if s.DeadLetter.Topic != "dead" {
			t.Errorf("what was declared has changed: %+v", s)
		}
	}
	if err := local.DeclareSubscription(&transport.Subscription{Name: "bad", Topic: "orders", AckDeadline: time.Hour}); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("a bad one: %v", err)
	}
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Drain()
	var got []string
	for _, g := range rec.GivenUp() {
		got = append(got, g.String())
	}
	slices.Sort(got)
	if want := []string{
		`http://localhost/subscriptions/Unknown, id 1 on "unknown", after 5 attempts, now in "dead": no subscriber "Unknown" is registered`,
		`https://else.example.com, id 1 on "elsewhere", after 5 attempts, now in "dead": nobody serves https://else.example.com`,
		`https://odd.example.com, id 1 on "odd", after 5 attempts, now in "dead": answered with 203`,
		`nobodys, id 1 on "nobodys", after 5 attempts, now in "dead": no subscriber of subscription "nobodys" is registered`,
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAdvance_MessageThatAlwaysFails_ComesUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	runs := 0
	p := paid()
	rec := tasktest.New(t, p, audit(func(context.Context, pubsub.Message[Paid]) error { runs++; return errBoom },
		pubsub.Backoff(time.Minute, time.Minute), pubsub.Retention(3*time.Hour), pubsub.Subscription("audit")))
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Advance(2 * time.Hour)
	if runs != 121 || len(rec.GivenUp()) != 0 { // more than Drain would
		t.Errorf("%d runs, given up: %v", runs, rec.GivenUp())
	}
	rec.Advance(24 * time.Hour)
	if runs != 180 {
		t.Errorf("%d runs, want 180 in 3h", runs)
	}
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }), `Audit, id 1 on "audit", after 180 attempts: boom`)
}

func TestGivenUp_TasksAndMessages_InOrder(t *testing.T) {
	t.Parallel()
	p := paid()
	fails := pubsub.Backoff(time.Second, time.Second)
	never := tasks.New(func(context.Context, Order) error { return errBoom },
		tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Second}))
	var d diary
	rec := tasktest.New(t, p, never, audit(d.fails("A", errBoom), pubsub.DeadLetter(""), pubsub.Subscription("audit"), fails))
	d.keep(rec)
	publish(t, rec.Context(), p, Paid{Order: 1})
	enqueue(t, rec.Context(), never, Order{1}, tasks.WithID("o1"), tasks.In(time.Second))
	enqueue(t, rec.Context(), never, Order{2}, tasks.WithID("o2"), tasks.In(time.Minute))
	rec.Drain()
	equalText(t, mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }), `
		tasktest: 2 tasks and 1 messages were given up
		    Order, id o1 on "tasks", after 3 attempts: boom
		    Audit, id 1 on "audit", after 5 attempts, now in "audit--dead": boom
		    Order, id o2 on "tasks", after 3 attempts: boom
	`)
}

func TestGivenUp_KeepsAThousandMessages(t *testing.T) {
	t.Parallel()
	p := paid()
	s := audit(func(context.Context, pubsub.Message[Paid]) error { return errBoom }, pubsub.DeadLetter(""))
	rec := tasktest.New(t, p, s)
	for i := range 1001 {
		publish(t, rec.Context(), p, Paid{Order: i + 1})
	}
	rec.Drain()
	if all := rec.GivenUp(); len(all) != 1000 || all[0].ID != "2" {
		t.Errorf("%d, the first %+v", len(all), all[0])
	}
}

func TestDrain_Ordered_KeepsTheOrderOfAKey(t *testing.T) {
	t.Parallel()
	var d diary
	failed := false
	p := paid(pubsub.Ordered())
	s := audit(func(_ context.Context, m pubsub.Message[Paid]) error {
		d.log(m.OrderingKey, m)
		if m.Data.Order == 1 && !failed {
			failed = true
			return errBoom
		}
		return nil
	}, pubsub.Ordered(), pubsub.Backoff(time.Minute, time.Minute))
	rec := tasktest.New(t, p, s)
	rec.Shuffle(7) // shuffles no key
	d.keep(rec)
	for i := range 3 {
		publish(t, rec.Context(), p, Paid{Order: i + 1}, pubsub.OrderingKey("a"))
	}
	publish(t, rec.Context(), p, Paid{Order: 9}, pubsub.OrderingKey("b"))
	rec.Drain()
	first := slices.Sorted(slices.Values(d.lines[:2]))
	d.lines = append(first, d.lines[2:]...)
	d.want(t, "0s a 1#0", "0s b 9#0", "1m0s a 1#0", "1m0s a 2#0", "1m0s a 3#0")
}

func TestDrain_TasksAndMessages_ByTime(t *testing.T) {
	t.Parallel()
	var d diary
	p := paid()
	order := tasks.New(func(ctx context.Context, o Order) error {
		d.note(ctx)
		_, err := p.Publish(ctx, Paid{Order: o.ID})
		return err
	})
	s := audit(func(_ context.Context, m pubsub.Message[Paid]) error {
		if d.log("A", m); len(d.lines) == 2 {
			return errBoom // of order 1, to come again 90 s later
		}
		return nil
	}, pubsub.Backoff(90*time.Second, 90*time.Second))
	rec := tasktest.New(t, p, order, s)
	d.keep(rec)
	for i := range 3 {
		enqueue(t, rec.Context(), order, Order{i + 1}, tasks.WithID(fmt.Sprint("o", i+1)), tasks.In(time.Duration(i)*time.Minute))
	}
	rec.Drain()
	d.want(t, "0s o1#1", "0s A 1#0", "1m0s o2#1", "1m0s A 2#0", "1m30s A 1#0", "2m0s o3#1", "2m0s A 3#0")
}

func TestAdvance_RunsMessagesThatBecomeDue_AndNoMore(t *testing.T) {
	t.Parallel()
	var d diary
	p := paid()
	rec := tasktest.New(t, p, audit(d.fails("A", errBoom), pubsub.Backoff(time.Minute, time.Minute)))
	d.keep(rec)
	publish(t, rec.Context(), p, Paid{Order: 1})
	d.want(t)
	rec.Advance(time.Minute - 1)
	d.want(t, "0s A 1#0")
	rec.Advance(1)
	d.want(t, "0s A 1#0", "1m0s A 1#0")
}

func TestDrain_Circle_NamesSubscribers(t *testing.T) {
	t.Parallel()
	p := paid()
	echo := audit(func(ctx context.Context, m pubsub.Message[Paid]) error {
		_, err := p.Publish(ctx, m.Data)
		return err
	})
	start := func(t testing.TB) *tasktest.Recorder {
		rec := tasktest.New(t, p, echo)
		publish(t, rec.Context(), p, Paid{Order: 1})
		return rec
	}
	if got, want := mustFail(t, func(t testing.TB) { start(t).Drain() }), "tasktest: Drain: 10000 runs and still work to do; what turns: subscriber Audit (10000 runs).\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := mustFail(t, func(t testing.TB) { start(t).Advance(time.Hour) }),
		"tasktest: Advance(1h0m0s): 10000 runs and the clock has not moved; what turns: subscriber Audit (10000 runs)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDrain_AfterTheAppsEnd_DeliversNothing(t *testing.T) {
	t.Parallel()
	var seen []int
	p := paid()
	rec := tasktest.New(t, p, audit(take(&seen)))
	publish(t, rec.Context(), p, Paid{Order: 1})
	if err := rec.App().Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec.Drain()
	rec.Advance(time.Hour)
	if seen != nil || len(rec.GivenUp()) != 0 {
		t.Errorf("ran %v, given up %v", seen, rec.GivenUp())
	}
}

func TestDrain_HandlerThatEndsTheTest_EndsIt(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p, audit(func(_ context.Context, m pubsub.Message[Paid]) error {
		panic(errBoom) // a failure as any
	}, pubsub.DeadLetter("")))
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Drain()
	if all := rec.GivenUp(); len(all) != 1 || !errors.Is(all[0].Err, errBoom) {
		t.Errorf("given up: %+v", all)
	}
}

func TestDrain_ViaTasks_RunsAsATask(t *testing.T) {
	t.Parallel()
	var metas []tasks.Metadata
	p := paid()
	s := audit(func(ctx context.Context, m pubsub.Message[Paid]) error {
		meta, _ := tasks.MetadataFrom(ctx)
		if metas = append(metas, meta); len(metas) == 1 {
			return errBoom
		}
		return nil
	}, pubsub.ViaTasks(tasks.OnQueue("audit")))
	rec := tasktest.New(t, p, s)
	rec.DeliverTwice()
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Drain()
	if len(metas) != 4 || metas[0].Queue != "audit" || metas[0].Attempt != 1 || metas[3].Attempt != 2 { // each attempt twice
		t.Errorf("ran with %+v", metas)
	}
	if all := rec.Recorded(); len(all) != 1 || all[0].Task != "Audit" || all[0].Queue != "audit" {
		t.Errorf("enqueued %v", all)
	}
	tasktest.RequirePublished(t, rec, p)
	tasktest.RequireNothingElse(t, rec) // the task is the message
}

func TestDrain_SnoozedMessage_BecomesATask(t *testing.T) {
	t.Parallel()
	var d diary
	p := paid()
	s := audit(func(ctx context.Context, m pubsub.Message[Paid]) error {
		if d.log("A", m); len(d.lines) < 3 {
			return tasks.Snooze(time.Hour)
		}
		return nil
	})
	rec := tasktest.New(t, p, s)
	d.keep(rec)
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Drain()
	d.want(t, "0s A 1#0", "1h0m0s A 1#0", "2h0m0s A 1#0")
	tasktest.RequirePublished(t, rec, p)
	tasktest.RequireNothingElse(t, rec)
}
