package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// What is not valid is never published: the error says which fields are wrong, and how.
func ExamplePublisher_Publish() {
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	_, got, stop := exampleApp(paid)
	defer stop()

	ctx := context.Background()
	id, err := paid.Publish(ctx, Order{ID: 7, Total: "12.50"}, pubsub.Attribute("region", "emea"), pubsub.OrderingKey("acme"))
	fmt.Println(id != "", err)
	fmt.Println(<-got)

	_, err = paid.Publish(ctx, Order{ID: 8})
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		fmt.Println(invalid.Fields)
	}
	// Output:
	// true <nil>
	// {"id":7,"total":"12.50"} map[region:emea] "acme"
	// [total fails rule required]
}

// Each message has a result of its own.
func ExamplePublisher_PublishAll() {
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	_, got, stop := exampleApp(paid)
	defer stop()

	orders := []Order{{ID: 1, Total: "1.00"}, {ID: 2, Total: "2.00"}, {ID: 3}}
	for i, r := range paid.PublishAll(context.Background(), orders, pubsub.OrderingKey("acme")) {
		if r.Err != nil {
			fmt.Println(orders[i].ID, r.Err)
		}
	}
	fmt.Println(<-got)
	fmt.Println(<-got)
	// Output:
	// 3 pubsub: publish orders: payload is not valid: total fails rule required
	// {"id":1,"total":"1.00"} map[] "acme"
	// {"id":2,"total":"2.00"} map[] "acme"
}

// To publish later is a task, so that it can wait, and is retried.
func ExamplePublisher_Enqueue() {
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	_, got, stop := exampleApp(paid)
	defer stop()

	receipt, err := paid.Enqueue(context.Background(), Order{ID: 7, Total: "12.50"}, pubsub.Attribute("region", "emea"),
		pubsub.Task(tasks.In(20*time.Millisecond), tasks.OnQueue("later")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Queue)
	fmt.Println(<-got)
	// Output:
	// later
	// {"id":7,"total":"12.50"} map[region:emea] ""
}

// Account is a domain object. What others get to know of it is an Order here.
type Account struct {
	Owner  string
	Region string
	Orders []Order
}

func lastOrder(_ context.Context, a *Account) (pubsub.Draft[Order], error) {
	if len(a.Orders) == 0 {
		return pubsub.Draft[Order]{}, errors.New("no order yet")
	}
	return pubsub.Draft[Order]{
		Data:        a.Orders[len(a.Orders)-1],
		Attributes:  map[string]string{"region": a.Region},
		OrderingKey: a.Owner,
	}, nil
}

func ExampleNewModelPublisher() {
	placed := pubsub.NewModelPublisher(lastOrder, pubsub.Topic("orders"))
	_, got, stop := exampleApp(placed)
	defer stop()

	ctx := context.Background()
	account := &Account{Owner: "acme", Region: "emea"}
	_, err := placed.Publish(ctx, account)
	fmt.Println(err)

	account.Orders = append(account.Orders, Order{ID: 7, Total: "12.50"})
	if _, err := placed.Publish(ctx, account); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	// Output:
	// pubsub: publish orders: no order yet
	// {"id":7,"total":"12.50"} map[region:emea] "acme"
}

// A message is prepared before a transaction, say, and published after it.
func ExampleModelPublisher_Prepare() {
	placed := pubsub.NewModelPublisher(lastOrder, pubsub.Topic("orders"))
	_, got, stop := exampleApp(placed)
	defer stop()

	ctx := context.Background()
	account := &Account{Owner: "acme", Region: "emea", Orders: []Order{{ID: 7, Total: "12.50"}}}
	prepared, err := placed.Prepare(ctx, account)
	if err != nil {
		log.Fatal(err)
	}
	account.Region, account.Orders[0].Total = "apac", "0.00"
	if _, err := prepared.Publish(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	// Output:
	// {"id":7,"total":"12.50"} map[region:emea] "acme"
}
