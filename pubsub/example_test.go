package pubsub_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Order is what is paid for.
type Order struct {
	ID     int    `json:"id"     validate:"required"`
	Total  string `json:"total"  validate:"required"`
	Region string `json:"region,omitempty"`
}

// A publisher and two subscribers of its topic, in this process. Over cloudpubsub.New it is the same program.
func Example() {
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	done := make(chan string)
	audit := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		done <- fmt.Sprintf("audited order %d of %s", m.Data.ID, m.Data.Total)
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	emea := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		done <- fmt.Sprintf("order %d for %s", m.Data.ID, m.Attributes["region"])
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("emea"), pubsub.Filter(`attributes.region = "emea"`))

	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(paid, audit, emea); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := paid.Publish(ctx, Order{ID: 6, Total: "3.00"}, pubsub.Attribute("region", "apac")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	if _, err := paid.Publish(ctx, Order{ID: 7, Total: "12.50"}, pubsub.Attribute("region", "emea")); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println(<-done)
	}
	fmt.Println(app.Shutdown(ctx))
	// Unordered output:
	// audited order 6 of 3.00
	// audited order 7 of 12.50
	// order 7 for emea
	// <nil>
}

// exampleApp is an App in this process whose subscriber to orders prints what it gets.
func exampleApp(defs ...tasks.Definition) (app *tasks.App, got <-chan string, stop func()) {
	lines := make(chan string, 100)
	printer := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[pubsub.Raw]) error {
		lines <- fmt.Sprintf("%s %v %q", m.Data, m.Attributes, m.OrderingKey)
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("printer"), pubsub.Ordered())
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(append(defs, printer)...); err != nil {
		log.Fatal(err)
	}
	return app, lines, func() {
		if err := app.Shutdown(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
}
