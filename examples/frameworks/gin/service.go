package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/typedtasks/typedtasks/tasks"
)

// Welcome is validated where it is enqueued, and again before sendWelcome sees it.
type Welcome struct {
	Email string `json:"email" validate:"required,email"`
}

// SendWelcome is named after its payload: its pushes arrive at /_tasks/tasks/Welcome.
var SendWelcome = tasks.New(sendWelcome)

func sendWelcome(ctx context.Context, w Welcome) error {
	trace := tasks.HeadersFrom(ctx).Get("traceparent") // of the request that enqueued it
	slog.InfoContext(ctx, "welcome", "email", w.Email, "traceparent", trace)
	return nil
}

// routes serves the App below the path of its Endpoint, and a route that enqueues.
func routes(app *tasks.App) http.Handler {
	r := gin.New()
	r.Use(gin.Recovery())
	r.Any("/_tasks/*path", gin.WrapH(app))
	r.POST("/signup", propagate(app), signup)
	return r
}

// propagate is app.Propagate as gin's middleware.
func propagate(app *tasks.App) gin.HandlerFunc {
	return func(c *gin.Context) {
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { c.Request = r; c.Next() })
		app.Propagate(next).ServeHTTP(c.Writer, c.Request)
	}
}

// maxSignup is the most bytes of a signup. The App has limits of its own, which are those of the platform.
const maxSignup = 4 << 10

func signup(c *gin.Context) {
	var in Welcome
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxSignup)
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	receipt, err := SendWelcome.Enqueue(c.Request.Context(), in)
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"fields": invalid.Fields})
		return
	}
	if err != nil { // its text is for the log
		slog.ErrorContext(c.Request.Context(), "signup", "error", err)
		c.JSON(http.StatusInternalServerError, gin.H{"error": "try again later"})
		return
	}
	c.JSON(http.StatusAccepted, gin.H{"id": receipt.ID})
}
