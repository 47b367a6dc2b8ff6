package tasks_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// dlvEnding runs Shutdown beside the test.
func dlvEnding(ctx context.Context, app *tasks.App) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- app.Shutdown(ctx) }()
	return ended
}

// dlvPending fails where Shutdown has returned.
func dlvPending(t *testing.T, ended <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("Shutdown returned %v, while a delivery was running", err)
	default:
	}
}

func TestShutdown_WaitsForRunningDeliveries_WhichMayEnqueue(t *testing.T) {
	t.Parallel()
	for _, overHTTP := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release, enqueued := make(chan struct{}), make(chan error, 2)
			child := tasks.New(func(context.Context, struct{}) error { return nil }, tasks.WithName("child"))
			order := dlvTask(func(ctx context.Context, _ dlvOrder) error {
				<-release
				_, err := child.Enqueue(ctx, struct{}{})
				_, err2 := child.Enqueue(context.WithoutCancel(t.Context()), struct{}{}) // without the App in its context
				enqueued <- errors.Join(err, err2)
				return nil
			})
			mem, log := memory.New(), &dlvLog{}
			app := dlvApp(t, tasks.Config{Transport: mem, Logger: slog.New(log)}, order, child)
			if overHTTP {
				go func() { dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed") }()
			} else if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			ended := dlvEnding(t.Context(), app)
			dlvPending(t, ended)
			dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusServiceUnavailable, "shutting_down")
			close(release)
			if err := <-ended; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-enqueued; err != nil {
				t.Errorf("the running delivery could not enqueue: %v", err)
			}
			records := log.taken()
			if mem.Backlog() != 2 || len(records) != 1 || records[0].level != slog.LevelWarn || records[0].attrs["waiting"] != "2" {
				t.Errorf("%d tasks wait, logged %+v, want 2 and a warning that says so", mem.Backlog(), records)
			}
			if _, err := mem.Enqueue(t.Context(), &transport.Task{Queue: "shop", URL: "https://shop.example.com/tasks/order"}); !errors.Is(err, transport.ErrClosed) {
				t.Errorf("the transport: %v, want ErrClosed", err)
			}
		})
	}
}

func TestShutdown_NothingLeft_LogsNothing(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Transport: memory.New(), Logger: slog.New(log)})
	if err := app.Shutdown(t.Context()); err != nil || len(log.taken()) != 0 {
		t.Errorf("Shutdown: %v, logged %+v", err, log.taken())
	}
}

func TestShutdown_ReleasesItsDefinitions(t *testing.T) {
	t.Parallel()
	order := dlvTask(dlvReturns(nil))
	remote := &dlvRemote{}
	app := dlvApp(t, tasks.Config{}, order)
	ctx := app.Context(t.Context())
	other := dlvApp(t, tasks.Config{Transport: remote}, order)
	if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrAmbiguousApp) {
		t.Errorf("with two Apps: %v", err)
	}
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
		t.Errorf("with the one App left: %v", err)
	}
	remote.one(t)
	if _, err := order.Enqueue(ctx, dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrShutdown) || !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("under the App that was shut down: %v, want ErrShutdown", err)
	}
	if err := app.Register(dlvTask(dlvReturns(nil))); !errors.Is(err, tasks.ErrShutdown) {
		t.Errorf("Register: %v, want ErrShutdown", err)
	}
	if err := other.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("with no App left: %v, want ErrNotRegistered", err)
	}
}

func TestShutdown_ContextEndsFirst_CancelsAndReturnsItsError(t *testing.T) {
	t.Parallel()
	for _, overHTTP := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release, cancelled := make(chan struct{}), false
			order := dlvTask(func(ctx context.Context, _ dlvOrder) error {
				select {
				case <-ctx.Done():
					cancelled = true
				case <-release:
				}
				return nil
			})
			app := dlvApp(t, tasks.Config{Transport: memory.New()}, order)
			if overHTTP {
				go dlvServe(t, app, dlvPost("/tasks/order", dlvBody))
			} else if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := app.Shutdown(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 deliveries are still running") {
				t.Errorf("Shutdown: %v", err)
			}
			synctest.Wait()
			if cancelled == overHTTP { // a request's context is its server's to cancel
				t.Errorf("the running delivery was cancelled: %t", cancelled)
			}
			if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrNotRegistered) {
				t.Errorf("Enqueue: %v: the App is shut down all the same", err)
			}
			ended := dlvEnding(t.Context(), app) // waits again
			if overHTTP {
				dlvPending(t, ended)
			}
			close(release)
			if err := <-ended; err != nil {
				t.Errorf("Shutdown again: %v", err)
			}
		})
	}
}

func TestShutdown_ManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release, log := make(chan struct{}), &dlvLog{}
		order := dlvTask(func(context.Context, dlvOrder) error { <-release; return nil })
		app := dlvApp(t, tasks.Config{Transport: memory.New(), Logger: slog.New(log)}, order)
		for _, in := range []time.Duration{0, 0, time.Hour} {
			if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.In(in)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := app.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if err := app.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown once more: %v", err)
		}
		if records := log.taken(); len(records) != 1 || records[0].attrs["waiting"] != "1" {
			t.Errorf("logged %+v, want the backlog once", records)
		}
	})
}

func TestShutdown_SharedMemory_TheOtherAppGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem, ran := memory.New(), map[string]int{}
		define := func(name string) (*tasks.Task[dlvOrder], *tasks.App) {
			order := dlvTask(func(context.Context, dlvOrder) error { ran[name]++; return nil })
			return order, dlvApp(t, tasks.Config{Transport: mem, Endpoint: "https://" + name + ".example.com"}, order)
		}
		enqueue := func(task *tasks.Task[dlvOrder]) {
			t.Helper()
			if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		first, firstApp := define("first")
		second, secondApp := define("second")
		enqueue(first)
		enqueue(second)
		if err := firstApp.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		enqueue(second)
		third, thirdApp := define("first") // the endpoint is free again
		enqueue(third)
		if err := firstApp.Shutdown(t.Context()); err != nil { // which is not the third's
			t.Fatal(err)
		}
		enqueue(second)
		enqueue(third)
		for _, app := range []*tasks.App{secondApp, thirdApp} {
			if err := app.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if ran["first"] != 3 || ran["second"] != 3 {
			t.Errorf("ran %v, want 3 each", ran)
		}
		if err := mem.Serve("https://h", nil); err == nil {
			t.Error("the last one has not shut the memory down")
		}
	})
}

func TestShutdown_TransportThatCannotBeShared_IsShutDownLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, release := &dlvLocal{}, make(chan struct{})
		app := dlvApp(t, tasks.Config{Transport: local}, dlvTask(func(context.Context, dlvOrder) error { <-release; return nil }))
		d := &transport.Delivery{Attempt: 1, Task: transport.Task{URL: app.Config().Endpoint + "/tasks/order", Body: []byte(dlvBody)}}
		go func() {
			if code, _, err := local.handler(t.Context(), d); code != http.StatusOK {
				t.Errorf("the running delivery ended with %d, %v", code, err)
			}
		}()
		synctest.Wait()
		ended := dlvEnding(t.Context(), app)
		dlvPending(t, ended)
		if code, _, err := local.handler(t.Context(), d); code != http.StatusServiceUnavailable || !errors.Is(err, tasks.ErrShutdown) {
			t.Errorf("a delivery while it shuts down ended with %d, %v, want 503 and ErrShutdown", code, err)
		}
		if len(local.calls) != 0 {
			t.Error("the transport was shut down while a delivery was running")
		}
		close(release)
		if err := <-ended; err != nil || len(local.calls) != 1 {
			t.Errorf("Shutdown: %v, the transport's %v", err, local.calls)
		}
	})
}

func TestShutdown_ManyAppsOfOneTask_InParallel(t *testing.T) {
	t.Parallel()
	order := dlvTask(dlvReturns(nil))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				app := dlvApp(t, tasks.Config{}, order)
				if _, err := order.Enqueue(app.Context(t.Context()), dlvOrder{ID: 7}); err != nil {
					t.Error(err)
				}
				if err := app.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("after all were shut down: %v", err)
	}
}
