package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

func TestEager_RunsInTheCaller_WhateverTheTime(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"Config.Eager", "eager.New()"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := tasks.Config{Transport: eager.New()}
				if way == "Config.Eager" {
					cfg = tasks.Config{Eager: true}
				}
				ran := 0
				task := dlvTask(func(context.Context, dlvOrder) error { ran++; return nil })
				dlvApp(t, cfg, task)
				began := time.Now()
				for i, opt := range []tasks.EnqueueOption{
					tasks.In(time.Hour), tasks.At(began.Add(time.Hour)), tasks.Within(time.Hour), tasks.Before(began.Add(time.Hour)), tasks.In(-time.Hour),
				} {
					if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}, opt); err != nil || ran != i+1 {
						t.Errorf("%v: ran %d times, %v", opt, ran, err)
					}
				}
				if !time.Now().Equal(began) {
					t.Errorf("it took %s", time.Since(began))
				}
			})
		})
	}
}

func TestEager_Metadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m tasks.Metadata
		var ok, last bool
		var lastErr error
		var limit time.Duration
		task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
			m, ok = tasks.MetadataFrom(ctx)
			last, lastErr = m.LastAttempt(ctx)
			d, _ := ctx.Deadline()
			limit = time.Until(d)
			return nil
		}, tasks.OnQueue("mail"), tasks.WithTimeout(time.Minute), tasks.WithHeader("X-Tenant", "acme"))
		dlvApp(t, tasks.Config{Eager: true}, task)
		for way, call := range map[string]func() error{
			"Run":     func() error { return task.Run(t.Context(), dlvOrder{ID: 7}) },
			"Enqueue": func() error { _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); return err },
		} {
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if !ok || !m.Eager || m.Queue != "mail" || m.Attempt != 1 || !m.FirstAttempt() || m.Header.Get("X-Tenant") != "acme" {
				t.Errorf("%s: metadata %+v", way, m)
			}
			if !last || lastErr != nil {
				t.Errorf("%s: LastAttempt is %t, %v: nobody runs it again", way, last, lastErr)
			}
			if limit != time.Minute {
				t.Errorf("%s: the context ends in %s, want a minute", way, limit)
			}
		}
	})
}

func TestEager_EnqueueAll_OneOutcomeEach(t *testing.T) {
	t.Parallel()
	var ran []int
	task := dlvTask(func(_ context.Context, o dlvOrder) error {
		ran = append(ran, o.ID)
		switch o.ID {
		case 2:
			return errDlv
		case 3:
			return tasks.Discard(errDlv)
		case 4:
			return tasks.Snooze(time.Hour)
		}
		return nil
	})
	dlvApp(t, tasks.Config{Eager: true}, task)
	results := task.EnqueueAll(t.Context(), []dlvOrder{{ID: 1}, {ID: 2}, {ID: 3}, {ID: 4}, {}, {ID: 5}})
	for i, failed := range []bool{false, true, false, true, true, false} {
		if err := results[i].Err; err != nil != failed {
			t.Errorf("payload %d: %v", i+1, err)
		}
	}
	if !errors.Is(results[1].Err, errDlv) || len(ran) != 5 {
		t.Errorf("results %+v, ran %v", results, ran)
	}
}

func TestEager_Nested_RunsInside(t *testing.T) {
	t.Parallel()
	var trace strings.Builder
	child := tasks.New(func(ctx context.Context, n int) error {
		m, _ := tasks.MetadataFrom(ctx)
		trace.WriteString("(child of " + tasks.HeadersFrom(ctx).Get("Traceparent") + ", " + m.Header.Get("X-Who") + ")")
		if n > 1 {
			return errDlv
		}
		return nil
	}, tasks.WithName("child"), tasks.WithHeader("X-Who", "child"))
	parent := dlvTask(func(ctx context.Context, o dlvOrder) error {
		_, err := child.Enqueue(ctx, o.ID)
		m, _ := tasks.MetadataFrom(ctx)
		trace.WriteString("(then " + m.Header.Get("X-Who") + ")")
		return err
	}, tasks.WithHeader("X-Who", "parent"))
	dlvApp(t, tasks.Config{Eager: true}, parent, child)
	ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {"00-1"}})
	if _, err := parent.Enqueue(ctx, dlvOrder{ID: 1}); err != nil {
		t.Error(err)
	}
	if want := "(child of 00-1, child)(then parent)"; trace.String() != want {
		t.Errorf("traced %s, want %s", &trace, want)
	}
	if _, err := parent.Enqueue(ctx, dlvOrder{ID: 2}); !errors.Is(err, errDlv) {
		t.Errorf("the parent's error is %v, want the child's", err)
	}
}

func TestEager_InvalidPayload_IsTheCallersError(t *testing.T) {
	t.Parallel()
	var kept []tasks.Quarantined
	task := dlvTask(dlvReturns(nil))
	app := dlvApp(t, tasks.Config{Eager: true, Quarantine: dlvKeep(&kept)}, task)
	var invalid *tasks.ValidationError
	if _, err := task.Enqueue(t.Context(), dlvOrder{}); !errors.As(err, &invalid) {
		t.Errorf("error %v, want a ValidationError", err)
	}
	app.Use(func(tasks.Handler) tasks.Handler {
		return func(context.Context, *transport.Delivery) (any, error) { return nil, tasks.Reject(errDlv) }
	})
	if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, errDlv) {
		t.Errorf("error %v, want what the middleware rejects for", err)
	}
	if len(kept) != 0 {
		t.Errorf("kept %+v: the caller has the error", kept)
	}
}

func TestEager_ServesHTTPAsWell(t *testing.T) {
	t.Parallel()
	ran := 0
	app := dlvApp(t, tasks.Config{Eager: true}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
		if m, _ := tasks.MetadataFrom(ctx); m.Eager {
			return errors.New("a push is not eager")
		}
		ran++
		return nil
	}))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
	if ran != 1 {
		t.Errorf("ran %d times", ran)
	}
}

func TestEager_RunWithoutAnApp_ReturnsErrNotRegistered(t *testing.T) {
	t.Parallel()
	task := dlvTask(dlvReturns(nil))
	if err := task.Run(t.Context(), dlvOrder{ID: 7}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("Run: %v", err)
	}
	if err := task.Debug(t.Context(), "a"); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("Debug: %v", err)
	}
	if err := task.Delete(t.Context(), "a"); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("Delete: %v", err)
	}
	if _, err := task.DeleteAll(t.Context()); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("DeleteAll: %v", err)
	}
}
