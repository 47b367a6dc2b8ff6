package tasktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestNew_RunsNothingByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []int
		order := tasks.New(collect(&seen))
		rec := tasktest.New(t, order)
		enqueue(t, rec.Context(), order, Order{1})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(seen) != 0 {
			t.Errorf("ran %v", seen)
		}
	})
}

func TestNew_ValidatesAsProductionDoes(t *testing.T) {
	t.Parallel()
	welcome := tasks.New(nothing[Welcome])
	rec := tasktest.New(t, welcome)
	_, err := welcome.Enqueue(rec.Context(), Welcome{UserID: 7})
	if _, ok := errors.AsType[*tasks.ValidationError](err); !ok {
		t.Errorf("got %v, want a ValidationError", err)
	}
	if _, err := welcome.Enqueue(rec.Context(), ana(), tasks.In(721*time.Hour)); !errors.Is(err, tasks.ErrTooFar) {
		t.Errorf("got %v, want ErrTooFar", err)
	}
	tasktest.RequireNothingElse(t, rec)
}

func TestNew_BadDefinition_FailsWithAllProblems(t *testing.T) {
	t.Parallel()
	got := mustFail(t, func(t testing.TB) {
		tasktest.New(t, tasks.New[Welcome](nil), tasks.New(nothing[Order], tasks.WithName("a b")))
	})
	contains(t, got, "tasktest: tasks: register: ", `task "Welcome": the function is nil`, `task "a b"`)
}

func TestNewWith_TakesTheConfiguration(t *testing.T) {
	t.Parallel()
	var seen []int
	order := tasks.New(collect(&seen))
	rec := tasktest.NewWith(t, tasks.Config{
		Name: "shop", Endpoint: "https://shop.example.com/_tasks", TasksPath: "work", MaxETA: time.Hour, PropagatedHeaders: []string{"X-Tenant"},
	}, order)
	ctx := tasks.ContextWithHeaders(rec.Context(), http.Header{"X-Tenant": {"acme"}})
	enqueue(t, ctx, order, Order{1})
	tasktest.RequireEnqueued(t, rec, order, tasktest.OnQueue("shop"), tasktest.WithHeader("X-Tenant", "acme"))
	if _, err := order.Enqueue(rec.Context(), Order{2}, tasks.In(2*time.Hour)); !errors.Is(err, tasks.ErrTooFar) {
		t.Errorf("got %v, want ErrTooFar", err)
	}
	rec.Drain()

	w := httptest.NewRecorder()
	rec.App().ServeHTTP(w, tasktest.Request(t, order, Order{3}, tasktest.With(rec)))
	if w.Code != http.StatusOK || !slices.Equal(seen, []int{1, 3}) {
		t.Errorf("status %d, ran %v, want 200 and [1 3]", w.Code, seen)
	}
}

func TestNewWith_ItsOwnTransport_Refused(t *testing.T) {
	t.Parallel()
	want := "tasktest: a recorder brings its own transport, broker and scheduler: leave Config.Transport, Config.Broker, Config.Scheduler and Config.Eager unset"
	for _, cfg := range []tasks.Config{{Transport: memory.New()}, {Eager: true}, {Broker: noBroker{}}, {Scheduler: memory.New()}} {
		if got := mustFail(t, func(t testing.TB) { tasktest.NewWith(t, cfg) }); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

type noBroker struct{}

func (noBroker) Publish(context.Context, *transport.Message) (string, error) { return "", errBoom }

func TestNewWith_BadConfiguration_FailsWithIt(t *testing.T) {
	t.Parallel()
	got := mustFail(t, func(t testing.TB) { tasktest.NewWith(t, tasks.Config{Queue: "a b"}) })
	contains(t, got, "tasktest: tasks: new app: Config.Queue: ")
}

func TestNewWith_Middleware(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	var calls []string
	rec.App().Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			calls = append(calls, "run "+d.ID)
			return next(ctx, d)
		}
	})
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("o1"))
	rec.Drain()
	tasktest.Run(t, order, Order{1}, tasktest.With(rec), tasktest.ID("o2"))
	if want := []string{"run o1", "run o2"}; !slices.Equal(calls, want) {
		t.Errorf("got %q, want %q", calls, want)
	}
}

// outputT takes what is logged.
type outputT struct {
	testing.TB
	bytes.Buffer
}

func (o *outputT) Output() io.Writer { return &o.Buffer }

func TestNew_LogsToTheTest_WithoutTimes(t *testing.T) {
	t.Parallel()
	order := tasks.New(func(context.Context, Order) error { return tasks.Discard(errBoom) })
	o := &outputT{TB: t}
	rec := tasktest.New(o, order)
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("o1"))
	rec.Drain()
	if got, want := o.String(), "level=INFO msg=\"task discarded\" task=Order id=o1 queue=tasks attempt=1 outcome=discarded error=\"discarded: boom\"\n"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestNewWith_Logger_GetsWhatItsLevelAllows(t *testing.T) {
	t.Parallel()
	order := tasks.New(func(context.Context, Order) error { return tasks.Discard(errBoom) })
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelError})).With("app", "shop").WithGroup("g")
	rec := tasktest.NewWith(t, tasks.Config{Logger: logger}, order)
	res := tasktest.Run(t, order, Order{1}, tasktest.With(rec))
	if !errors.Is(res.Err, errBoom) {
		t.Errorf("Err %v, want %v", res.Err, errBoom)
	}
	rec.App().Config().Logger.With("a", 1).WithGroup("b").Error("said", "c", 2)
	if got := buf.String(); !strings.HasSuffix(got, "level=ERROR msg=said app=shop g.a=1 g.b.c=2\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("logged %q", got)
	}
}

func TestNow_IsMovedByDrainAndAdvanceOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		order := tasks.New(nothing[Order])
		rec := tasktest.New(t, order)
		start := rec.Now()
		if !start.Equal(time.Now()) || start.Location() != time.UTC {
			t.Errorf("it begins at %s, not at %s in UTC", start, time.Now())
		}
		time.Sleep(time.Hour)
		at = append(at, rec.Now())
		rec.Advance(time.Minute)
		at = append(at, rec.Now())
		enqueue(t, rec.Context(), order, Order{1}, tasks.In(time.Hour))
		rec.Drain()
		at = append(at, rec.Now())
		for i, want := range []time.Duration{0, time.Minute, time.Minute + time.Hour} {
			if got := at[i].Sub(start); got != want {
				t.Errorf("%d: %s after the start, want %s", i, got, want)
			}
		}
	})
}

func TestRecorder_End_ReleasesTheTask(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	t.Run("test", func(t *testing.T) {
		rec := tasktest.New(t, order)
		enqueue(t, context.Background(), order, Order{1}) // the only App that has it
		enqueue(t, rec.Context(), order, Order{2}, tasks.In(time.Hour))
		tasktest.RequireEnqueuedN(t, rec, order, 2)
	})
	if _, err := order.Enqueue(context.Background(), Order{3}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("got %v, want ErrNotRegistered", err)
	}
}

func TestRecorder_End_WithWorkLeft_IsNoNews(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	order := tasks.New(nothing[Order])
	t.Run("test", func(t *testing.T) {
		rec := tasktest.NewWith(t, tasks.Config{Logger: slog.New(slog.NewTextHandler(&buf, nil))}, order)
		enqueue(t, rec.Context(), order, Order{1})
		enqueue(t, rec.Context(), order, Order{2}, tasks.OnQueue("mail"), tasks.In(time.Hour))
	})
	if buf.Len() > 0 {
		t.Errorf("logged %s", &buf)
	}
}

// cleanupT runs what is registered with Cleanup when asked to.
type cleanupT struct {
	fakeT
	cleanups []func()
}

func (c *cleanupT) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

func TestRecorder_End_WhileSomethingRuns_FailsTheTest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		order := tasks.New(func(context.Context, Order) error { <-release; return nil })
		fake := &cleanupT{fakeT: fakeT{TB: t}}
		rec := tasktest.New(fake, order)
		go tasktest.Run(t, order, Order{1}, tasktest.With(rec))
		synctest.Wait()

		began := time.Now()
		fake.cleanups[0]()
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited for %s, want 10s", waited)
		}
		if len(fake.errors) != 1 || !strings.Contains(fake.errors[0], "1 deliveries are still running") {
			t.Errorf("errors %q", fake.errors)
		}
		close(release)
		synctest.Wait()
	})
}

func TestRecorders_TwoWithOneTask_KeepApart(t *testing.T) {
	t.Parallel()
	var seen []int
	order := tasks.New(collect(&seen))
	a, b := tasktest.New(t, order), tasktest.New(t, order)
	enqueue(t, a.Context(), order, Order{1})
	enqueue(t, b.Context(), order, Order{2})
	if _, err := order.Enqueue(t.Context(), Order{3}); !errors.Is(err, tasks.ErrAmbiguousApp) {
		t.Errorf("got %v, want ErrAmbiguousApp", err)
	}
	if got := tasktest.RequireEnqueued(t, a, order); got.Args.ID != 1 {
		t.Errorf("a has %+v", got)
	}
	if got := tasktest.RequireEnqueued(t, b, order); got.Args.ID != 2 {
		t.Errorf("b has %+v", got)
	}
	b.Drain()
	if !slices.Equal(seen, []int{2}) {
		t.Errorf("ran %v, want [2]", seen)
	}
	a.Drain()
	if !slices.Equal(seen, []int{2, 1}) {
		t.Errorf("ran %v, want [2 1]", seen)
	}
}

// Signup is a flow as users have it: over package variables.
var (
	SendWelcome = tasks.New(sendWelcome, tasks.OnQueue("mail"))
	SendReceipt = tasks.New(nothing[Order])
)

func sendWelcome(ctx context.Context, w Welcome) error {
	_, err := SendReceipt.Enqueue(ctx, Order{int(w.UserID)}, tasks.In(time.Hour))
	return err
}

func Signup(ctx context.Context, id int64, email string) error {
	_, err := SendWelcome.Enqueue(ctx, Welcome{id, email})
	return err
}

func TestRecorder_ParallelTests_OverPackageVariables(t *testing.T) {
	t.Parallel()
	for i := range int64(20) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rec := tasktest.New(t, SendWelcome, SendReceipt)
			if err := Signup(rec.Context(), i+1, "ana@example.com"); err != nil {
				t.Fatal(err)
			}
			if got := tasktest.RequireEnqueued(t, rec, SendWelcome, tasktest.OnQueue("mail")); got.Args.UserID != i+1 {
				t.Errorf("got %+v, want user %d", got, i+1)
			}
			rec.Drain()
			tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.Args(Order{int(i + 1)}), tasktest.DueIn(time.Hour, 0))
			tasktest.RequireNothingElse(t, rec)
		})
	}
}

func TestRecorder_UsedByManyGoroutines(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			if _, err := order.Enqueue(rec.Context(), Order{i}); err != nil {
				t.Error(err)
			}
			tasktest.RequireEnqueued(t, rec, order, tasktest.Args(Order{i}))
			try(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })
			rec.Recorded()
		}()
	}
	for range 8 {
		<-done
	}
	rec.Drain()
	tasktest.RequireNothingElse(t, rec)
}

func TestRecorder_WholeLifeInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := tasktest.New(t, SendWelcome, SendReceipt)
		if err := Signup(rec.Context(), 7, "ana@example.com"); err != nil {
			t.Fatal(err)
		}
		rec.Drain()
		tasktest.RequireEnqueued(t, rec, SendReceipt, tasktest.DueIn(time.Hour, 0))
		if res := tasktest.Run(t, SendWelcome, ana(), tasktest.With(rec)); res.Err != nil {
			t.Error(res.Err)
		}
		enqueue(t, rec.Context(), SendReceipt, Order{1}, tasks.In(time.Hour)) // left waiting
	})
}

func TestRecorder_MadeOutside_UsedInABubble(t *testing.T) {
	t.Parallel()
	deadline := tasks.New(func(ctx context.Context, _ Order) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}, tasks.WithTimeout(time.Minute), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 1}))
	rec := tasktest.New(t, deadline)
	synctest.Test(t, func(t *testing.T) {
		enqueue(t, rec.Context(), deadline, Order{1})
		began := time.Now()
		rec.Drain()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it ran for %s, want the dispatch deadline of 1m", took)
		}
	})
}
