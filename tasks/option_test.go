package tasks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// What compiles here is where each option serves.
var (
	_ []tasks.Option = []tasks.Option{
		tasks.OnQueue(""), tasks.WithTimeout(0), tasks.WithHeader("", ""), tasks.WithEnqueueRetry(backoff.Policy{}),
		tasks.WithRetryConfig(transport.RetryConfig{}), tasks.WithName(""), tasks.WithAliases(), tasks.Unique(), tasks.UniqueFor(0), tasks.OnQueueFunc(nil),
	}
	_ []tasks.EnqueueOption = []tasks.EnqueueOption{
		tasks.OnQueue(""), tasks.WithTimeout(0), tasks.WithHeader("", ""), tasks.WithEnqueueRetry(backoff.Policy{}),
		tasks.WithRetryConfig(transport.RetryConfig{}), tasks.In(0), tasks.At(time.Time{}), tasks.Within(0), tasks.Before(time.Time{}), tasks.WithID(""),
	}
	_ []tasks.DeleteOption = []tasks.DeleteOption{tasks.OnQueue(""), tasks.MinRetries(0)}
)

func TestOption_InTheWrongPlace_DoesNotServe(t *testing.T) {
	t.Parallel()
	for _, o := range []any{tasks.WithName("n"), tasks.WithAliases("a"), tasks.Unique(), tasks.UniqueFor(time.Hour), tasks.OnQueueFunc(nil), tasks.MinRetries(1)} {
		if _, ok := o.(tasks.EnqueueOption); ok {
			t.Errorf("%v is an EnqueueOption", o)
		}
	}
	for _, o := range []any{tasks.In(0), tasks.At(time.Time{}), tasks.Within(0), tasks.Before(time.Time{}), tasks.WithID("i"), tasks.MinRetries(1)} {
		if _, ok := o.(tasks.Option); ok {
			t.Errorf("%v is an Option", o)
		}
	}
}

func TestOption_PrintsItself(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		opt  any
		want string
	}{
		{tasks.OnQueue("mail"), `OnQueue("mail")`},
		{tasks.WithTimeout(time.Minute), "WithTimeout(1m0s)"},
		{tasks.WithHeader("Authorization", "secret"), `WithHeader("Authorization")`},
		{tasks.WithEnqueueRetry(backoff.Policy{Initial: time.Second, Multiplier: 2}), "WithEnqueueRetry(initial=1s maximum=0s multiplier=2 deadline=0s)"},
		{tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3}), "WithRetryConfig(attempts=3 doublings=0 duration=0s min=0s max=0s)"},
		{tasks.WithName("mail"), `WithName("mail")`},
		{tasks.WithAliases("a", "b"), `WithAliases(["a" "b"])`},
		{tasks.Unique(), "Unique()"},
		{tasks.UniqueFor(time.Hour), "UniqueFor(1h0m0s)"},
		{tasks.OnQueueFunc(func(context.Context) string { return "" }), "OnQueueFunc(...)"},
		{tasks.In(time.Second), "In(1s)"},
		{tasks.At(at), "At(2031-02-03T04:05:06Z)"},
		{tasks.Within(time.Second), "Within(1s)"},
		{tasks.Before(at), "Before(2031-02-03T04:05:06Z)"},
		{tasks.WithID("7f3a"), `WithID("7f3a")`},
		{tasks.MinRetries(5), "MinRetries(5)"},
		{tasks.CountOnly(), "CountOnly()"},
	} {
		if got := fmt.Sprint(c.opt); got != c.want {
			t.Errorf("prints as %s, want %s", got, c.want)
		}
	}
}
