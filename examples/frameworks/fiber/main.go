// Fiber is a service on the framework github.com/gofiber/fiber, version 3, with typed tasks: see service.go. Fiber
// stands on fasthttp and not on net/http, so the App is reached through its adaptor.
//
//	go run ./frameworks/fiber
//	curl localhost:8080/signup -d '{"email": "ana@example.com"}' -H 'Content-Type: application/json' \
//		-H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
//	curl localhost:8080/_tasks/tasks/Welcome -d '{"email": "bo@example.com"}'   # a push, as Cloud Tasks sends it
//
// What it cannot do, and net/http can:
//
//   - A body is read as a whole, into memory, before anything looks at the request. Who may not deliver is refused
//     after that, and so is a task that is too large, up to Config.BodyLimit. StreamRequestBody does not help: it
//     lifts the limit.
//   - For how long a body may come, the App cannot say: Config.ReadTimeout does, for all routes alike.
//   - A function does not learn that its caller is gone. Its context ends by its own timeout only.
//   - Answers are written when they are complete. The App's are small.
//   - There is no HTTP/2.
//
// Where that matters, give pushes a server of their own, http.Server{Handler: app}, or put fiber behind net/http by
// adaptor.FiberApp.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "localhost:8080")
	if err == nil {
		err = run(ctx, listener)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends. Then it takes no more requests, lets those that are there end, and at last the tasks.
func run(ctx context.Context, listener net.Listener) error {
	app, err := tasks.NewApp(tasks.Config{
		Name:      "shop",
		Endpoint:  "http://" + listener.Addr().String() + "/_tasks",
		Transport: memory.New(), // on Google Cloud: cloudtasks.New, and an Authenticator
	})
	if err != nil {
		return err
	}
	if err := app.Register(SendWelcome); err != nil {
		return err
	}
	server := routes(app)
	failed := make(chan error, 1)
	go func() { failed <- server.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, server.ShutdownWithContext(ctx), app.Shutdown(ctx))
}
