package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

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
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	mux.Handle("POST /signup", app.Propagate(http.HandlerFunc(signup)))
	return mux
}

// maxSignup is the most bytes of a signup. The App has limits of its own, which are those of the platform.
const maxSignup = 4 << 10

func signup(w http.ResponseWriter, r *http.Request) {
	var in Welcome
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSignup)).Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, "error", err.Error())
		return
	}
	receipt, err := SendWelcome.Enqueue(r.Context(), in)
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		answer(w, http.StatusUnprocessableEntity, "fields", invalid.Fields)
		return
	}
	if err != nil { // its text is for the log
		slog.ErrorContext(r.Context(), "signup", "error", err)
		answer(w, http.StatusInternalServerError, "error", "try again later")
		return
	}
	answer(w, http.StatusAccepted, "id", receipt.ID)
}

func answer(w http.ResponseWriter, status int, key string, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{key: value}) // a customer who has left is no error
}
