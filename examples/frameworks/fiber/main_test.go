package main

import (
	"net"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"
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
		README:  serve(readme),
		Nested:  serve(nested),
		Run:     run,
		Panic:   500,
		Slash:   202,
		Buffers: true,
		Deaf:    true,
	})
}

// readme is held to README, section Mounting, by a test of package frameworks_test.
func readme(app *tasks.App) *fiber.App {
	f := fiber.New(fiber.Config{ // fiber v3; signup enqueues under c.Context()
		Immutable: true, BodyLimit: 15 << 20, ReadBufferSize: 64 << 10, ReadTimeout: 30 * time.Second,
	})
	f.Use(recover.New()).Use("/_tasks", mount(app)) // mount: what fiber's adaptor lacks, in examples/frameworks/fiber
	f.Post("/signup", func(c fiber.Ctx) error {
		c.SetContext(tasks.ContextWithHeaders(c.Context(), c.GetReqHeaders()))
		return c.Next()
	}, signup)
	return f
}

func nested(app *tasks.App) *fiber.App {
	f := fiber.New()
	f.Group("/api").Use("/_tasks", mount(app))
	return f
}

func serve(routes func(*tasks.App) *fiber.App) servicetest.Serve {
	return func(t *testing.T, l net.Listener, app *tasks.App) *servicetest.Server {
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
