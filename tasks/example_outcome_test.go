package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func ExampleDiscard() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(_ context.Context, w Welcome) error {
		defer close(done)
		fmt.Println("no such user:", w.UserID)
		return tasks.Discard(errors.New("the account is gone"))
	})
	app := newApp(sendWelcome)
	ctx := context.Background()

	if _, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}); err != nil {
		fmt.Println(err)
	}
	<-done
	fmt.Println(app.Shutdown(ctx))
	// Output:
	// no such user: 7
	// <nil>
}

func ExampleSnooze() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		m, _ := tasks.MetadataFrom(ctx)
		if m.FirstAttempt() {
			fmt.Println("it is night: again later")
			return tasks.Snooze(time.Millisecond) // hours, really
		}
		fmt.Println("attempt", m.Attempt, "of", m.ID)
		close(done)
		return nil
	})
	app := newApp(sendWelcome)
	ctx := context.Background()

	if _, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}, tasks.WithID("7f3a-welcome")); err != nil {
		fmt.Println(err)
	}
	<-done
	fmt.Println(app.Shutdown(ctx))
	// Output:
	// it is night: again later
	// attempt 2 of 7f3a-welcome
	// <nil>
}

func ExampleRetryAfter() {
	done := make(chan struct{})
	sendWelcome := tasks.New(func(ctx context.Context, w Welcome) error {
		m, _ := tasks.MetadataFrom(ctx)
		if m.FirstAttempt() {
			fmt.Println("the mail server is out")
			return tasks.RetryAfter(2*time.Millisecond, errors.New("421 try again later"))
		}
		fmt.Println("attempt", m.Attempt, "after an answer of", m.PreviousResponse)
		close(done)
		return nil
	}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 5, MinBackoff: time.Millisecond}))
	app := newApp(sendWelcome)
	ctx := context.Background()

	if _, err := sendWelcome.Enqueue(ctx, Welcome{UserID: 7, Email: "ana@example.com"}); err != nil {
		fmt.Println(err)
	}
	<-done
	fmt.Println(app.Shutdown(ctx))
	// Output:
	// the mail server is out
	// attempt 2 after an answer of 503
	// <nil>
}
