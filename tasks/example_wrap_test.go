package tasks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func ExampleApp_Use() {
	sendWelcome := tasks.New(func(context.Context, Welcome) error {
		fmt.Println("    the function")
		return nil
	})
	app := newApp(sendWelcome)
	ctx := context.Background()

	app.Use(
		func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				fmt.Println("outer, before")
				defer fmt.Println("outer, after")
				return next(ctx, d)
			}
		},
		func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				fmt.Println("  inner, before")
				defer fmt.Println("  inner, after")
				return next(ctx, d)
			}
		},
	)
	fmt.Println(sendWelcome.Run(ctx, Welcome{UserID: 7, Email: "ana@example.com"}))

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// outer, before
	//   inner, before
	//     the function
	//   inner, after
	// outer, after
	// <nil>
	// <nil>
}

func ExampleApp_UseEnqueue() {
	sendWelcome := tasks.New(func(context.Context, Welcome) error { return nil })
	app := newApp(sendWelcome)
	ctx := context.Background()

	app.UseEnqueue(
		func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				fmt.Println("outer:", len(ts), "tasks")
				return next(ctx, ts)
			}
		},
		func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				for _, t := range ts {
					t.Queue = "bulk"
				}
				fmt.Println("  inner: moved to another queue")
				return next(ctx, ts)
			}
		},
	)
	for _, r := range sendWelcome.EnqueueAll(ctx, []Welcome{
		{UserID: 1, Email: "ana@example.com"},
		{UserID: 2, Email: "ben@example.com"},
	}) {
		fmt.Println(r.Receipt.Queue, r.Err)
	}

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// outer: 2 tasks
	//   inner: moved to another queue
	// bulk <nil>
	// bulk <nil>
	// <nil>
}

func ExampleApp_Propagate() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		defer close(done)
		fmt.Println("trace:", tasks.HeadersFrom(ctx).Get("traceparent"))
		return nil
	})
	app := newApp(sendWelcome)

	signup := app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := sendWelcome.Enqueue(r.Context(), Welcome{UserID: 7, Email: "ana@example.com"}); err != nil {
			fmt.Println(err)
		}
	}))
	request := httptest.NewRequest(http.MethodPost, "/signup", nil)
	request.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	signup.ServeHTTP(httptest.NewRecorder(), request)

	<-done
	fmt.Println(app.Shutdown(context.Background()))
	// Output:
	// trace: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
	// <nil>
}

// unreliable loses the answers of its first calls.
type unreliable struct {
	transport.Transport
	calls int
}

func (u *unreliable) Unwrap() transport.Transport { return u.Transport }

func (u *unreliable) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	receipt, err := u.Transport.Enqueue(ctx, t)
	if u.calls++; u.calls < 3 {
		return transport.Receipt{}, status.Error(codes.Unavailable, "the answer was lost")
	}
	return receipt, err
}

func ExampleWithEnqueueRetry() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(_ context.Context, w Welcome) error {
		fmt.Println("welcome,", w.Email)
		close(done)
		return nil
	}, tasks.WithEnqueueRetry(backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: time.Millisecond}))
	service := &unreliable{Transport: memory.New()}
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: service})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(sendWelcome); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	receipt, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"})
	<-done
	fmt.Println("calls:", service.calls, "duplicate:", receipt.Duplicate, err)

	fmt.Println(app.Shutdown(ctx))
	// Output:
	// welcome, ana@example.com
	// calls: 3 duplicate: false <nil>
	// <nil>
}
