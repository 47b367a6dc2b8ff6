package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestDeliverTwice_Message_TheFirstAnswerDecides(t *testing.T) {
	t.Parallel()
	runs := 0
	answers := []error{errBoom, nil, nil, errBoom}
	p := paid()
	s := audit(func(_ context.Context, m pubsub.Message[Paid]) error {
		if m.Attributes["a"] != "b" {
			t.Errorf("run %d got %v", runs, m.Attributes)
		}
		m.Attributes["a"] = "changed" // its own
		runs++
		return answers[runs-1]
	})
	rec := tasktest.New(t, p, s)
	rec.DeliverTwice()
	publish(t, rec.Context(), p, Paid{Order: 1}, pubsub.Attribute("a", "b"))
	rec.Drain()
	if runs != 4 {
		t.Errorf("%d runs, want two attempts, each twice", runs)
	}
}

// shuffledMessages delivers ten messages and runs ten tasks, all due at once.
func shuffledMessages(t *testing.T, seed uint64) (seen []int) {
	p := paid()
	order := tasks.New(collect(&seen))
	rec := tasktest.New(t, p, order, audit(take(&seen)))
	rec.Shuffle(seed)
	for i := range 10 {
		publish(t, rec.Context(), p, Paid{Order: i + 1})
		enqueue(t, rec.Context(), order, Order{-i - 1})
	}
	rec.Drain()
	return seen
}

func TestShuffle_MixesTasksAndMessages_BySeed(t *testing.T) {
	t.Parallel()
	a, again, b := shuffledMessages(t, 1), shuffledMessages(t, 1), shuffledMessages(t, 2)
	if !slices.Equal(a, again) || slices.Equal(a, b) {
		t.Errorf("seed 1 gave %v, then %v; seed 2 %v", a, again, b)
	}
	var messages, turns = []int{}, 0
	for i, n := range a {
		if n > 0 {
			messages = append(messages, n)
		}
		if i > 0 && (n > 0) != (a[i-1] > 0) {
			turns++
		}
	}
	if len(a) != 20 || len(messages) != 10 || slices.IsSorted(messages) || turns < 3 {
		t.Errorf("not mixed: %v", a)
	}
}

// Events as users have them: over package variables.
var (
	OrderPaid = pubsub.NewPublisher[Paid](pubsub.WithName("OrderPaid"), pubsub.Topic("orders"))
	Invoicing = pubsub.NewSubscriber(invoice2, pubsub.WithName("Invoicing"), pubsub.Topic("orders"), pubsub.Subscription("invoicing"))
)

func invoice2(ctx context.Context, m pubsub.Message[Paid]) error {
	_, err := SendReceipt.Enqueue(ctx, Order{m.Data.Order}, tasks.In(time.Hour))
	return err
}

func TestRecorder_ParallelTests_OverPackagePublishers(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rec := tasktest.New(t, OrderPaid, Invoicing, SendReceipt)
			publish(t, rec.Context(), OrderPaid, Paid{Order: i + 1})
			if got := tasktest.RequirePublished(t, rec, OrderPaid); got.Message.Order != i+1 {
				t.Errorf("got %+v, want order %d", got, i+1)
			}
			rec.Drain()
			tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.Args(Order{i + 1}), tasktest.DueIn(time.Hour, 0))
			tasktest.RequireNothingElse(t, rec)
		})
	}
}

func TestRecorder_PublishersUsedByManyGoroutines(t *testing.T) {
	t.Parallel()
	p := paid()
	var seen []int
	rec := tasktest.New(t, p, audit(take(&seen)))
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			if _, err := p.Publish(rec.Context(), Paid{Order: i + 1}); err != nil {
				t.Error(err)
			}
			tasktest.RequirePublished(t, rec, p, tasktest.Args(Paid{Order: i + 1}))
			rec.RecordedMessages()
			rec.GivenUp()
		}()
	}
	for range 8 {
		<-done
	}
	rec.Drain()
	tasktest.RequireNothingElse(t, rec)
	if len(seen) != 8 {
		t.Errorf("got %v", seen)
	}
}

func TestRecorder_MessagesInABubble(t *testing.T) {
	t.Parallel()
	slow := audit(func(ctx context.Context, _ pubsub.Message[Paid]) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}, pubsub.AckDeadline(time.Minute), pubsub.DeadLetter(""))
	p := paid()
	outside := tasktest.New(t, p, slow)
	synctest.Test(t, func(t *testing.T) {
		rec := tasktest.New(t, OrderPaid, Invoicing, SendReceipt)
		publish(t, rec.Context(), OrderPaid, Paid{Order: 7})
		time.Sleep(time.Hour)
		tasktest.RequireNotEnqueued(t, rec, SendReceipt)
		rec.Drain()
		tasktest.RequireEnqueued(t, rec, SendReceipt)
		tasktest.Deliver(t, Invoicing, pubsub.Message[Paid]{Data: Paid{Order: 8}}, tasktest.With(rec))
		tasktest.RequireEnqueuedN(t, rec, SendReceipt, 2)
		publish(t, rec.Context(), OrderPaid, Paid{Order: 9}) // left waiting

		publish(t, outside.Context(), p, Paid{Order: 1})
		began := time.Now()
		outside.Drain()
		if took := time.Since(began); took != 5*time.Minute {
			t.Errorf("five attempts took %s, want the ack deadline of 1m each", took)
		}
	})
}

func TestRecorder_TwoApps_OverOneTransport(t *testing.T) {
	t.Parallel()
	var first, second []int
	p := paid()
	rec := tasktest.New(t, p, audit(take(&first), pubsub.Subscription("first")))
	other, err := tasks.NewApp(tasks.Config{Transport: rec.App().Config().Transport, Endpoint: "https://other.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Register(audit(take(&second), pubsub.Subscription("second"))); err != nil {
		t.Fatal(err)
	}
	publish(t, rec.Context(), p, Paid{Order: 1})
	rec.Drain()
	if !slices.Equal(first, []int{1}) || !slices.Equal(second, []int{1}) {
		t.Errorf("got %v and %v", first, second)
	}
	if _, err := tasks.NewApp(tasks.Config{Transport: rec.App().Config().Transport, Endpoint: "https://other.example.com"}); !errors.Is(err, transport.ErrExists) {
		t.Errorf("an endpoint twice: %v", err)
	}
	if err := other.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	publish(t, rec.Context(), p, Paid{Order: 2}) // the recorder goes on
	rec.Drain()
	if !slices.Equal(first, []int{1, 2}) {
		t.Errorf("got %v", first)
	}
}
