package main

import (
	"net/http"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
	"github.com/typedtasks/typedtasks/tasks"
)

// routes serves the shop's own pages, and the App where pushes arrive. Under Propagate a request's traceparent
// rides along on what is enqueued.
func routes(app *tasks.App, j *tour.Journal) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(shop.Mount+"/", app)
	mux.Handle("/", app.Propagate(shop.Routes(j.Refused)))
	return mux
}
