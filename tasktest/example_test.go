package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

// exampleT stands in for the *testing.T that a test is given: it prints failures.
type exampleT struct {
	testing.TB
	cleanups []func()
	dir      string // shown as DIR
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Output() io.Writer                 { return io.Discard }
func (t *exampleT) Logf(string, ...any)               {}
func (t *exampleT) Errorf(format string, args ...any) { t.Fatalf(format, args...) }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }

func (t *exampleT) Fatalf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.dir != "" {
		text = strings.ReplaceAll(filepath.ToSlash(text), filepath.ToSlash(t.dir), "DIR")
	}
	fmt.Println(text)
}

// TempDir is removed at the end.
func (t *exampleT) TempDir() string {
	t.dir, _ = os.MkdirTemp("", "")
	t.Cleanup(func() { os.RemoveAll(t.dir) })
	return t.dir
}

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func ExampleRequireEnqueued() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	rec := tasktest.New(t, SendWelcome, SendReceipt)
	if err := Signup(rec.Context(), 7, "ana@example.com"); err != nil {
		fmt.Println(err)
	}
	got := tasktest.RequireEnqueued(t, rec, SendWelcome, tasktest.OnQueue("mail"), tasktest.DueIn(0, time.Second))
	fmt.Println("welcome,", got.Args.Email)
	tasktest.RequireNotEnqueued(t, rec, SendReceipt)
	tasktest.RequireNothingElse(t, rec)
	// Output: welcome, ana@example.com
}

// A failure shows what was expected, how the nearest entries differ, and all that was recorded.
func ExampleArgs() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	cancel := tasks.New(func(context.Context, Order) error { return nil }, tasks.WithName("Cancel"))
	rec := tasktest.New(t, cancel, SendReceipt)
	for i := range 2 {
		cancel.Enqueue(rec.Context(), Order{ID: i}, tasks.WithID(fmt.Sprint("cancel-", i)), tasks.In(time.Hour))
	}
	SendReceipt.Enqueue(rec.Context(), Order{ID: 7}, tasks.WithID("receipt-7"))

	tasktest.RequireEnqueued(t, rec, cancel, tasktest.Args(Order{ID: 7}), tasktest.DueIn(time.Hour, time.Minute))
	// Output:
	// tasktest: no Cancel was enqueued
	// with
	//     Args({"id":7})
	//     DueIn(1h, 1m)
	// nearest
	//     #1 ID  got 0, want 7
	//     #2 ID  got 1, want 7
	// recorded
	//     #1 Cancel {"id":0} on "tasks", due in 1h, id cancel-0
	//     #2 Cancel {"id":1} on "tasks", due in 1h, id cancel-1
	//     #3 Order {"id":7} on "tasks", id receipt-7
}

func ExampleRecorder_Drain() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	var rec *tasktest.Recorder
	charge := tasks.New(func(ctx context.Context, o Order) error {
		m, _ := tasks.MetadataFrom(ctx)
		fmt.Printf("attempt %d at %s\n", m.Attempt, rec.Now().Format(time.TimeOnly))
		if m.Attempt < 3 {
			return errors.New("the bank does not answer")
		}
		return nil
	}, tasks.WithName("Charge"), tasks.WithRetryConfig(transport.RetryConfig{MinBackoff: time.Minute, MaxBackoff: time.Hour, MaxDoublings: 5}))

	rec = tasktest.New(t, charge)
	midnight := rec.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	charge.Enqueue(rec.Context(), Order{ID: 7}, tasks.At(midnight))
	rec.Drain() // takes no time
	// Output:
	// attempt 1 at 00:00:00
	// attempt 2 at 00:01:00
	// attempt 3 at 00:03:00
}

func ExampleRecorder_Advance() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	remind := tasks.New(func(_ context.Context, o Order) error {
		fmt.Println("reminded of order", o.ID)
		return tasks.Snooze(24 * time.Hour) // for ever, so Drain would not end
	}, tasks.WithName("Remind"))

	rec := tasktest.New(t, remind)
	remind.Enqueue(rec.Context(), Order{ID: 7}, tasks.In(24*time.Hour))
	for day := range 3 {
		fmt.Println("day", day)
		rec.Advance(24 * time.Hour)
	}
	// Output:
	// day 0
	// reminded of order 7
	// day 1
	// reminded of order 7
	// day 2
	// reminded of order 7
}

func ExampleRecorder_FailAfterCommit() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	policy := backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: time.Millisecond}
	rec := tasktest.NewWith(t, tasks.Config{EnqueueRetry: policy}, SendReceipt)
	rec.FailAfterCommit(1, status.Error(codes.Unavailable, "the answer is lost"))

	_, err := SendReceipt.Enqueue(rec.Context(), Order{ID: 7})
	fmt.Println("error:", err)
	fmt.Println("tasks:", len(tasktest.Enqueued(rec, SendReceipt)))
	// Output:
	// error: <nil>
	// tasks: 1
}

func ExampleRun() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	poll := tasks.New(func(ctx context.Context, _ Order) error {
		if m, _ := tasks.MetadataFrom(ctx); m.Attempt > 2 {
			return tasks.Discard(errors.New("still nothing"))
		}
		return tasks.Snooze(time.Hour)
	}, tasks.WithName("Poll"))

	first := tasktest.Run(t, poll, Order{ID: 7}, tasktest.ID("poll-7"))
	fmt.Println(first.Outcome, first.HTTPStatus, first.Enqueued[0].ID)

	third := tasktest.Run(t, poll, Order{ID: 7}, tasktest.Attempt(3))
	fmt.Println(third.Outcome, third.HTTPStatus, third.Err)
	// Output:
	// snoozed 200 poll-7-s1
	// discarded 202 discarded: still nothing
}

// Golden is called in a test of its own, over the App that production registers, with a directory below testdata.
func ExampleGolden() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()
	dir := t.TempDir() // in a test, "testdata/tasks"

	type Before struct{ Amount int }
	type After struct {
		Amount   string
		Currency string `validate:"required"`
	}
	before := tasks.New(nothing[Before], tasks.WithName("Charge"))
	after := tasks.New(nothing[After], tasks.WithName("Charge"))

	tasktest.Golden(t, tasktest.New(t, before).App(), dir) // writes the files
	tasktest.Golden(t, tasktest.New(t, after).App(), dir)
	// Output:
	// tasktest: golden: task Charge has changed:
	//   ~ Amount    int -> string    strands queued work: what it carries here does not decode
	//   + Currency  string required  strands queued work: it lacks this and does not validate
	// Take what waits with tasks.UpgradeFrom, from a type that has the shape in the file.
	// If that is meant, run the test once with TASKTEST_UPDATE=1 and commit DIR/task.Charge.golden.
}
