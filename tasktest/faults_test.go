package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

// patient retries an enqueue after 1 s, 2 s, 4 s ...
func patient() backoff.Policy {
	return backoff.Policy{On: func(error) bool { return true }, Initial: time.Second, Multiplier: 2}
}

func TestFailNext_FailsSoManyAndEnqueuesNothing(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	rec.FailNext(2, errBoom)
	for i := range 3 {
		_, err := order.Enqueue(rec.Context(), Order{i})
		if failed := errors.Is(err, errBoom); failed != (i < 2) {
			t.Errorf("enqueue %d: %v", i, err)
		}
	}
	tasktest.RequireEnqueued(t, rec, order, tasktest.Args(Order{2}))
}

func TestFailAfterCommit_AnswerIsLost_TaskIsNot(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	rec.FailAfterCommit(1, errBoom)
	r, err := order.Enqueue(rec.Context(), Order{1}, tasks.WithID("o1"))
	if !errors.Is(err, errBoom) || r != (tasks.Receipt{}) {
		t.Errorf("got %+v, %v, want no receipt and %v", r, err, errBoom)
	}
	tasktest.RequireEnqueued(t, rec, order, tasktest.WithID("o1"))

	rec.FailAfterCommit(1, errBoom) // that it is a duplicate is an answer too
	if r, err := order.Enqueue(rec.Context(), Order{1}, tasks.WithID("o1")); !errors.Is(err, errBoom) {
		t.Errorf("got %+v, %v, want %v", r, err, errBoom)
	}
	if r, err := order.Enqueue(rec.Context(), Order{1}, tasks.WithID("o1")); err != nil || !r.Duplicate {
		t.Errorf("got %+v, %v, want a duplicate", r, err)
	}
	tasktest.RequireEnqueued(t, rec, order)
}

func TestFaults_ComeInOrder(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	other := errors.New("other")
	rec.FailNext(1, errBoom)
	rec.FailAfterCommit(1, other)
	rec.FailNext(1, errBoom)
	var got []error
	for i := range 4 {
		_, err := order.Enqueue(rec.Context(), Order{i})
		got = append(got, err)
	}
	if !errors.Is(got[0], errBoom) || !errors.Is(got[1], other) || !errors.Is(got[2], errBoom) || got[3] != nil {
		t.Errorf("got %v", got)
	}
	if all := tasktest.Enqueued(rec, order); len(all) != 2 || all[0].Args.ID != 1 || all[1].Args.ID != 3 {
		t.Errorf("enqueued %+v, want 1 and 3", all)
	}
}

// With a policy that retries, a fault makes the call slower and leaves exactly one task.
func TestFaults_UnderARetryPolicy_ExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fail  func(*tasktest.Recorder)
		opts  []tasks.EnqueueOption
		waits time.Duration
	}{
		{"never sent", func(r *tasktest.Recorder) { r.FailNext(3, errBoom) }, nil, 7 * time.Second},
		{"answers lost", func(r *tasktest.Recorder) { r.FailAfterCommit(1, errBoom) }, nil, time.Second},
		{"never sent, then answers lost", func(r *tasktest.Recorder) { r.FailNext(1, errBoom); r.FailAfterCommit(1, errBoom) }, nil, 3 * time.Second},
		{"answers lost of a named task", func(r *tasktest.Recorder) { r.FailAfterCommit(1, errBoom) }, []tasks.EnqueueOption{tasks.WithID("o1")}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				order := tasks.New(nothing[Order], tasks.WithEnqueueRetry(patient()))
				rec := tasktest.New(t, order)
				c.fail(rec)
				began := time.Now()
				r, err := order.Enqueue(rec.Context(), Order{1}, c.opts...)
				if err != nil || r.Duplicate {
					t.Fatalf("got %+v, %v", r, err)
				}
				if waited := time.Since(began); waited != c.waits {
					t.Errorf("waited for %s, want %s", waited, c.waits)
				}
				tasktest.RequireEnqueued(t, rec, order, tasktest.WithID(r.ID))
			})
		})
	}
}

func TestFaults_WithEnqueueAll_FallOnSinglePayloads(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	rec.FailNext(1, errBoom)
	rec.FailAfterCommit(1, errBoom)
	var failed []bool
	for _, r := range order.EnqueueAll(rec.Context(), []Order{{1}, {2}, {3}}) {
		failed = append(failed, r.Err != nil)
	}
	if want := []bool{true, true, false}; !slices.Equal(failed, want) {
		t.Errorf("failed %v, want %v", failed, want)
	}
	all := tasktest.RequireEnqueuedN(t, rec, order, 2)
	if all[0].Args.ID != 2 || all[1].Args.ID != 3 {
		t.Errorf("enqueued %+v, want 2 and 3", all)
	}
}

func TestFaults_WithEnqueueAll_UnderARetryPolicy_ExactlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := tasks.New(nothing[Order])
		rec := tasktest.NewWith(t, tasks.Config{EnqueueRetry: patient()}, order)
		rec.FailAfterCommit(2, errBoom)
		rec.FailNext(1, errBoom)
		for i, r := range order.EnqueueAll(rec.Context(), []Order{{1}, {2}, {3}, {4}}) {
			if r.Err != nil || r.Receipt.Duplicate {
				t.Errorf("%d: %+v", i, r)
			}
		}
		for i := range 4 {
			tasktest.RequireEnqueued(t, rec, order, tasktest.Args(Order{i + 1}))
		}
		tasktest.RequireNothingElse(t, rec)
	})
}

func TestFailNext_FallsOnAHandlersEnqueue_AndIsRetriedWithIt(t *testing.T) {
	t.Parallel()
	rec := tasktest.New(t, SendWelcome, SendReceipt)
	if err := Signup(rec.Context(), 7, "ana@example.com"); err != nil {
		t.Fatal(err)
	}
	rec.FailNext(1, errBoom)
	rec.Drain()
	tasktest.RequireEnqueued(t, rec, SendReceipt)
}

func TestFailAfterCommit_FallsOnASnooze_ThatStaysOne(t *testing.T) {
	t.Parallel()
	runs := 0
	poll := tasks.New(func(context.Context, Order) error {
		if runs++; runs <= 2 {
			return tasks.Snooze(time.Hour)
		}
		return nil
	})
	rec := tasktest.New(t, poll)
	enqueue(t, rec.Context(), poll, Order{1}, tasks.WithID("a"))
	rec.FailAfterCommit(1, errBoom)
	rec.Drain()
	// The attempt failed, its retry snoozed under the same id, and the snoozed task ran.
	tasktest.RequireEnqueuedN(t, rec, poll, 2)
	tasktest.RequireEnqueued(t, rec, poll, tasktest.WithID("a-s1"))
	if runs != 3 {
		t.Errorf("%d runs, want 3", runs)
	}
}

func TestFaults_WithoutAnErrorOrNumber_Refused(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]func(*tasktest.Recorder){
		"tasktest: FailNext(1, <nil>): it takes a number from 1 and an error":       func(r *tasktest.Recorder) { r.FailNext(1, nil) },
		"tasktest: FailAfterCommit(0, boom): it takes a number from 1 and an error": func(r *tasktest.Recorder) { r.FailAfterCommit(0, errBoom) },
	} {
		if got := mustFail(t, func(t testing.TB) { f(tasktest.New(t)) }); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDeliverTwice_RunsEachDueTaskTwice(t *testing.T) {
	t.Parallel()
	var seen []string
	answers := []error{errBoom, nil, nil, errBoom} // of the first attempt, its copy, the second, its copy
	order := tasks.New(func(ctx context.Context, o Order) error {
		m, _ := tasks.MetadataFrom(ctx)
		seen = append(seen, fmt.Sprintf("%d#%d", o.ID, m.Attempt))
		return answers[len(seen)-1]
	})
	rec := tasktest.New(t, order)
	rec.DeliverTwice()
	enqueue(t, rec.Context(), order, Order{1})
	rec.Drain()
	if want := []string{"1#1", "1#1", "1#2", "1#2"}; !slices.Equal(seen, want) {
		t.Errorf("ran %q, want %q", seen, want)
	}
}

func TestDeliverTwice_Snooze_MakesOneTask(t *testing.T) {
	t.Parallel()
	runs := 0
	poll := tasks.New(func(ctx context.Context, _ Order) error {
		runs++
		if m, _ := tasks.MetadataFrom(ctx); m.Attempt == 1 {
			return tasks.Snooze(time.Hour)
		}
		return nil
	})
	rec := tasktest.New(t, poll)
	rec.DeliverTwice()
	enqueue(t, rec.Context(), poll, Order{1})
	rec.Drain()
	tasktest.RequireEnqueuedN(t, rec, poll, 2)
	if runs != 4 {
		t.Errorf("%d runs, want 4", runs)
	}
}

func TestDeliverTwice_NoticeOfExhaustion_ComesOnce(t *testing.T) {
	t.Parallel()
	quarantined := 0
	order := tasks.New(func(context.Context, Order) error { return errBoom }, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 1}))
	rec := tasktest.NewWith(t, tasks.Config{Quarantine: func(context.Context, tasks.Quarantined) error { quarantined++; return nil }}, order)
	rec.DeliverTwice()
	enqueue(t, rec.Context(), order, Order{1})
	rec.Drain()
	if quarantined != 1 {
		t.Errorf("quarantined %d times, want once", quarantined)
	}
}

// shuffled runs 20 tasks that are due at once, and two that are due before and after.
func shuffled(t *testing.T, seed uint64) []int {
	var seen []int
	order := tasks.New(collect(&seen))
	rec := tasktest.New(t, order)
	rec.Shuffle(seed)
	enqueue(t, rec.Context(), order, Order{100}, tasks.In(2*time.Hour))
	for i := range 20 {
		enqueue(t, rec.Context(), order, Order{i}, tasks.In(time.Hour))
	}
	enqueue(t, rec.Context(), order, Order{-1})
	rec.Drain()
	return seen
}

func TestShuffle_ReordersWhatIsDueTogether_BySeed(t *testing.T) {
	t.Parallel()
	a, again, b := shuffled(t, 1), shuffled(t, 1), shuffled(t, 2)
	if !slices.Equal(a, again) {
		t.Errorf("seed 1 gave %v, then %v", a, again)
	}
	if slices.Equal(a, b) {
		t.Errorf("seeds 1 and 2 both gave %v", a)
	}
	if a[0] != -1 || a[21] != 100 {
		t.Errorf("what is due earlier or later has moved: %v", a)
	}
	for _, order := range [][]int{a, b} {
		middle := slices.Clone(order[1:21])
		if slices.IsSorted(middle) {
			t.Errorf("the order is the old one: %v", order)
		}
		slices.Sort(middle)
		for i, id := range middle {
			if id != i {
				t.Fatalf("task %d ran not exactly once: %v", i, order)
			}
		}
	}
}
