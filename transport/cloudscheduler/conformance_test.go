package cloudscheduler_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// TestConformance_Emulator runs within the process, calls and deliveries included, so that a bubble's clock moves all.
func TestConformance_Emulator(t *testing.T) {
	transporttest.RunScheduler(t, func(tb testing.TB) transporttest.SchedulerDriver {
		w := newWorker(tb)
		e, err := emulator.New(emulator.WithHTTPClient(w.client), emulator.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			tb.Fatal(err)
		}
		calls := gcptest.NewPipes()
		gcptest.Serve(tb, calls, emulatorServer{e})
		sched := connect(tb, cloudscheduler.WithEndpoint("127.0.0.1:1"), // an address that nobody looks up
			cloudscheduler.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(calls.Dial))))
		return transporttest.SchedulerDriver{Scheduler: sched, Serve: w.handle, Endpoint: "http://worker.test/jobs", Bubble: true}
	})
}

// emulatorServer is ended as a gRPC server is.
type emulatorServer struct{ *emulator.Emulator }

func (s emulatorServer) Stop() { _ = s.Close() }

// worker is a web server within the process that turns what is fired into deliveries.
type worker struct {
	client *http.Client // reaches it by any address

	mu       sync.Mutex
	handlers map[string]transport.Handler // by path
	running  sync.WaitGroup               // added to under mu, until stopped
	stopped  bool
}

func newWorker(tb testing.TB) *worker {
	p := gcptest.NewPipes()
	w := &worker{handlers: map[string]transport.Handler{}}
	conns := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return p.Dial(ctx, addr) }}
	w.client = &http.Client{Transport: conns}
	gcptest.Serve(tb, p, webServer{&http.Server{Handler: w}, w})
	tb.Cleanup(conns.CloseIdleConnections)
	return w
}

type webServer struct {
	*http.Server
	w *worker
}

// Stop waits for the handlers too.
func (s webServer) Stop() {
	_ = s.Close()
	s.w.mu.Lock()
	s.w.stopped = true
	s.w.mu.Unlock()
	s.w.running.Wait()
}

func (w *worker) handle(endpoint string, h transport.Handler) error {
	r, err := http.NewRequest(http.MethodPost, endpoint, nil)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handlers[r.URL.Path] = h
	return nil
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.mu.Lock()
	h := w.handlers[r.URL.Path]
	if w.stopped {
		h = nil
	}
	if h != nil {
		w.running.Add(1)
		defer w.running.Done()
	}
	w.mu.Unlock()
	if h == nil || err != nil {
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	d := &transport.Delivery{Task: transport.Task{URL: "http://" + r.Host + r.URL.RequestURI(), Header: r.Header, Body: body}, Attempt: 1}
	status, _, _ := h(r.Context(), d)
	rw.WriteHeader(status)
}
