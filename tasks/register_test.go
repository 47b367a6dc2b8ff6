package tasks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

type enqBadTag struct {
	To string `json:"to" validate:"requierd"`
}

type enqMisfit struct {
	To bool `json:"to" validate:"len=3"`
}

func TestRegister_BadDefinition_NamesTaskAndFix(t *testing.T) {
	t.Parallel()
	var (
		noFunc   func(context.Context, enqMail) error
		noChoice func(context.Context) string
		long     = strings.Repeat("n", 201)
	)
	mail := func(opts ...tasks.Option) tasks.Definition { return tasks.New(enqDone[enqMail], opts...) }
	for _, c := range []struct {
		why   string
		def   tasks.Definition
		wants []string // in the error
	}{
		{"no name", tasks.New(enqDone[[]enqMail]), []string{"task of []tasks_test.enqMail", "tasks.WithName"}},
		{"empty name", mail(tasks.WithName("")), []string{`task "enqMail"`, "WithName: the name is empty"}},
		{"illegal name", mail(tasks.WithName("a/b")), []string{`task "a/b"`, `letters, digits, ".", "-" and "_"`}},
		{"dots for a name", mail(tasks.WithName("..")), []string{`task ".."`, "URL"}},
		{"name too long", mail(tasks.WithName(long)), []string{long, "1 to 200"}},
		{"illegal alias", mail(tasks.WithAliases("old name")), []string{`task "enqMail"`, `"old name"`, "letters"}},
		{"empty alias", mail(tasks.WithAliases("")), []string{`task "enqMail"`, `""`, "1 to 200"}},
		{"alias twice", mail(tasks.WithAliases("old", "old")), []string{`task "enqMail"`, `WithAliases: "old"`}},
		{"alias like the name", mail(tasks.WithAliases("enqMail")), []string{`task "enqMail"`, `WithAliases: "enqMail"`}},
		{"nil function", tasks.New(noFunc), []string{`task "enqMail"`, "the function is nil", "tasks.New"}},
		{"nil function with a result", tasks.NewWithResult[enqMail, int](nil), []string{`task "enqMail"`, "the function is nil"}},
		{"nil option", mail(nil), []string{`task "enqMail"`, "an option is nil"}},
		{"zero Task", &tasks.Task[enqMail]{}, []string{`task "enqMail"`, "tasks.New"}},
		{"illegal queue", mail(tasks.OnQueue("my_queue")), []string{`task "enqMail"`, "OnQueue", "my_queue", "hyphens"}},
		{"nil queue function", mail(tasks.OnQueueFunc(noChoice)), []string{`task "enqMail"`, "OnQueueFunc: the function is nil"}},
		{"timeout too short", mail(tasks.WithTimeout(time.Second)), []string{`task "enqMail"`, "WithTimeout: 1s", "15s to 30m0s"}},
		{"timeout too long", mail(tasks.WithTimeout(time.Hour)), []string{`task "enqMail"`, "WithTimeout: 1h0m0s", "15s to 30m0s"}},
		{"reserved header", mail(tasks.WithHeader("x-cloudtasks-queuename", "q")), []string{`task "enqMail"`, "WithHeader", "reserved"}},
		{"split header", mail(tasks.WithHeader("X-A", "a\r\nX-B: b")), []string{`task "enqMail"`, "WithHeader", "control character"}},
		{"negative retries", mail(tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: -2})), []string{`task "enqMail"`, "WithRetryConfig", "MaxAttempts -2"}},
		{"negative policy", mail(tasks.WithEnqueueRetry(backoff.Policy{Initial: -1})), []string{`task "enqMail"`, "WithEnqueueRetry", "Initial"}},
		{"policy that does not fit the App's", mail(tasks.WithEnqueueRetry(backoff.Policy{Initial: time.Minute})),
			[]string{`task "enqMail"`, "WithEnqueueRetry over Config.EnqueueRetry", "Initial 1m0s", "Maximum 10s"}},
		{"window too long", mail(tasks.UniqueFor(25 * time.Hour)), []string{`task "enqMail"`, "UniqueFor: 25h0m0s", "24h0m0s"}},
		{"no window", mail(tasks.UniqueFor(0)), []string{`task "enqMail"`, "UniqueFor: 0s"}},
		{"unknown validator tag", tasks.New(enqDone[enqBadTag]), []string{`task "enqBadTag"`, "payload", "requierd"}},
		{"validator tag on the wrong type", tasks.New(enqDone[enqMisfit]), []string{`task "enqMisfit"`, "payload", "bool"}},
		{"payload that holds no data", tasks.New(enqDone[func()], tasks.WithName("f")), []string{`task "f"`, "payload", "func()"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			app := enqApp(t, tasks.Config{Transport: &enqFake{}, EnqueueRetry: backoff.Policy{Maximum: 10 * time.Second}})
			err := app.Register(c.def)
			enqSays(t, err, c.wants...)
			if n := strings.Count(err.Error(), "\n") + 1; n != 1 {
				t.Errorf("%d problems, want 1:\n%v", n, err)
			}
		})
	}
}

func TestRegister_ManyProblems_ReportsAllAndRegistersNone(t *testing.T) {
	t.Parallel()
	app := enqApp(t, tasks.Config{Transport: &enqFake{}})
	good := tasks.New(enqDone[enqMail])
	err := app.Register(
		good,
		tasks.New(enqDone[enqCount], tasks.WithName("count"), tasks.OnQueue("_"), tasks.WithTimeout(1)),
		nil,
		(*tasks.Task[enqMail])(nil),
		tasks.New(enqDone[enqBadTag], tasks.OnQueue("_")),
	)
	enqSays(t, err, `task "count": OnQueue`, `task "count": WithTimeout`, "definition 3 is nil", "definition 4 is nil",
		`task "enqBadTag": OnQueue`, `task "enqBadTag": payload`)
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d problems, want 6:\n%v", n, err)
	}
	for d := range app.Definitions() {
		t.Errorf("%s was registered", d.Spec().Name)
	}
	if _, err := good.Enqueue(app.Context(t.Context()), enqMail{To: "ana"}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("enqueueing the good one: %v, want ErrNotRegistered", err)
	}
	if err := app.Register(good); err != nil {
		t.Errorf("registering the good one by itself: %v", err)
	}
}

func TestRegister_TakenPath_NamesBoth(t *testing.T) {
	t.Parallel()
	first := func() tasks.Definition {
		return tasks.New(enqDone[enqMail], tasks.WithName("mail"), tasks.WithAliases("post"))
	}
	for _, c := range []struct {
		why   string
		def   tasks.Definition
		wants []string
	}{
		{"same name", tasks.New(enqDone[enqCount], tasks.WithName("mail")), []string{`task "mail": the path "/tasks/mail"`, `served by task "mail"`, "WithName"}},
		{"name like an alias", tasks.New(enqDone[enqCount], tasks.WithName("post")), []string{`task "post": the path "/tasks/post"`, `served by task "mail"`}},
		{"alias like a name", tasks.New(enqDone[enqCount], tasks.WithAliases("mail")), []string{`task "enqCount": the path "/tasks/mail"`, `served by task "mail"`}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			app := enqApp(t, tasks.Config{Transport: &enqFake{}}, first())
			enqSays(t, app.Register(c.def), c.wants...)
			fresh := enqApp(t, tasks.Config{Transport: &enqFake{}})
			enqSays(t, fresh.Register(first(), c.def), c.wants...)
		})
	}
}

func TestRegister_SameDefinitionTwice_IsRefused(t *testing.T) {
	t.Parallel()
	task := tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: &enqFake{}})
	enqSays(t, app.Register(task, task), `task "enqMail" is registered twice: remove one`)
	if err := app.Register(task); err != nil {
		t.Fatal(err)
	}
	enqSays(t, app.Register(task), `task "enqMail" is registered twice`)
}

func TestRegister_AfterShutdown_ReturnsErrShutdown(t *testing.T) {
	t.Parallel()
	app := enqApp(t, tasks.Config{Transport: &enqFake{}})
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := app.Register(tasks.New(enqDone[enqMail])); !errors.Is(err, tasks.ErrShutdown) {
		t.Errorf("got %v, want ErrShutdown", err)
	}
}

func TestDefinitions_ComeInTheOrderOfRegistration(t *testing.T) {
	t.Parallel()
	app := enqApp(t, tasks.Config{Transport: &enqFake{}})
	var want []string
	for _, name := range []string{"z", "a", "m", "b"} {
		want = append(want, name)
		if err := app.Register(tasks.New(enqDone[enqMail], tasks.WithName(name))); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		var got []string
		for d := range app.Definitions() {
			got = append(got, d.Spec().Name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("order is %q, want %q", got, want)
		}
	}
}
