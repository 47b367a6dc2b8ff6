package pubsub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// A deploy makes Pub/Sub what the code says, before the program runs. Memory stands in for it here: it has made the
// subscription already, and is given what an older version of the program has left behind.
func ExampleSync() {
	type Order struct {
		ID string `json:"id"`
	}
	ctx := context.Background()
	broker := memory.New()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: broker})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Shutdown(ctx)
	audit := func(context.Context, pubsub.Message[Order]) error { return nil }
	err = app.Register(
		pubsub.NewPublisher[Order](pubsub.Topic("invoices")),
		pubsub.NewSubscriber(audit, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.DeadLetter("orders-dead")),
	)
	if err != nil {
		log.Fatal(err)
	}
	err = broker.CreateSubscription(ctx, &transport.Subscription{
		Name: "reports", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop"},
	})
	if err != nil {
		log.Fatal(err)
	}

	plan, err := pubsub.Sync(ctx, app) // with pubsub.DryRun(): nothing is changed
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan)
	// Output:
	// [+] topic invoices: created
	// [=] topic orders
	// [=] topic orders-dead
	// [=] subscription orders-dead
	// [=] subscription audit
	// [-] subscription reports: deleted: no subscriber declares it; nothing waits in it
	// 1 created, 1 deleted, 4 unchanged
}
