package tasktest_test

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

// Pay is code that publishes, over a package variable.
func Pay(ctx context.Context, order int, region string) error {
	_, err := OrderPaid.Publish(ctx, Paid{Order: order}, pubsub.Attribute("region", region))
	return err
}

func ExampleRequirePublished() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	rec := tasktest.New(t, OrderPaid, Invoicing, SendReceipt)
	if err := Pay(rec.Context(), 7, "emea"); err != nil {
		fmt.Println(err)
	}
	got := tasktest.RequirePublished(t, rec, OrderPaid, tasktest.WithAttribute("region", "emea"))
	fmt.Println("paid: order", got.Message.Order, "on topic", got.Topic)

	tasktest.RequirePublished(t, rec, OrderPaid, tasktest.Args(Paid{Order: 8})) // fails

	rec.Drain() // now the subscriber gets it, and enqueues the receipt
	tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.Args(Order{ID: 7}))
	tasktest.RequireNothingElse(t, rec)
	// Output:
	// paid: order 7 on topic orders
	// tasktest: no OrderPaid was published
	// with
	//     Args({"order":8})
	// nearest
	//     #1 Order  got 7, want 8
	// recorded
	//     #1 OrderPaid {"order":7} to "orders", region="emea", id 1
}

func ExampleDeliver() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	refund := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[Paid]) error {
		if m.DeliveryAttempt >= 5 {
			return tasks.Discard(fmt.Errorf("order %d: by hand, then", m.Data.Order))
		}
		return fmt.Errorf("order %d: the bank does not answer", m.Data.Order)
	}, pubsub.WithName("Refund"), pubsub.Topic("refunds"), pubsub.DeadLetter("refunds-dead"), pubsub.MaxDeliveryAttempts(10))

	m := refund.Message(Paid{Order: 7})
	first := tasktest.Deliver(t, refund, m)
	fmt.Println(first.Outcome, first.HTTPStatus, first.Err)

	fifth := tasktest.Deliver(t, refund, m, tasktest.Attempt(5))
	fmt.Println(fifth.Outcome, fifth.HTTPStatus, fifth.Err)
	// Output:
	// failed 500 order 7: the bank does not answer
	// discarded 202 discarded: order 7: by hand, then
}

// A dead-letter topic is a topic like any other: here somebody reads it.
func ExampleRecorder_GivenUp() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	broken := pubsub.NewSubscriber(func(context.Context, pubsub.Message[Paid]) error { return errBoom },
		pubsub.WithName("Broken"), pubsub.Topic("orders"), pubsub.Subscription("broken"), pubsub.DeadLetter("orders-dead"))
	burial := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[pubsub.Raw]) error {
		fmt.Printf("%s failed %s times\n", m.Data, m.Attributes["CloudPubSubDeadLetterSourceDeliveryCount"])
		return nil
	}, pubsub.WithName("Burial"), pubsub.Topic("orders-dead"))

	rec := tasktest.New(t, OrderPaid, broken, burial)
	if err := Pay(rec.Context(), 7, "emea"); err != nil {
		fmt.Println(err)
	}
	rec.Drain()
	fmt.Println(rec.GivenUp()[0])
	// Output:
	// {"order":7} failed 5 times
	// Broken, id 1 on "broken", after 5 attempts, now in "orders-dead": boom
}
