package transporttest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// pushing makes Drivers as one for a remote service looks: tasks leave as HTTP requests, and the harness
// turns the requests into deliveries.
func pushing(t testing.TB) transporttest.Driver {
	in := &intake{}
	server := httptest.NewServer(in)
	r := newReference("")
	if err := r.Serve("", pusher(server.Client())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return transporttest.Driver{Transport: bare{r}, Serve: in.serve, Endpoint: server.URL + "/run", Grace: 20 * time.Millisecond}
}

// pusher is the service's side: it posts a delivery to its URL.
func pusher(client *http.Client) transport.Handler {
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
		if err != nil || d.Exhausted {
			return http.StatusInternalServerError, 0, err
		}
		req.Header = d.Header.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		for name, value := range map[string]string{
			"QueueName":            d.Queue,
			"TaskName":             d.ID,
			"TaskRetryCount":       strconv.Itoa(d.Attempt - 1),
			"TaskExecutionCount":   strconv.Itoa(d.Executions),
			"TaskPreviousResponse": strconv.Itoa(d.PreviousResponse),
			"TaskETA":              fmt.Sprintf("%.6f", float64(d.ETA.UnixMicro())/1e6),
		} {
			req.Header.Set("X-CloudTasks-"+name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			return http.StatusInternalServerError, 0, err
		}
		return resp.StatusCode, 0, resp.Body.Close()
	}
}

// intake is the harness's side: it turns requests into deliveries.
type intake struct {
	mu sync.Mutex
	h  transport.Handler
}

func (in *intake) serve(_ string, h transport.Handler) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.h = h
	return nil
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.mu.Lock()
	h := in.h
	in.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if h == nil || err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	header := func(name string) string { return r.Header.Get("X-CloudTasks-" + name) }
	number := func(name string) float64 {
		n, _ := strconv.ParseFloat(header(name), 64)
		return n
	}
	status, _, _ := h(r.Context(), &transport.Delivery{
		Task: transport.Task{
			ID: header("TaskName"), Queue: header("QueueName"), URL: "http://" + r.Host + r.URL.RequestURI(),
			Header: r.Header, Body: body, ETA: time.UnixMicro(int64(number("TaskETA") * 1e6)),
		},
		Attempt:          int(number("TaskRetryCount")) + 1,
		Executions:       int(number("TaskExecutionCount")),
		PreviousResponse: int(number("TaskPreviousResponse")),
	})
	w.WriteHeader(status)
}
