package readme_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Welcome is the payload: it travels as JSON, validated by its tags.
type Welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email"   validate:"required,email"`
}

// SendWelcome runs sendWelcome later.
var SendWelcome = tasks.New(sendWelcome)

var sent = make(chan string)

func sendWelcome(ctx context.Context, w Welcome) error {
	sent <- "welcome, " + w.Email
	return nil // done; any error is a retry
}

func Example() {
	app, err := tasks.NewApp(tasks.Config{
		Name:      "shop",
		Endpoint:  "https://shop.example.com/_tasks", // where pushes arrive
		Transport: memory.New(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(SendWelcome); err != nil {
		log.Fatal(err)
	}
	http.Handle("/_tasks/", app) // any framework can mount it

	ctx := context.Background()
	_, err = SendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "not an address"})
	fmt.Println(err)

	if _, err := SendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-sent)

	if err := app.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// tasks: Welcome: payload is not valid: email fails rule email
	// welcome, ana@example.com
}
