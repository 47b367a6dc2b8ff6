package main

import (
	"log/slog"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// mount is the path under which the App serves pushes.
const mount = "/_tasks"

// newApp makes the App of the shop. On Cloud Tasks, only the Transport would differ.
func newApp(endpoint string, j *journal, logger *slog.Logger) (*tasks.App, error) {
	app, err := tasks.NewApp(tasks.Config{
		Name:       "shop",
		Endpoint:   endpoint,
		Transport:  memory.New(),
		Quarantine: j.quarantine,
		Logger:     logger,
	})
	if err != nil {
		return nil, err
	}
	app.Use(j.deliveries)
	app.UseEnqueue(j.enqueues)
	return app, app.Register(
		SendWelcome, ChargeCard, ShipOrder, RefundOrder, PrintInvoice, RemindCart, Reorder, SendDigest,
	)
}
