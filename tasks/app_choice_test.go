package tasks_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

func TestEnqueue_NoApp_SaysWhatToCall(t *testing.T) {
	t.Parallel()
	task := tasks.New(enqDone[enqMail])
	_, err := task.Enqueue(t.Context(), enqMail{To: "ana"})
	if !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("Enqueue: %v, want ErrNotRegistered", err)
	}
	enqSays(t, err, "tasks: enqMail:", "App.Register")
	for _, r := range task.EnqueueAll(t.Context(), make([]enqMail, 2)) {
		if !errors.Is(r.Err, tasks.ErrNotRegistered) {
			t.Errorf("EnqueueAll: %v, want ErrNotRegistered", r.Err)
		}
	}
	if err := task.Run(t.Context(), enqMail{To: "ana"}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("Run: %v, want ErrNotRegistered", err)
	}
	if _, err := new(tasks.Task[enqMail]).Enqueue(t.Context(), enqMail{}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("zero Task: %v, want ErrNotRegistered", err)
	}
}

func TestEnqueue_OneApp_NeedsNoContext(t *testing.T) {
	t.Parallel()
	task, fake := tasks.New(enqDone[enqMail]), &enqFake{}
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	fake.only(t)
}

func TestEnqueue_SeveralApps_TheContextDecides(t *testing.T) {
	t.Parallel()
	task := tasks.New(enqDone[enqMail])
	left, right := &enqFake{}, &enqFake{}
	enqApp(t, tasks.Config{Name: "left", Transport: left}, task)
	app := enqApp(t, tasks.Config{Name: "right", Transport: right}, task)

	_, err := task.Enqueue(t.Context(), enqMail{To: "ana"})
	if !errors.Is(err, tasks.ErrAmbiguousApp) {
		t.Errorf("without a context: %v, want ErrAmbiguousApp", err)
	}
	enqSays(t, err, "app.Context(ctx)")

	enqMust(task.Enqueue(app.Context(t.Context()), enqMail{To: "ana"}))(t)
	right.only(t)
	if n := len(left.all()); n != 0 {
		t.Errorf("%d tasks went to the other App", n)
	}
}

func TestEnqueue_ContextAppDoesNotKnowTheTask_IsNoFallback(t *testing.T) {
	t.Parallel()
	task, production := tasks.New(enqDone[enqMail]), &enqFake{}
	enqApp(t, tasks.Config{Name: "production", Transport: production}, task)
	test := enqApp(t, tasks.Config{Name: "test", Transport: &enqFake{}})

	_, err := task.Enqueue(test.Context(t.Context()), enqMail{To: "ana"})
	if !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("got %v, want ErrNotRegistered", err)
	}
	enqSays(t, err, `App "test"`, "Register")
	if n := len(production.all()); n != 0 {
		t.Errorf("%d tasks reached production", n)
	}
}

func TestEnqueue_AfterShutdown_TheHandleIsReleased(t *testing.T) {
	t.Parallel()
	task, next := tasks.New(enqDone[enqMail]), &enqFake{}
	gone := enqApp(t, tasks.Config{Name: "gone", Transport: &enqFake{}}, task)
	if err := gone.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := task.Enqueue(t.Context(), enqMail{To: "ana"}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("without a context: %v, want ErrNotRegistered", err)
	}
	_, err := task.Enqueue(gone.Context(t.Context()), enqMail{To: "ana"})
	if !errors.Is(err, tasks.ErrNotRegistered) || !errors.Is(err, tasks.ErrShutdown) {
		t.Errorf("with its context: %v, want ErrNotRegistered and ErrShutdown", err)
	}

	enqApp(t, tasks.Config{Transport: next}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	next.only(t)
}

func TestEnqueue_FromAHandler_StaysWithItsApp(t *testing.T) {
	t.Parallel()
	child := tasks.New(enqDone[enqMail], tasks.WithName("child"))
	parent := tasks.New(func(ctx context.Context, m enqMail) error {
		_, err := child.Enqueue(ctx, m)
		return err
	}, tasks.WithName("parent"))
	left, right := &enqFake{}, &enqFake{}
	enqApp(t, tasks.Config{Transport: left}, parent, child)
	app := enqApp(t, tasks.Config{Transport: right}, parent, child)

	if err := parent.Run(app.Context(t.Context()), enqMail{To: "ana"}); err != nil {
		t.Fatal(err)
	}
	if url := right.only(t).URL; !strings.HasSuffix(url, "/tasks/child") {
		t.Errorf("enqueued for %s", url)
	}
}

var enqShared = tasks.New(enqDone[enqMail], tasks.WithName("shared"))

func TestEnqueue_ParallelAppsOverOneTask_DoNotMeet(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"ana", "ben", "eva", "leo", "mia", "tom"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			fake := &enqFake{}
			app := enqApp(t, tasks.Config{Transport: fake}, enqShared)
			for range 50 {
				enqMust(enqShared.Enqueue(app.Context(t.Context()), enqMail{To: to}))(t)
			}
			if err := app.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			sent := fake.all()
			for _, s := range sent {
				if want := `{"to":"` + to + `"}`; string(s.Body) != want {
					t.Fatalf("body is %s, want %s", s.Body, want)
				}
			}
			if len(sent) != 50 {
				t.Errorf("%d tasks, want 50", len(sent))
			}
		})
	}
}
