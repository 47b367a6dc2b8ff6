package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

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

// maxSignup is the most bytes of a signup. The App has limits of its own, which are those of the platform.
const maxSignup = 4 << 10

// routes serves the App below the path of its Endpoint, and a route that enqueues.
func routes(app *tasks.App) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover())
	e.Any("/_tasks/*", echo.WrapHandler(app))
	e.POST("/signup", signup, echo.WrapMiddleware(app.Propagate), middleware.BodyLimit(maxSignup))
	return e
}

func signup(c *echo.Context) error {
	var in Welcome
	if err := c.Bind(&in); err != nil {
		return err // Echo answers it, with 400 and its siblings
	}
	receipt, err := SendWelcome.Enqueue(c.Request().Context(), in)
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		return c.JSON(http.StatusUnprocessableEntity, map[string]any{"fields": invalid.Fields})
	}
	if err != nil { // its text is for the log
		slog.ErrorContext(c.Request().Context(), "signup", "error", err)
		return echo.ErrInternalServerError
	}
	return c.JSON(http.StatusAccepted, map[string]any{"id": receipt.ID})
}
