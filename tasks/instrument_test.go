package tasks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/typedtasks/typedtasks/internal/aftermath"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestOnce_IsTrueOnce_ForEachKeyAndApp(t *testing.T) {
	t.Parallel()
	type mine struct{}
	type another struct{}
	app := dlvApp(t, tasks.Config{})
	var first atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if app.Once(mine{}) {
				first.Add(1)
			}
		})
	}
	if all.Wait(); first.Load() != 1 {
		t.Errorf("it was the first %d times", first.Load())
	}
	if !app.Once(another{}) || !dlvApp(t, tasks.Config{}).Once(mine{}) {
		t.Error("another key, or another App, counts as the same")
	}
}

func TestSpecOf_FindsTheDefinitionByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Endpoint: "https://shop.example.com/_tasks"}, tasks.New(dlvReturns(nil), tasks.WithName("order"), tasks.WithAliases("purchase")),
		msgSubscriber("audit", (&msgRuns{}).handle(nil)))
	for url, want := range map[string]string{
		"https://shop.example.com/_tasks/tasks/order": "task order", "https://shop.example.com/_tasks/tasks/purchase": "task order",
		"https://shop.example.com/_tasks/subscriptions/audit": "subscriber audit",
		"https://shop.example.com/_tasks/tasks/audit":         " ", "": " ",
	} {
		if spec, ok := app.SpecOf(url); spec.Kind+" "+spec.Name != want || ok != (want != " ") {
			t.Errorf("under %q: %s %q, %t; want %s", url, spec.Kind, spec.Name, ok, want)
		}
	}
}

// Bodies lie where others lay before, unless somebody may have kept them.
func TestUseTransient_LetsBuffersBeUsedAgain(t *testing.T) {
	// Not parallel: a garbage collection, which others make likely, empties pools.
	pass := func(next tasks.Handler) tasks.Handler { return next }
	for name, c := range map[string]struct {
		add   func(app *tasks.App)
		again bool
	}{
		"no middleware": {func(*tasks.App) {}, true},
		"transient":     {func(app *tasks.App) { app.UseTransient(pass, nil, pass) }, true},
		"any":           {func(app *tasks.App) { app.Use(pass) }, false},
		"both":          {func(app *tasks.App) { app.Use(pass); app.UseTransient(pass) }, false},
		"none":          {func(app *tasks.App) { app.Use(nil) }, true},
	} {
		var at []*byte
		sub := msgSubscriber("audit", func(_ context.Context, d *transport.Delivery) error {
			at = append(at, unsafe.SliceData(d.Body))
			return nil
		})
		app := dlvApp(t, tasks.Config{}, sub)
		c.add(app)
		again := false
		for range 20 { // under the race detector a pool forgets at random
			dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(`{}`))), http.StatusOK, "executed")
			again = again || len(at) > 1 && at[len(at)-1] == at[len(at)-2]
		}
		if again != c.again {
			t.Errorf("%s: used again: %t, want %t", name, again, c.again)
		}
	}
}

func TestUseTransient_WrapsInTheOrderOfUse(t *testing.T) {
	t.Parallel()
	var trace strings.Builder
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	app.UseTransient(dlvTrace("a", &trace))
	app.Use(dlvTrace("b", &trace))
	app.UseTransient(dlvTrace("c", &trace))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
	if got := trace.String(); got != "<a><b><c></c <nil>></b <nil>></a <nil>>" {
		t.Errorf("traced %s", got)
	}
}

type marked struct{}

// mark is middleware whose context is that of what comes of a run.
func mark(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		ctx = context.WithValue(ctx, marked{}, "marked")
		aftermath.Adopt(ctx, aftermath.Span{})
		return next(ctx, d)
	}
}

// markedLog notes the messages that are logged under a marked context.
type markedLog struct {
	slog.Handler
	messages []string
}

func (h *markedLog) Handle(ctx context.Context, r slog.Record) error {
	if ctx.Value(marked{}) != nil {
		h.messages = append(h.messages, r.Message)
	}
	return nil
}

func TestAftermath_LogQuarantineAndSnooze_AreUnderTheContextAdopted(t *testing.T) {
	t.Parallel()
	log := &markedLog{Handler: slog.NewTextHandler(io.Discard, nil)}
	quarantined, enqueued := any(nil), any(nil)
	var outcome error
	app := dlvApp(t, tasks.Config{Transport: &enqFake{}, Endpoint: "https://shop.example.com", Logger: slog.New(log), Quarantine: func(ctx context.Context, _ tasks.Quarantined) error {
		quarantined = ctx.Value(marked{})
		return ctx.Err()
	}}, dlvTask(func(context.Context, dlvOrder) error { return outcome }))
	app.Use(mark)
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			enqueued = ctx.Value(marked{})
			return next(ctx, ts)
		}
	})
	outcome = tasks.Snooze(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // who asked has gone; what comes of the run outlives that
	app.ServeHTTP(httptest.NewRecorder(), dlvPost("/tasks/order", dlvBody).WithContext(ctx))
	outcome = tasks.Reject(errDlv)
	app.ServeHTTP(httptest.NewRecorder(), dlvPost("/tasks/order", dlvBody).WithContext(ctx))
	if enqueued == nil || quarantined == nil || strings.Join(log.messages, ",") != "task snoozed,task quarantined" {
		t.Errorf("the snooze enqueued under %v, the quarantine was called under %v, logged under it: %q", enqueued, quarantined, log.messages)
	}
}
