package tasks_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Welcome is what travels: the caller enqueues one, the function is given one.
type Welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email"   validate:"required,email"`
}

// newApp makes an App that runs tasks in this process, for the examples that are not about that.
func newApp(defs ...tasks.Definition) *tasks.App {
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(defs...); err != nil {
		log.Fatal(err)
	}
	return app
}

func Example() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		defer close(done)
		fmt.Println("welcome,", w.Email)
		return nil
	})

	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(sendWelcome); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	receipt, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"})
	fmt.Println("enqueued on queue", receipt.Queue, err)
	_, err = sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "nobody"})
	fmt.Println(err)

	<-done
	fmt.Println("shut down", app.Shutdown(ctx))
	// Unordered output:
	// enqueued on queue shop <nil>
	// welcome, ana@example.com
	// tasks: Welcome: payload is not valid: email fails rule email
	// shut down <nil>
}

func ExampleIn() {
	sendWelcome := tasks.New(func(context.Context, Welcome) error { return nil })
	app := newApp(sendWelcome)
	ctx := context.Background()

	receipt, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}, tasks.In(time.Hour))
	fmt.Println("due in", time.Until(receipt.ETA).Round(time.Minute), err)

	_, err = sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}, tasks.In(1000*time.Hour))
	fmt.Println(err)

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// due in 1h0m0s <nil>
	// tasks: Welcome: In: 1000h0m0s ahead, at most 720h0m0s: the task is due too far in the future
	// <nil>
}

func ExampleWithin() {
	sendWelcome := tasks.New(func(context.Context, Welcome) error { return nil })
	app := newApp(sendWelcome)
	ctx := context.Background()

	moments := map[time.Time]bool{}
	for _, r := range sendWelcome.EnqueueAll(ctx, []Welcome{
		{UserID: 1, Email: "ana@example.com"},
		{UserID: 2, Email: "ben@example.com"},
		{UserID: 3, Email: "eva@example.com"},
	}, tasks.Within(24*time.Hour)) {
		if time.Until(r.Receipt.ETA) > 24*time.Hour {
			fmt.Println("too late")
		}
		moments[r.Receipt.ETA] = true
	}
	fmt.Println(len(moments), "moments within a day")

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// 3 moments within a day
	// <nil>
}

// Invoice is unique by its number.
type Invoice struct {
	Number string `json:"number" validate:"required"`
	Cents  int    `json:"cents"`
}

// UniqueKey is what tasks.Unique goes by.
func (i Invoice) UniqueKey() string { return i.Number }

func ExampleUnique() {
	sendInvoice := tasks.New(func(context.Context, Invoice) error { return nil }, tasks.Unique())
	app := newApp(sendInvoice)
	ctx := context.Background()

	first, _ := sendInvoice.Enqueue(ctx, Invoice{Number: "2031-7", Cents: 1990})
	again, err := sendInvoice.Enqueue(ctx, Invoice{Number: "2031-7", Cents: 2990})
	fmt.Println("duplicate:", again.Duplicate, err)
	fmt.Println("of the first:", again.ID == first.ID)
	other, _ := sendInvoice.Enqueue(ctx, Invoice{Number: "2031-8", Cents: 500})
	fmt.Println("duplicate:", other.Duplicate)

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// duplicate: true <nil>
	// of the first: true
	// duplicate: false
	// <nil>
}

func ExampleTask_EnqueueAll() {
	sendWelcome := tasks.New(func(context.Context, Welcome) error { return nil })
	app := newApp(sendWelcome)
	ctx := context.Background()

	results := sendWelcome.EnqueueAll(ctx, []Welcome{
		{UserID: 1, Email: "ana@example.com"},
		{UserID: 2, Email: "nobody"},
		{UserID: 3, Email: "eva@example.com"},
	}, tasks.OnQueue("mail"))
	for _, r := range results {
		fmt.Printf("%q %v\n", r.Receipt.Queue, r.Err)
	}

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// "mail" <nil>
	// "" tasks: Welcome: payload is not valid: email fails rule email
	// "mail" <nil>
	// <nil>
}

func ExampleTask_Run() {
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		m, _ := tasks.MetadataFrom(ctx)
		fmt.Println("sending to", w.Email, "in the caller:", m.Eager)
		return fmt.Errorf("the mail server is out")
	})
	app := newApp(sendWelcome)
	ctx := context.Background()

	fmt.Println(sendWelcome.Run(ctx, Welcome{UserID: 7, Email: "ana@example.com"}))
	fmt.Println(sendWelcome.Run(ctx, Welcome{UserID: 7}))

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// sending to ana@example.com in the caller: true
	// the mail server is out
	// tasks: Welcome: payload is not valid: email fails rule required
	// <nil>
}

func ExampleNewWithResult() {
	price := tasks.NewWithResult(func(_ context.Context, i Invoice) (string, error) {
		return fmt.Sprintf("%d.%02d EUR", i.Cents/100, i.Cents%100), nil
	}, tasks.WithName("price"))
	app := newApp(price)
	ctx := context.Background()

	fmt.Println(price.Run(ctx, Invoice{Number: "2031-7", Cents: 1990}))

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// 19.90 EUR <nil>
	// <nil>
}
