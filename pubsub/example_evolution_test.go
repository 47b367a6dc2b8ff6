package pubsub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/typedtasks/typedtasks/pubsub"
)

// OrderV1 is what version 1 publishes, which still runs beside version 2.
type OrderV1 struct {
	Number int `json:"number" validate:"required"`
	Cents  int `json:"cents"  validate:"required"`
}

func ExampleUpgradeFrom() {
	done := make(chan bool)
	audit := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		fmt.Println("order", m.Data.ID, "of", m.Data.Total)
		done <- true
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.UpgradeFrom(func(ctx context.Context, old OrderV1) (Order, error) {
		return Order{ID: old.Number, Total: fmt.Sprintf("%d.%02d", old.Cents/100, old.Cents%100)}, nil
	}))
	v1 := pubsub.NewPublisher[OrderV1](pubsub.Topic("orders"), pubsub.WithName("v1"))
	v2 := pubsub.NewPublisher[Order](pubsub.Topic("orders"), pubsub.WithName("v2"))
	_, _, stop := exampleApp(audit, v1, v2)
	defer stop()

	if _, err := v1.Publish(context.Background(), OrderV1{Number: 6, Cents: 305}); err != nil {
		log.Fatal(err)
	}
	<-done
	if _, err := v2.Publish(context.Background(), Order{ID: 7, Total: "12.50"}); err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// order 6 of 3.05
	// order 7 of 12.50
}
