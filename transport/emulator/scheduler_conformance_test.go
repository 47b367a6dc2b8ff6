package emulator_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// TestSchedulerConformance runs over the driver and Google's client, within bubbles.
func TestSchedulerConformance(t *testing.T) {
	transporttest.RunScheduler(t, func(tb testing.TB) transporttest.SchedulerDriver {
		fired := &firingServer{handlers: make(map[string]transport.Handler)}
		r := startSchedulerHere(tb, emulator.WithHTTPClient(fired.start(tb)))
		s, err := cloudscheduler.New(tb.Context(), cloudscheduler.WithClient(r.jobs),
			cloudscheduler.WithProject("p"), cloudscheduler.WithLocation("l"), cloudscheduler.WithServiceAccount(account))
		if err != nil {
			tb.Fatal(err)
		}
		return transporttest.SchedulerDriver{Scheduler: s, Bubble: true, Serve: fired.serve, Endpoint: firingHost + "/jobs"}
	})
}

const firingHost = "http://worker.test"

// firingServer turns what jobs send into deliveries.
type firingServer struct {
	mu       sync.Mutex
	handlers map[string]transport.Handler // by URL
}

// start serves, and returns a client that reaches nothing else.
func (s *firingServer) start(tb testing.TB) *http.Client {
	pipe := newPipeListener()
	server := &http.Server{Handler: s}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(pipe) })
	client := &http.Client{Transport: &http.Transport{DialContext: pipe.dial}}
	tb.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Shutdown(context.Background()) // some handlers outlive their request
		serving.Wait()
	})
	return client
}

func (s *firingServer) serve(endpoint string, h transport.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[endpoint] = h
	return nil
}

func (s *firingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.handlers[firingHost+r.URL.Path]
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || h == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status, _, _ := h(r.Context(), &transport.Delivery{
		Task: transport.Task{URL: firingHost + r.URL.RequestURI(), Header: r.Header, Body: body}, Attempt: 1,
	})
	w.WriteHeader(status)
}
