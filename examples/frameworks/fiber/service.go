package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/recover"

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
func routes(app *tasks.App) *fiber.App {
	f := fiber.New(fiber.Config{
		Immutable:      true,             // headers outlive their request: they travel with what it enqueues
		BodyLimit:      15 << 20,         // above the App's own limits: it takes 14 MiB of a Pub/Sub push
		ReadBufferSize: 64 << 10,         // for all headers of a request; the default of 4 KiB is little for tokens and baggage
		ReadTimeout:    30 * time.Second, // for a whole request; without it a slow body is waited for without end
	})
	f.Use(recover.New()) // not to be left out: a panic that passes fiber ends the process
	f.Use("/_tasks", mount(app))
	f.Post("/signup", propagate, signup)
	return f
}

// mount serves app with a request of net/http's kind. The adaptor alone would give it headers that the connection's
// next request overwrites, the last value only of those that come twice, a context that ends when the server begins
// to shut down, and to Cloud Tasks a 200 for a function that has ended its goroutine.
func mount(app http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		ctx, header, answered := c.Context(), http.Header(c.GetReqHeaders()), false
		err := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(ctx)
			r.Header = header
			app.ServeHTTP(w, r)
			answered = true
		})(c)
		if err == nil && !answered {
			err = fiber.ErrInternalServerError
		}
		return err
	}
}

// propagate does what App.Propagate does. Of these headers travel those that Config.PropagatedHeaders names.
func propagate(c fiber.Ctx) error {
	c.SetContext(tasks.ContextWithHeaders(c.Context(), c.GetReqHeaders()))
	return c.Next()
}

// maxSignup is the most bytes of a signup. The App has limits of its own, which are those of the platform.
const maxSignup = 4 << 10

func signup(c fiber.Ctx) error {
	var in Welcome
	if len(c.Body()) > maxSignup {
		return fiber.ErrRequestEntityTooLarge
	}
	if err := c.Bind().JSON(&in); err != nil {
		return c.Status(http.StatusBadRequest).JSON(fiber.Map{"error": err.Error()})
	}
	receipt, err := SendWelcome.Enqueue(c.Context(), in)
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		return c.Status(http.StatusUnprocessableEntity).JSON(fiber.Map{"fields": invalid.Fields})
	}
	if err != nil { // its text is for the log
		slog.ErrorContext(c.Context(), "signup", "error", err)
		return fiber.ErrInternalServerError
	}
	return c.Status(http.StatusAccepted).JSON(fiber.Map{"id": receipt.ID})
}
