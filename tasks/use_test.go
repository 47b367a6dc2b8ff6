package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dlvTrace is middleware that writes its name on the way in, and on the way out with the error that it sees.
func dlvTrace(name string, to *strings.Builder) tasks.Middleware {
	return func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			fmt.Fprintf(to, "<%s>", name)
			result, err := next(ctx, d)
			fmt.Fprintf(to, "</%s %v>", name, err)
			return result, err
		}
	}
}

func TestUse_FirstIsOutermost_AndSeesTheError(t *testing.T) {
	t.Parallel()
	var trace strings.Builder
	task := dlvTask(func(context.Context, dlvOrder) error { trace.WriteString("fn"); return errDlv })
	app := dlvApp(t, tasks.Config{}, task)
	app.Use(dlvTrace("a", &trace), nil, dlvTrace("b", &trace))
	app.Use()
	app.Use(nil)
	app.Use(dlvTrace("c", &trace))
	const want = "<a><b><c>fn</c out of paper></b out of paper></a out of paper>"

	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusInternalServerError, "failed")
	if trace.String() != want {
		t.Errorf("traced %s, want %s", &trace, want)
	}
	trace.Reset()
	if err := task.Run(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, errDlv) || trace.String() != want {
		t.Errorf("Run: %v, traced %s, want %s", err, &trace, want)
	}
}

func TestUse_SeesWhatIsWrongWithThePayload(t *testing.T) {
	t.Parallel()
	var seen error
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	app.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			result, err := next(ctx, d)
			seen = err
			return result, err
		}
	})
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", "{}")), http.StatusBadRequest, "rejected")
	var invalid *tasks.ValidationError
	if !errors.As(seen, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "id" {
		t.Errorf("it saw %v, want a ValidationError", seen)
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", "x")), http.StatusBadRequest, "rejected")
	var undecodable *tasks.DecodeError
	if !errors.As(seen, &undecodable) {
		t.Errorf("it saw %v, want a DecodeError", seen)
	}
}

func TestUse_DecidesTheOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mw   tasks.Handler // in place of the function; nil: panics when it is made
		code int
	}{
		{"swallows the error", func(context.Context, *transport.Delivery) (any, error) { return nil, nil }, 200},
		{"discards", func(context.Context, *transport.Delivery) (any, error) { return nil, tasks.Discard(errDlv) }, 202},
		{"rejects", func(context.Context, *transport.Delivery) (any, error) { return nil, tasks.Reject(errDlv) }, 400},
		{"fails", func(context.Context, *transport.Delivery) (any, error) { return nil, errDlv }, 500},
		{"panics", func(context.Context, *transport.Delivery) (any, error) { panic("x") }, 500},
		{"is nil", nil, 500},
	} {
		app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(errDlv)))
		app.Use(func(tasks.Handler) tasks.Handler { return c.mw })
		if got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody)); got.code != c.code {
			t.Errorf("%s: answered %d, want %d", c.name, got.code, c.code)
		}
	}
}

func TestUse_ReplacesTheResult(t *testing.T) {
	t.Parallel()
	task := tasks.NewWithResult(func(_ context.Context, o dlvOrder) (int, error) { return o.ID, nil }, tasks.WithName("order"))
	app := dlvApp(t, tasks.Config{}, task)
	var replacement any = 8
	app.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			if result, err := next(ctx, d); result != 7 || err != nil {
				t.Errorf("it saw %v, %v", result, err)
			}
			return replacement, nil
		}
	})
	for _, c := range []struct {
		with   any
		want   int
		answer string
		err    string
	}{{8, 8, "8", ""}, {nil, 0, "null", ""}, {"eight", 0, `"eight"`, "the result is a string, not a int"}} {
		replacement = c.with
		got, err := task.Run(t.Context(), dlvOrder{ID: 7})
		if got != c.want || err == nil != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("with %v, Run returned %d, %v", c.with, got, err)
		}
		if got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody)); got.result != c.answer {
			t.Errorf("with %v, answered %s", c.with, got.result)
		}
	}
}

func TestUse_WhileDeliveriesRun_HoldsForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var trace strings.Builder
		release := make(chan struct{})
		app := dlvApp(t, tasks.Config{}, dlvTask(func(context.Context, dlvOrder) error { <-release; return nil }))
		answers := make(chan dlvAnswer)
		go func() { answers <- dlvServe(t, app, dlvPost("/tasks/order", dlvBody)) }()
		synctest.Wait()
		app.Use(dlvTrace("late", &trace))
		close(release)
		dlvWant(t, <-answers, http.StatusOK, "executed")
		if trace.Len() != 0 {
			t.Errorf("the one that ran already was traced: %s", &trace)
		}
		dlvServe(t, app, dlvPost("/tasks/order", dlvBody))
		if trace.String() != "<late></late <nil>>" {
			t.Errorf("the next one was traced: %s", &trace)
		}
	})
}

func TestUse_WrapsWhateverWayADeliveryComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var trace strings.Builder
		task := dlvTask(dlvReturns(nil))
		app, _ := dlvMemory(t, tasks.Config{}, task)
		app.Use(dlvTrace("m", &trace))
		if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID("a"), tasks.In(transport.MaxDelay)); err != nil {
			t.Fatal(err)
		}
		if err := task.Debug(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if want := strings.Repeat("<m></m <nil>>", 2); trace.String() != want {
			t.Errorf("traced %s, want %s", &trace, want)
		}
	})
}
