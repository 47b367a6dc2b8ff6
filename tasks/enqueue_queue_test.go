package tasks_test

import (
	"context"
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

type enqTenantKey struct{}

func TestEnqueue_Queue_TheNearestSettingWins(t *testing.T) {
	t.Parallel()
	tenant := func(ctx context.Context) string { q, _ := ctx.Value(enqTenantKey{}).(string); return q }
	const (
		call = 1 << iota
		task
		byFunc
		queue
		name
	)
	for _, c := range []struct {
		why  string
		set  int
		want string
	}{
		{"the call's over all", call | task | byFunc | queue | name, "of-call"},
		{"then the function's", task | byFunc | queue | name, "of-tenant"},
		{"then the task's", task | queue | name, "of-task"},
		{"the call's over the function's", call | byFunc, "of-call"},
		{"then Config.Queue", queue | name, "of-queue"},
		{"then Config.Name, made legal", name, "of-name"},
		{"then tasks", 0, "tasks"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			fake := &enqFake{}
			cfg := tasks.Config{Transport: fake}
			var opts []tasks.Option
			var callOpts []tasks.EnqueueOption
			ctx := t.Context()
			if c.set&call != 0 {
				callOpts = append(callOpts, tasks.OnQueue("of-call"))
			}
			if c.set&task != 0 {
				opts = append(opts, tasks.OnQueue("of-task"))
			}
			if c.set&byFunc != 0 {
				opts = append(opts, tasks.OnQueueFunc(tenant))
				ctx = context.WithValue(ctx, enqTenantKey{}, "of-tenant")
			}
			if c.set&queue != 0 {
				cfg.Queue = "of-queue"
			}
			if c.set&name != 0 {
				cfg.Name = "of_name"
			}
			def := tasks.New(enqDone[enqMail], opts...)
			enqApp(t, cfg, def)
			r := enqMust(def.Enqueue(ctx, enqMail{To: "ana"}, callOpts...))(t)
			if got := fake.only(t).Queue; got != c.want || r.Queue != c.want {
				t.Errorf("went to %q, receipt says %q, want %q", got, r.Queue, c.want)
			}
		})
	}
}

func TestEnqueue_QueueFunc_IsAskedEachTime(t *testing.T) {
	t.Parallel()
	fake, answers := &enqFake{}, []string{"a", "", "b"}
	task := tasks.New(enqDone[enqMail], tasks.OnQueueFunc(func(context.Context) string {
		q := answers[0]
		answers = answers[1:]
		return q
	}))
	enqApp(t, tasks.Config{Transport: fake, Queue: "default"}, task)
	for range 3 {
		enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	}
	for i, want := range []string{"a", "default", "b"} {
		if got := fake.all()[i].Queue; got != want {
			t.Errorf("task %d went to %q, want %q", i, got, want)
		}
	}
}

func TestEnqueue_IllegalQueue_IsRefusedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(enqDone[enqMail], tasks.OnQueueFunc(func(context.Context) string { return "by_func" }))
	enqApp(t, tasks.Config{Transport: fake}, task)
	for text, opts := range map[string][]tasks.EnqueueOption{
		"OnQueueFunc": nil,
		"OnQueue":     {tasks.OnQueue("by_call")},
	} {
		_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, opts...)
		if !errors.Is(err, tasks.ErrInvalid) || transport.KindOf(err) != transport.KindInvalid {
			t.Errorf("got %v, want ErrInvalid", err)
		}
		enqSays(t, err, "tasks: enqMail", text+":", "hyphens")
	}
	if fake.calls != 0 {
		t.Errorf("the transport was called %d times", fake.calls)
	}
}
