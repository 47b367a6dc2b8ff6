package main

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/frameworks/internal/servicetest"
	"github.com/typedtasks/typedtasks/tasks"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(m)
}

func TestService(t *testing.T) {
	servicetest.Run(t, servicetest.Service{
		Welcome: SendWelcome,
		Serve:   servicetest.HTTP(routes),
		Nested:  servicetest.HTTP(nested),
		Run:     run,
		Panic:   500,
		Slash:   307,
	})
}

func nested(app *tasks.App) http.Handler {
	r := gin.New()
	r.Group("/api").Any("/_tasks/*path", gin.WrapH(app))
	return r
}
