package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func ExamplePolicy() {
	policy := backoff.Policy{
		On:         backoff.Codes(codes.Unavailable, codes.Internal),
		Initial:    time.Millisecond,
		Maximum:    10 * time.Millisecond,
		Multiplier: 1.3,
		Deadline:   20 * time.Second,
	}
	attempts := 0
	err := policy.Do(context.Background(), func(context.Context) error {
		if attempts++; attempts < 3 {
			return status.Error(codes.Unavailable, "try again")
		}
		return nil
	})
	fmt.Println(attempts, "attempts, error:", err)
	// Output: 3 attempts, error: <nil>
}

func ExamplePolicy_Delay() {
	policy := backoff.Policy{Initial: 100 * time.Millisecond, Maximum: 10 * time.Second, Multiplier: 1.3}
	fmt.Printf("%5s %13s %13s\n", "retry", "delay", "total")
	var total time.Duration
	for n := 1; n <= 20; n++ {
		total += policy.Delay(n)
		if n <= 5 || n >= 17 {
			fmt.Printf("%5d %13s %13s\n", n, policy.Delay(n), total)
		}
	}
	// Output:
	// retry         delay         total
	//     1         100ms         100ms
	//     2         130ms         230ms
	//     3         169ms         399ms
	//     4       219.7ms       618.7ms
	//     5      285.61ms      904.31ms
	//    17  6.654166092s 28.501386397s
	//    18  8.650415919s 37.151802316s
	//    19           10s 47.151802316s
	//    20           10s 57.151802316s
}

// A task's own policy says only in what it differs from the App's.
func ExamplePolicy_Or() {
	app := backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: 100 * time.Millisecond, Deadline: 20 * time.Second}
	task := backoff.Policy{Deadline: 5 * time.Second}
	merged := task.Or(app)
	fmt.Println(merged.Enabled(), merged.Initial, merged.Deadline)
	// Output: true 100ms 5s
}

func ExampleCodes() {
	on := backoff.Codes(codes.Unavailable, codes.DeadlineExceeded)
	down := status.Error(codes.Unavailable, "the server is down")
	fmt.Println(on(down))
	fmt.Println(on(fmt.Errorf("enqueue: %w", down)))
	fmt.Println(on(context.DeadlineExceeded))
	fmt.Println(on(status.Error(codes.NotFound, "no such queue")))
	// Output:
	// true
	// true
	// true
	// false
}

func ExampleNever() {
	app := backoff.Policy{On: backoff.Codes(codes.Unavailable)}
	unset, off := backoff.Policy{}, backoff.Policy{On: backoff.Never}
	fmt.Println(unset.Or(app).Enabled(), off.Or(app).Enabled())
	// Output: true false
}

func ExampleRetry() {
	errBusy := errors.New("busy")
	policy := backoff.Policy{
		On:       func(err error) bool { return errors.Is(err, errBusy) },
		Initial:  time.Minute,
		Deadline: 30 * time.Second,
	}
	err := backoff.Retry(policy, func() error { return errBusy })
	fmt.Println(err)
	fmt.Println(errors.Is(err, errBusy))
	// Output:
	// gave up after 1 attempt in 0s: the next wait of 1m0s would pass the policy's Deadline of 30s; last error: busy
	// true
}
