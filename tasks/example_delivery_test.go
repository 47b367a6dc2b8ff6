package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// A Bill is what the examples of delivery carry.
type Bill struct {
	Number int `json:"number" validate:"required"`
}

func ExampleApp_ServeHTTP() {
	send := tasks.NewWithResult(func(ctx context.Context, i Bill) (string, error) {
		return fmt.Sprintf("bill %d is sent", i.Number), nil
	})
	app, err := tasks.NewApp(tasks.Config{
		Endpoint:      "https://shop.example.com/_tasks", // where pushes arrive; its path is the mount point
		Transport:     memory.New(),
		Authenticator: tasks.TrustNetwork(), // or oidc.New of transport/oidc
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Shutdown(context.Background())
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)

	for _, body := range []string{`{"number": 7}`, `{}`} { // as Cloud Tasks would push them
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("POST", "/_tasks/tasks/Bill", strings.NewReader(body)))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"status":"executed","result":"bill 7 is sent","error":null}
	// 400 {"status":"rejected","result":null,"error":"payload is not valid: number fails rule required"}
}

func ExampleMetadataFrom() {
	done := make(chan struct{})
	send := tasks.New(func(ctx context.Context, i Bill) error {
		m, _ := tasks.MetadataFrom(ctx)
		last, err := m.LastAttempt(ctx)
		fmt.Println(m.ID, "on", m.Queue, "attempt", m.Attempt, "first", m.FirstAttempt(), "last", last, err)
		if !last {
			return errors.New("the printer is out of paper")
		}
		close(done)
		return nil
	}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Millisecond, MaxBackoff: time.Second}))
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Shutdown(context.Background())
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := send.Enqueue(context.Background(), Bill{Number: 7}, tasks.WithID("a17c-bill-7")); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	// Output:
	// a17c-bill-7 on shop attempt 1 first true last false <nil>
	// a17c-bill-7 on shop attempt 2 first false last true <nil>
}

func ExampleConfig_quarantine() {
	done := make(chan struct{})
	send := tasks.New(func(context.Context, Bill) error {
		return errors.New("no such customer")
	}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Millisecond, MaxBackoff: time.Second}))
	app, err := tasks.NewApp(tasks.Config{
		Name:      "shop",
		Transport: memory.New(),
		// Or QuarantineDir("quarantine"), or QuarantineTo(another task).
		Quarantine: func(ctx context.Context, q tasks.Quarantined) error {
			fmt.Printf("%s %s after %d attempts: %v\n", q.Name, q.Body, q.Attempt, q.Reason)
			close(done)
			return nil // it is kept: the delivery counts as done
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Shutdown(context.Background())
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := send.Enqueue(context.Background(), Bill{Number: 7}); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	// Output: Bill {"number":7} after 3 attempts: out of attempts: no such customer
}

func ExampleApp_Shutdown() {
	started, stopping := make(chan struct{}), make(chan struct{})
	send := tasks.New(func(ctx context.Context, i Bill) error {
		close(started)
		<-stopping // work that is not done yet
		fmt.Println("bill", i.Number, "is sent")
		return nil
	})
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := send.Enqueue(context.Background(), Bill{Number: 7}); err != nil {
		fmt.Println(err)
		return
	}
	<-started
	close(stopping)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("shut down:", app.Shutdown(ctx))
	_, err = send.Enqueue(context.Background(), Bill{Number: 8})
	fmt.Println(err)
	// Output:
	// bill 7 is sent
	// shut down: <nil>
	// tasks: Bill: not registered any more: the App is shut down
}

func ExampleTask_Debug() {
	send := tasks.New(func(ctx context.Context, i Bill) error {
		fmt.Println("sending bill", i.Number)
		return errors.New("no such customer")
	})
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Shutdown(context.Background())
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	receipt, err := send.Enqueue(ctx, Bill{Number: 7}, tasks.In(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("debug: ", send.Debug(ctx, receipt.ID)) // runs here; the task stays in its queue
	fmt.Println("delete:", send.Delete(ctx, receipt.ID))
	fmt.Println("gone:  ", errors.Is(send.Delete(ctx, receipt.ID), transport.ErrNotFound))
	// Output:
	// sending bill 7
	// debug:  no such customer
	// delete: <nil>
	// gone:   true
}

func ExampleTask_DeleteAll() {
	send := tasks.New(func(context.Context, Bill) error { return nil })
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Shutdown(context.Background())
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	send.EnqueueAll(ctx, []Bill{{Number: 1}, {Number: 2}, {Number: 3}}, tasks.In(time.Hour))
	n, err := send.DeleteAll(ctx, tasks.MinRetries(1)) // those that were retried only
	fmt.Println(n, err)
	n, err = send.DeleteAll(ctx)
	fmt.Println(n, err)
	// Output:
	// 0 <nil>
	// 3 <nil>
}
