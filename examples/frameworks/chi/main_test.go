package main

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/frameworks/internal/servicetest"
	"github.com/typedtasks/typedtasks/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestService(t *testing.T) {
	servicetest.Run(t, servicetest.Service{
		Welcome: SendWelcome,
		Serve:   servicetest.HTTP(routes),
		README:  servicetest.HTTP(readme),
		Nested:  servicetest.HTTP(nested),
		Run:     run,
		Panic:   500,
		Slash:   404,
	})
}

// readme is held to README, section Mounting, by a test of package frameworks_test.
func readme(app *tasks.App) http.Handler {
	r := chi.NewRouter() // chi v5
	r.Mount("/_tasks", app)
	r.With(app.Propagate).Post("/signup", signup)
	return r
}

func nested(app *tasks.App) http.Handler {
	r := chi.NewRouter()
	r.Route("/api", func(r chi.Router) { r.Mount("/_tasks", app) })
	return r
}
