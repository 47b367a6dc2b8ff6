package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type Welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email" validate:"required,email"`
}

type Order struct {
	ID int `json:"id"`
}

var errBoom = errors.New("boom")

// ana is a payload that validates.
func ana() Welcome { return Welcome{UserID: 7, Email: "ana@example.com"} }

func nothing[T any](context.Context, T) error { return nil }

// fakeT is a testing.TB that records how it fails.
type fakeT struct {
	testing.TB

	mu     sync.Mutex
	fatals []string
	errors []string
	logs   []string
}

func (f *fakeT) Fatalf(format string, args ...any) {
	f.mu.Lock()
	f.fatals = append(f.fatals, fmt.Sprintf(format, args...))
	f.mu.Unlock()
	runtime.Goexit()
}

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeT) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

// try runs f with a fake in a goroutine of its own, which a Fatalf ends.
func try(t testing.TB, f func(t testing.TB)) *fakeT {
	t.Helper()
	fake := &fakeT{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(fake)
	}()
	<-done
	return fake
}

// mustPass fails the test if f fails its own.
func mustPass(t testing.TB, f func(t testing.TB)) {
	t.Helper()
	fake := try(t, f)
	for _, text := range append(fake.fatals, fake.errors...) {
		t.Errorf("failed:\n%s", text)
	}
}

var generatedID = regexp.MustCompile(`id \d+\b`)

// mustFail returns how f ends its test, with ids that vary made equal.
func mustFail(t testing.TB, f func(t testing.TB)) string {
	t.Helper()
	fake := try(t, f)
	if len(fake.fatals) != 1 || len(fake.errors) != 0 {
		t.Fatalf("fatals %q, errors %q, want one fatal", fake.fatals, fake.errors)
	}
	return generatedID.ReplaceAllString(fake.fatals[0], "id 1")
}

// equalText compares texts of several lines; want is indented as the code around it.
func equalText(t testing.TB, got, want string) {
	t.Helper()
	if want = unindent(want); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// unindent strips the first and the last line, and from each other what the second begins with.
func unindent(s string) string {
	s = strings.TrimRight(strings.TrimPrefix(s, "\n"), "\t\n")
	indent := s[:len(s)-len(strings.TrimLeft(s, "\t"))]
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], indent)
	}
	return strings.Join(lines, "\n")
}

func contains(t testing.TB, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

// enqueue enqueues or fails the test.
func enqueue[T any](t testing.TB, ctx context.Context, task *tasks.Task[T], p T, opts ...tasks.EnqueueOption) tasks.Receipt {
	t.Helper()
	r, err := task.Enqueue(ctx, p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// collect is a function that notes the orders it is run for.
func collect(ids *[]int) func(context.Context, Order) error {
	return func(_ context.Context, o Order) error {
		*ids = append(*ids, o.ID)
		return nil
	}
}

// oldTask is a task that waits under a name of earlier times.
func oldTask(rec *tasktest.Recorder, name string, body []byte) *transport.Task {
	cfg := rec.App().Config()
	return &transport.Task{Queue: cfg.Queue, URL: cfg.Endpoint + "/" + cfg.TasksPath + "/" + name, Body: body}
}
