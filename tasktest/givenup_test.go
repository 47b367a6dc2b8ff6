package tasktest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestRequireNoneGivenUp(t *testing.T) {
	t.Parallel()
	three := tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3})
	never := tasks.New(func(context.Context, Order) error { return errBoom }, three)
	works := tasks.New(nothing[Welcome])
	rec := tasktest.New(t, never, works)
	if _, err := works.Enqueue(rec.Context(), ana()); err != nil {
		t.Fatal(err)
	}
	rec.Drain()
	mustPass(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) })

	if _, err := never.Enqueue(rec.Context(), Order{1}, tasks.WithID("o1")); err != nil {
		t.Fatal(err)
	}
	rec.Drain()
	want := "tasktest: 1 tasks were given up\n    Order, id o1 on \"tasks\", after 3 attempts: boom"
	if got := mustFail(t, func(t testing.TB) { tasktest.RequireNoneGivenUp(t, rec) }); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if all := rec.GivenUp(); len(all) != 1 || !errors.Is(all[0].Err, errBoom) {
		t.Errorf("given up: %+v", all)
	}
}
