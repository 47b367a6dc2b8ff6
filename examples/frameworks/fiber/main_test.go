package main

import (
	"net"
	"testing"

	"github.com/gofiber/fiber/v3"
	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/frameworks/internal/servicetest"
	"github.com/typedtasks/typedtasks/tasks"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),    // one for the process
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // ends up to 10 s after its server
	)
}

func TestService(t *testing.T) {
	servicetest.Run(t, servicetest.Service{
		Welcome: SendWelcome,
		Serve:   serve(routes),
		Nested:  serve(nested),
		Run:     run,
		Panic:   500,
		Slash:   202,
		Buffers: true,
		Deaf:    true,
	})
}

func nested(app *tasks.App) *fiber.App {
	f := fiber.New()
	f.Group("/api").Use("/_tasks", mount(app))
	return f
}

// serve serves on a port of the loopback.
func serve(routes func(*tasks.App) *fiber.App) func(*testing.T, *tasks.App) *servicetest.Server {
	return func(t *testing.T, app *tasks.App) *servicetest.Server {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := routes(app)
		served := make(chan error, 1)
		go func() { served <- f.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
		t.Cleanup(func() {
			if err := f.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		return &servicetest.Server{URL: "http://" + l.Addr().String(), Shutdown: f.ShutdownWithContext}
	}
}
