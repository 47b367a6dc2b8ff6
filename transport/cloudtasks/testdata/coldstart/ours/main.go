// Command ours enqueues one task over the driver and ends: BenchmarkColdStart times it.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

type welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email" validate:"required,email"`
}

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	t, err := cloudtasks.New(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Queue: "mail", Endpoint: "https://shop.example.com/_tasks", Transport: t,
		Quarantine:    func(context.Context, tasks.Quarantined) error { return nil },
		Authenticator: tasks.TrustNetwork(),
	})
	if err != nil {
		return err
	}
	send := tasks.New(func(context.Context, welcome) error { return nil })
	if err := app.Register(send); err != nil {
		return err
	}
	_, err = send.Enqueue(app.Context(ctx), welcome{UserID: 1, Email: "ana@example.com"})
	return err
}
