package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/typedtasks/typedtasks/tasks"
)

// routes serves the shop's own pages, and the App where pushes arrive. Under Propagate a request's traceparent
// rides along on what is enqueued.
func routes(app *tasks.App, j *journal) http.Handler {
	shop := http.NewServeMux()
	shop.Handle("POST /signup", enqueue(j, SendWelcome))
	shop.Handle("POST /orders", enqueue(j, ChargeCard))
	shop.Handle("POST /invoices", enqueue(j, PrintInvoice))
	shop.Handle("POST /refunds", enqueue(j, RefundOrder))
	shop.Handle("POST /carts", enqueue(j, RemindCart))
	shop.Handle("POST /stock", enqueue(j, Reorder))

	mux := http.NewServeMux()
	mux.Handle(mount+"/", app)
	mux.Handle("/", app.Propagate(shop))
	return mux
}

// maxBody is the most bytes of a request's body.
const maxBody = 64 << 10

// enqueue makes a route of a task: the request's body is its payload. A new task is answered with 202, a
// duplicate with 200, and a payload that breaks its rules with 400 and the fields that do.
func enqueue[T any](j *journal, task *tasks.Task[T]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var payload T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&payload); err != nil {
			answer(w, http.StatusBadRequest, refusal{Error: err.Error()})
			return
		}
		receipt, err := task.Enqueue(r.Context(), payload)
		if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
			j.rejected(task.Spec().Name, invalid)
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
