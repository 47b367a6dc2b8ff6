package main

import (
	"log/slog"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// newApp makes the App of the shop. On Cloud Tasks, only the Transport would differ.
func newApp(endpoint string, j *tour.Journal, logger *slog.Logger) (*tasks.App, error) {
	app, err := tasks.NewApp(tasks.Config{
		Name:       "shop",
		Endpoint:   endpoint,
		Transport:  memory.New(),
		Quarantine: j.Quarantine,
		Logger:     logger,
	})
	if err != nil {
		return nil, err
	}
	app.Use(j.Deliveries)
	app.UseEnqueue(j.Enqueues)
	return app, app.Register(shop.Tasks()...)
}
