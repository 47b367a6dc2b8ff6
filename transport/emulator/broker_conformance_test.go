package emulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// TestBrokerConformance is on the real clock: Google's client sleeps with a mutex locked, which no bubble gets past.
func TestBrokerConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	transporttest.RunBroker(t, func(tb testing.TB) transporttest.BrokerDriver {
		e, err := emulator.New()
		if err != nil {
			tb.Fatal(err)
		}
		address, err := e.Start()
		if err != nil {
			tb.Fatal(err)
		}
		b, err := cloudpubsub.New(tb.Context(), cloudpubsub.WithProject("p"), cloudpubsub.WithoutOIDC(), cloudpubsub.WithEndpoint(address))
		if err != nil {
			tb.Fatal(err)
		}
		pushes := &pushServer{}
		srv := httptest.NewServer(pushes)
		tb.Cleanup(func() {
			_ = b.Close()
			_ = e.Close()
			srv.Close()
		})
		return transporttest.BrokerDriver{Broker: b, Endpoint: srv.URL + "/push", Serve: pushes.serve}
	})
}

// pushServer turns pushes into deliveries.
type pushServer struct {
	mu       sync.Mutex
	handlers map[string]transport.Handler // by path
}

func (s *pushServer) serve(endpoint string, h transport.Handler) error {
	r, err := http.NewRequest(http.MethodPost, endpoint, nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers == nil {
		s.handlers = make(map[string]transport.Handler)
	}
	s.handlers[r.URL.Path] = h
	return nil
}

func (s *pushServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	h := s.handlers[r.URL.Path]
	s.mu.Unlock()
	m, err := pushwire.Parse(body, r.Header)
	if h == nil || err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	d := &transport.Delivery{Task: transport.Task{URL: "http://" + r.Host + r.URL.RequestURI(), Header: r.Header, Body: body}, Message: m}
	status, _, _ := h(r.Context(), d)
	w.WriteHeader(status)
}
