// Package mounting_test shows how an App is mounted: it is an http.Handler that answers under the path of its
// Endpoint.
package mounting_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/typedtasks/typedtasks/tasks"
)

type Welcome struct {
	Email string `json:"email" validate:"required,email"`
}

func newApp() (*tasks.App, *tasks.Task[Welcome]) {
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		fmt.Println(strings.TrimSpace("welcome, " + w.Email + " " + tasks.HeadersFrom(ctx).Get("traceparent")))
		return nil
	})
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Endpoint: "https://shop.example.com/_tasks", Eager: true,
		Authenticator: tasks.TrustNetwork(), // or oidc.New of transport/oidc
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(sendWelcome); err != nil {
		log.Fatal(err)
	}
	return app, sendWelcome
}

func Example_netHTTP() {
	app, sendWelcome := newApp()
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	mux.Handle("POST /signup", app.Propagate(signup(sendWelcome)))
	try(mux)
	// Output:
	// welcome, bo@example.com
	// 200 {"status":"executed","result":null,"error":null}
	// welcome, ana@example.com 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
	// 202
}

func Example_chi() {
	app, sendWelcome := newApp()
	r := chi.NewRouter()
	r.Mount("/_tasks", app)
	r.With(app.Propagate).Post("/signup", signup(sendWelcome))
	try(r)
	// Output:
	// welcome, bo@example.com
	// 200 {"status":"executed","result":null,"error":null}
	// welcome, ana@example.com 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
	// 202
}

func signup(sendWelcome *tasks.Task[Welcome]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := sendWelcome.Enqueue(r.Context(), Welcome{Email: "ana@example.com"}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// try pushes a task as Cloud Tasks would, and calls the shop's own route with a trace.
func try(h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	post(server.URL+"/_tasks/tasks/Welcome", `{"email":"bo@example.com"}`, "")
	post(server.URL+"/signup", "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

func post(url, body, trace string) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	if trace != "" {
		req.Header.Set("traceparent", trace)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(answer))))
}
