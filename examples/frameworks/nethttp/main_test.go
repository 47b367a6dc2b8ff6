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
		Nested:  servicetest.HTTP(nested),
		Mount:   "/_tasks",
		Run:     run,
		Panic:   0,
		Slash:   404,
	})
}

func nested(app *tasks.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	return http.StripPrefix("/api", mux)
}
