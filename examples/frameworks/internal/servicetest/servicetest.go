// Package servicetest holds the examples of frameworks to one set of expectations, over real connections.
package servicetest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Service is one of the examples, and what is special about its framework.
type Service struct {
	Welcome tasks.Definition                                // the task that POST /signup enqueues
	Serve   Serve                                           // its routes, the App below /_tasks
	README  Serve                                           // the same by no more than README's lines
	Nested  Serve                                           // the App alone, below /api/_tasks in a group or router of its own
	Run     func(ctx context.Context, l net.Listener) error // the program

	Mount   string // Config.MountPath for Nested, where its router cuts the path that the App sees
	Panic   int    // status that answers a panic outside of tasks' functions; 0: none, the connection ends
	Slash   int    // status that answers POST /signup/
	Buffers bool   // reads a whole body before anything looks at the request
	Deaf    bool   // does not notice that a caller is gone
}

// Run runs all tests.
func Run(t *testing.T, s Service) {
	t.Run("pushes", s.testPushes)
	t.Run("golden push", s.testGolden)
	t.Run("paths", s.testPaths)
	t.Run("headers", s.testHeaders)
	t.Run("limits", s.testLimits)
	t.Run("connections", s.testConnections)
	t.Run("slow bodies", s.testSlowBodies)
	t.Run("signups", s.testSignups)
	t.Run("trace through memory", s.testTraceMemory)
	t.Run("trace through pushes", s.testTracePushes)
	t.Run("panics", s.testPanics)
	t.Run("caller gone", s.testCallerGone)
	t.Run("app shuts down", s.testAppShutsDown)
	t.Run("server shuts down", s.testServerShutsDown)
	t.Run("program", s.testProgram)
	t.Run("as README has it", s.testREADME)
}

// Serve serves an App at l until the test ends.
type Serve func(t *testing.T, l net.Listener, app *tasks.App) *Server

// Server is what serves a Service.
type Server struct {
	URL      string
	Shutdown func(context.Context) error
}

// HTTP makes a Serve of a function that returns a handler.
func HTTP(routes func(app *tasks.App) http.Handler) Serve {
	return func(t *testing.T, l net.Listener, app *tasks.App) *Server {
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: routes(app)}}
		srv.Start()
		t.Cleanup(srv.Close)
		return &Server{URL: srv.URL, Shutdown: srv.Config.Shutdown}
	}
}

// shop is a Service that is open for the time of a test.
type shop struct {
	caller
	*Server
	app *tasks.App
	ran chan ran // what ran, in order
}

// ran is one execution, seen from within.
type ran struct {
	name   string
	header http.Header // the propagated ones
}

// open serves the routes of an App with Welcome and defs. Config's zero fields are filled in.
func (s Service) open(t *testing.T, cfg tasks.Config, defs ...tasks.Definition) *shop {
	t.Helper()
	return open(t, s.Serve, cfg, append(defs, s.Welcome)...)
}

func open(t *testing.T, serve Serve, cfg tasks.Config, defs ...tasks.Definition) *shop {
	t.Helper()
	if cfg.Endpoint == "" {
		cfg.Endpoint = "http://localhost/_tasks"
	}
	if cfg.Transport == nil {
		cfg.Transport = memory.New()
	}
	cfg.Name = "shop"
	cfg.Logger = slog.New(slog.DiscardHandler)
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	sh := &shop{app: app, ran: make(chan ran, 100)}
	app.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			m, _ := tasks.MetadataFrom(ctx)
			defer func() { sh.ran <- ran{name: m.Name, header: tasks.HeadersFrom(ctx)} }()
			return next(ctx, d)
		}
	})
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sh.Server = serve(t, l, app)
	sh.caller = newCaller(t, sh.URL)
	return sh
}

// Order is a payload of the tests' own.
type Order struct {
	ID    int    `json:"id"    validate:"required"`
	Email string `json:"email" validate:"omitempty,email"`
}

// orders makes the task "Order".
func orders(fn func(ctx context.Context, o Order) error) *tasks.Task[Order] { return tasks.New(fn) }

// ignore is the function of a task that only has to be executed.
func ignore(context.Context, Order) error { return nil }
