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
		README:  servicetest.HTTP(readme),
		Nested:  servicetest.HTTP(nested),
		Run:     run,
		Panic:   500,
		Slash:   307,
	})
}

// readme is held to README, section Mounting, by a test of package frameworks_test.
func readme(app *tasks.App) http.Handler {
	g := gin.New() // gin; signup enqueues under c.Request.Context()
	g.Any("/_tasks/*path", gin.WrapH(app))
	g.POST("/signup", func(c *gin.Context) {
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { c.Request = r; c.Next() })
		app.Propagate(next).ServeHTTP(c.Writer, c.Request)
	}, signup)
	return g
}

func nested(app *tasks.App) http.Handler {
	r := gin.New()
	r.Group("/api").Any("/_tasks/*path", gin.WrapH(app))
	return r
}
