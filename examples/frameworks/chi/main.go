// Chi is a service on the router github.com/go-chi/chi, with typed tasks: see service.go. It is net/http all the way,
// so that the App and its middleware are used as they are.
//
//	go run ./frameworks/chi
//	curl localhost:8080/signup -d '{"email": "ana@example.com"}' -H 'Content-Type: application/json' \
//		-H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
//	curl localhost:8080/_tasks/tasks/Welcome -d '{"email": "bo@example.com"}'   # a push, as Cloud Tasks sends it
//
// What the whole router uses, pushes go through too: RequestSize, Timeout and Throttle belong to routes of one's own,
// for the App knows what its platform sends, and for how long a task may run.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	server := &http.Server{Handler: routes(app), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(ctx), app.Shutdown(ctx))
}
