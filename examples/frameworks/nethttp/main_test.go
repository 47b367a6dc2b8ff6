package main

import (
	"net/http"
	"testing"

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
		Mount:   "/_tasks",
		Run:     run,
		Panic:   0,
		Slash:   404,
	})
}

// readme is held to README, section Mounting, by a test of package frameworks_test.
func readme(app *tasks.App) http.Handler {
	mux := http.NewServeMux() // net/http
	mux.Handle("/_tasks/", app)
	mux.Handle("POST /signup", app.Propagate(http.HandlerFunc(signup))) // your routes: traceparent rides along on what they enqueue
	return mux
}

func nested(app *tasks.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	return http.StripPrefix("/api", mux)
}
