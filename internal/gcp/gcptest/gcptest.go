// Package gcptest is what tests of the cloud drivers set up: servers, connections within the process, and the
// metadata server of Google's platforms.
package gcptest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TB is what a testing.TB is used for.
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
}

// Server is a grpc.Server.
type Server interface {
	Serve(net.Listener) error
	Stop()
}

// Serve runs a server until the test ends.
func Serve(tb TB, l net.Listener, s Server) {
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	tb.Cleanup(func() {
		s.Stop()
		served.Wait()
	})
}

// Listen opens a socket; address may be empty.
func Listen(tb TB, address string) net.Listener {
	tb.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// MetadataServer answers as that of Google's platforms does, by path, until the test ends. Its address is what the
// variable GCE_METADATA_HOST is to be set to.
func MetadataServer(tb TB, answers map[string]string) (address string) {
	tb.Helper()
	l := Listen(tb, "")
	Serve(tb, l, httpServer{&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")]
		if !ok || r.Header.Get("Metadata-Flavor") != "Google" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(answer))
	})}})
	return l.Addr().String()
}

type httpServer struct{ *http.Server }

// Stop is how a gRPC server calls it.
func (s httpServer) Stop() { _ = s.Close() }

// Pipes is a listener for connections within the process, so that a synctest bubble's clock moves both ends.
type Pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipes returns one that is open.
func NewPipes() *Pipes {
	return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial is for grpc.WithContextDialer.
func (p *Pipes) Dial(ctx context.Context, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a Dial.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial, not what they returned.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr is a name only.
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// Tracers counts how often the instrumentation of gRPC asks for one.
type Tracers struct {
	noop.TracerProvider
	Asked int
}

// Tracer returns one that does nothing.
func (p *Tracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	if strings.Contains(name, "otelgrpc") {
		p.Asked++
	}
	return p.TracerProvider.Tracer(name, opts...)
}
