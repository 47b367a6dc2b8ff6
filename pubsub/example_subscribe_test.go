package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Pub/Sub pushes to an App over HTTP. Here it is played by a request of the form that it sends.
func ExampleNewSubscriber() {
	audit := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		fmt.Printf("order %d of %s, message %s, attempt %d\n", m.Data.ID, m.Data.Total, m.ID, m.DeliveryAttempt)
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.DeadLetter("orders-dead"))
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Endpoint: "https://shop.example.com/_tasks", Transport: memory.New(), Authenticator: tasks.TrustNetwork(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(audit); err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("POST", "/_tasks/subscriptions/audit", strings.NewReader(`{
		"message": {"data": "eyJpZCI6IDcsICJ0b3RhbCI6ICIxMi41MCJ9", "messageId": "136969346945", "publishTime": "2026-11-24T06:00:00Z"},
		"subscription": "projects/shop-prod/subscriptions/audit", "deliveryAttempt": 2}`)))
	fmt.Print(w.Code, " ", w.Body)
	fmt.Println(app.Shutdown(context.Background()))
	// Output:
	// order 7 of 12.50, message 136969346945, attempt 2
	// 200 {"status":"executed","result":null,"error":null}
	// <nil>
}

// The message is acknowledged as soon as it is a task, and is retried as one.
func ExampleViaTasks() {
	attempts, done := 0, make(chan bool)
	audit := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error {
		meta, _ := tasks.MetadataFrom(ctx)
		fmt.Printf("order %d, queue %s, attempt %d\n", m.Data.ID, meta.Queue, meta.Attempt)
		if attempts++; attempts < 3 {
			return errors.New("the database is down")
		}
		close(done)
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.ViaTasks(
		tasks.OnQueue("audits"), tasks.WithRetryConfig(transport.RetryConfig{MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})))
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	_, _, stop := exampleApp(paid, audit)
	defer stop()

	if _, err := paid.Publish(context.Background(), Order{ID: 7, Total: "12.50"}); err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// order 7, queue audits, attempt 1
	// order 7, queue audits, attempt 2
	// order 7, queue audits, attempt 3
}

// A worker without an HTTP endpoint pulls, two messages at a time here, until its context ends.
func ExampleReceive() {
	paid := pubsub.NewPublisher[Order](pubsub.Topic("orders"))
	ctx, cancel := context.WithCancel(context.Background())
	audit := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[Order]) error {
		fmt.Println("order", m.Data.ID)
		cancel() // in a service: signal.NotifyContext
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.Pull(), pubsub.MaxOutstanding(2, 0))
	app, _, stop := exampleApp(paid, audit)
	defer stop()

	if _, err := paid.Publish(ctx, Order{ID: 7, Total: "12.50"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pubsub.Receive(ctx, app))
	// Output:
	// order 7
	// <nil>
}
