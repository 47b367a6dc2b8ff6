package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
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
	e := echo.New() // echo v5
	e.Any("/_tasks/*", echo.WrapHandler(app))
	e.POST("/signup", signup, echo.WrapMiddleware(app.Propagate))
	return e
}

func nested(app *tasks.App) http.Handler {
	e := echo.New()
	e.Group("/api").Any("/_tasks/*", echo.WrapHandler(app))
	return e
}
