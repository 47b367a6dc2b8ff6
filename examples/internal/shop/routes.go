package shop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/typedtasks/typedtasks/tasks"
)

// Refused is told what was not enqueued, and why: err is a *tasks.ValidationError where the customer is to blame.
type Refused func(ctx context.Context, task string, err error)

// Routes serves the shop's own pages.
func Routes(refused Refused) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /signup", enqueue(refused, SendWelcome))
	mux.Handle("POST /orders", enqueue(refused, ChargeCard))
	mux.Handle("POST /invoices", enqueue(refused, PrintInvoice))
	mux.Handle("POST /refunds", enqueue(refused, RefundOrder))
	mux.Handle("POST /carts", enqueue(refused, RemindCart))
	mux.Handle("POST /stock", enqueue(refused, Reorder))
	return mux
}

// MaxBody is the most bytes of a request's body.
const MaxBody = 64 << 10

// enqueue makes a route of a task: the request's body is its payload. A new task is answered with 202, a
// duplicate with 200, and a payload that breaks its rules with 400 and the fields that do.
func enqueue[T any](refused Refused, task *tasks.Task[T]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var payload T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody)).Decode(&payload); err != nil {
			answer(w, http.StatusBadRequest, refusal{Error: err.Error()})
			return
		}
		receipt, err := task.Enqueue(r.Context(), payload)
		if err != nil {
			refused(r.Context(), task.Spec().Name, err)
		}
		if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
			answer(w, http.StatusBadRequest, refusal{Error: "not valid", Fields: invalid.Fields})
			return
		}
		switch {
		case err != nil: // its text is not for the customer
			answer(w, http.StatusInternalServerError, refusal{Error: "try again later"})
		case receipt.Duplicate:
			answer(w, http.StatusOK, accepted{ID: receipt.ID, Duplicate: true})
		default:
			answer(w, http.StatusAccepted, accepted{ID: receipt.ID})
		}
	}
}

type accepted struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate,omitempty"`
}

type refusal struct {
	Error  string             `json:"error"`
	Fields []tasks.FieldError `json:"fields,omitempty"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a customer who has left is no error
}
