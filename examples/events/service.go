package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// takeOrder publishes the order that a request brings. Filters look at attributes, so the region is one.
func takeOrder(w http.ResponseWriter, r *http.Request) {
	var o Order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, "no order", http.StatusBadRequest)
		return
	}
	id, err := OrderPaid.Publish(r.Context(), o, pubsub.Attribute("region", o.Region))
	if invalid, ok := errors.AsType[*tasks.ValidationError](err); ok {
		http.Error(w, invalid.Error(), http.StatusUnprocessableEntity)
		return
	}
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, id)
}

// routes is the order service, which publishes under the request's trace, and where pushes arrive.
func routes(app *tasks.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", app.Propagate(http.HandlerFunc(takeOrder)))
	mux.Handle("/_tasks/", app)
	return mux
}

// serve runs an HTTP server until stop is called.
func serve(listener net.Listener, h http.Handler) (stop func() error) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		err := bounded(server.Shutdown)
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
}

// sell orders at the service, and waits until everybody has done what is to be done.
func sell(ctx context.Context, url string, l *ledger) error {
	l.expect("shipping", "shipped", 1, 2, 3, 4)
	l.expect("audit", "noted", 1, 3, unlucky)
	l.expect("support", "called", unlucky)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, order := range []string{
		`{"id": 1, "region": "emea", "cents": 1250}`,
		`{"id": 2, "region": "apac", "cents": 300}`,
		`{"id": 3, "region": "emea", "cents": 9900}`,
		`{"id": 13, "region": "emea", "cents": 1300}`,
		`{"id": 4, "region": "apac", "cents": 4200}`,
		`{"id": 5, "region": "mars", "cents": 100}`,
	} {
		if err := post(ctx, client, url+"/orders", order, l); err != nil {
			return err
		}
	}
	if err := l.wait(ctx); err != nil {
		return err
	}
	l.say("\nAll done: four orders shipped, one with support, three in the books of emea.")
	return nil
}

// post orders over HTTP, as a shop's page would.
func post(ctx context.Context, client *http.Client, url, body string, l *ledger) error {
	l.say("POST /orders %s", body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") // rides along in the message
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusAccepted {
		l.say("  refused   %d %s", res.StatusCode, strings.TrimSpace(string(text)))
	}
	return nil
}
