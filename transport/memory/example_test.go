package memory_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func Example() {
	t := memory.New()
	done := make(chan struct{})
	err := t.Serve("https://shop.example.com", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		fmt.Printf("attempt %d at %s: %s\n", d.Attempt, d.URL, d.Body)
		close(done)
		return http.StatusOK, 0, nil
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = t.Enqueue(ctx, &transport.Task{Queue: "mail", URL: "https://shop.example.com/welcome", Body: []byte("ana")})
	if err != nil {
		panic(err)
	}
	<-done
	fmt.Println("shut down:", t.Shutdown(ctx), "left:", t.Backlog())
	// Output:
	// attempt 1 at https://shop.example.com/welcome: ana
	// shut down: <nil> left: 0
}

// An explicit id is taken while its task is there, and for a day after.
func ExampleTransport_Enqueue_duplicate() {
	t := memory.New()
	ctx := context.Background()
	task := &transport.Task{ID: "welcome-7", Queue: "mail", URL: "https://shop.example.com/welcome"}
	for range 2 {
		receipt, err := t.Enqueue(ctx, task)
		fmt.Println(receipt.ID, receipt.Duplicate, err)
	}
	err := t.Delete(ctx, "mail", "welcome-7")
	if err != nil {
		panic(err)
	}
	receipt, err := t.Enqueue(ctx, task)
	fmt.Println(receipt.Finished, errors.Is(err, transport.ErrGone))
	// Output:
	// welcome-7 false <nil>
	// welcome-7 true enqueue task "welcome-7" on queue "mail": a task with this id exists
	// true true
}

// A job fires at the times of its schedule, and by hand.
func ExampleTransport_PutJob() {
	t := memory.New()
	done := make(chan struct{})
	err := t.Serve("https://shop.example.com", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		fmt.Printf("%s by %s: %s\n", d.URL, d.Header.Get("X-CloudScheduler-JobName"), d.Body)
		close(done)
		return http.StatusOK, 0, nil
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	err = t.PutJob(ctx, &transport.Job{
		Name: "shop--Nightly", Schedule: "0 3 * * 1-5", TimeZone: "Europe/Berlin",
		URL: "https://shop.example.com/nightly", Body: []byte("{}"),
	})
	if err != nil {
		panic(err)
	}
	if err := t.RunJob(ctx, "shop--Nightly"); err != nil {
		panic(err)
	}
	<-done
	fmt.Println(t.PutJob(ctx, &transport.Job{Name: "broken", Schedule: "* * 0 * *", URL: "https://shop.example.com"}))
	fmt.Println("shut down:", t.Shutdown(ctx))
	// Output:
	// https://shop.example.com/nightly by shop--Nightly: {}
	// put job "broken": the request is not valid: schedule "* * 0 * *": day of month: 0 is outside 1 to 31
	// shut down: <nil>
}

// A task that is out of attempts is kept, and can be run again once the cause is gone.
func ExampleTransport_Exhausted() {
	ctx := context.Background()
	t := memory.New(memory.WithQueues(map[string]transport.QueueConfig{
		"mail": {Retry: transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Millisecond}},
	}))
	gaveUp, ran := make(chan struct{}), make(chan struct{})
	working := false
	err := t.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		switch {
		case working:
			close(ran)
			return http.StatusOK, 0, nil
		case d.Exhausted: // a notice, not an attempt
			close(gaveUp)
			return http.StatusNotImplemented, 0, nil
		}
		return http.StatusServiceUnavailable, 0, errors.New("the mail server is away")
	})
	if err != nil {
		panic(err)
	}
	if _, err := t.Enqueue(ctx, &transport.Task{ID: "welcome-7", Queue: "mail"}); err != nil {
		panic(err)
	}
	<-gaveUp
	for _, e := range t.Exhausted() {
		fmt.Printf("%s: %s after %d, last %d (%v)\n", e.ID, e.Reason, e.Attempts, e.LastStatus, e.LastErr)
	}
	working = true
	n, err := t.RequeueAll(ctx)
	<-ran
	fmt.Println(n, err)
	// Output:
	// welcome-7: out of attempts after 2, last 503 (the mail server is away)
	// 1 <nil>
}
