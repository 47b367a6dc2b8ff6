package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

// diary notes when, since the recorder was made, which task ran in which attempt.
type diary struct {
	rec   *tasktest.Recorder
	start time.Time
	lines []string
}

func (d *diary) keep(rec *tasktest.Recorder) { d.rec, d.start = rec, rec.Now() }

func (d *diary) note(ctx context.Context) tasks.Metadata {
	m, _ := tasks.MetadataFrom(ctx)
	d.lines = append(d.lines, fmt.Sprintf("%s %s#%d", d.rec.Now().Sub(d.start), m.ID, m.Attempt))
	return m
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("got  %q\nwant %q", d.lines, lines)
	}
}

func TestDrain_RetriesAtTheirTimes(t *testing.T) {
	t.Parallel()
	var d diary
	flaky := tasks.New(func(ctx context.Context, _ Order) error {
		if m := d.note(ctx); m.Attempt < 4 {
			return errBoom
		}
		return nil
	}, tasks.WithRetryConfig(transport.RetryConfig{MinBackoff: time.Second, MaxBackoff: time.Minute, MaxDoublings: 5}))
	rec := tasktest.New(t, flaky)
	d.keep(rec)
	enqueue(t, rec.Context(), flaky, Order{1}, tasks.WithID("a"))
	rec.Drain()
	d.want(t, "0s a#1", "1s a#2", "3s a#3", "7s a#4")
	tasktest.RequireEnqueued(t, rec, flaky) // retries are no new entries
}

func TestDrain_GivesUpAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	var d diary
	hopeless := tasks.New(func(ctx context.Context, _ Order) error { d.note(ctx); return errBoom })
	rec := tasktest.NewWith(t, tasks.Config{Queues: map[string]transport.QueueConfig{
		"tasks": {Retry: transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Second}},
	}}, hopeless)
	d.keep(rec)
	enqueue(t, rec.Context(), hopeless, Order{1}, tasks.WithID("a"))
	rec.Drain()
	d.want(t, "0s a#1", "1s a#2", "2s a#3")
}

func TestDrain_ETAs_InOrderOfTime(t *testing.T) {
	t.Parallel()
	var d diary
	order := tasks.New(func(ctx context.Context, _ Order) error { d.note(ctx); return nil })
	rec := tasktest.New(t, order)
	d.keep(rec)
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("month"), tasks.In(720*time.Hour))
	enqueue(t, rec.Context(), order, Order{2}, tasks.WithID("hour"), tasks.In(time.Hour), tasks.OnQueue("other"))
	enqueue(t, rec.Context(), order, Order{3}, tasks.WithID("now"))
	enqueue(t, rec.Context(), order, Order{4}, tasks.WithID("now2"), tasks.OnQueue("other"))
	rec.Drain()
	d.want(t, "0s now#1", "0s now2#1", "1h0m0s hour#1", "720h0m0s month#1")
}

func TestDrain_Snooze_IsEnqueuedAnewUnderItsOwnID(t *testing.T) {
	t.Parallel()
	var d diary
	poll := tasks.New(func(ctx context.Context, _ Order) error {
		if m := d.note(ctx); m.Attempt < 3 {
			return tasks.Snooze(time.Hour)
		}
		return nil
	})
	rec := tasktest.New(t, poll)
	d.keep(rec)
	enqueue(t, rec.Context(), poll, Order{1}, tasks.WithID("a"))
	rec.Drain()
	d.want(t, "0s a#1", "1h0m0s a#2", "2h0m0s a#3")

	var ids []string
	for _, e := range tasktest.RequireEnqueuedN(t, rec, poll, 3, tasktest.Args(Order{1})) {
		ids = append(ids, e.ID)
	}
	if want := []string{"a", "a-s1", "a-s2"}; !slices.Equal(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	tasktest.RequireEnqueued(t, rec, poll, tasktest.WithID("a-s2"), tasktest.DueIn(time.Hour, 0))
}

func TestDrain_HandlersThatEnqueue(t *testing.T) {
	t.Parallel()
	var seen []int
	var countdown *tasks.Task[Order]
	countdown = tasks.New(func(ctx context.Context, o Order) error {
		seen = append(seen, o.ID)
		if o.ID == 0 {
			return nil
		}
		_, err := countdown.Enqueue(ctx, Order{o.ID - 1}, tasks.In(time.Duration(o.ID)*time.Minute))
		return err
	})
	rec := tasktest.New(t, countdown)
	start := rec.Now()
	enqueue(t, rec.Context(), countdown, Order{3})
	rec.Drain()
	if want := []int{3, 2, 1, 0}; !slices.Equal(seen, want) {
		t.Errorf("ran %v, want %v", seen, want)
	}
	if took := rec.Now().Sub(start); took != 6*time.Minute {
		t.Errorf("it took %s, want 6m", took)
	}
}

func TestDrain_RunsInTheTestsGoroutine(t *testing.T) {
	t.Parallel()
	order := tasks.New(func(context.Context, Order) error {
		runtime.Goexit() // as FailNow does
		return nil
	})
	rec := tasktest.New(t, order)
	enqueue(t, rec.Context(), order, Order{1})
	returned := false
	try(t, func(testing.TB) {
		rec.Drain()
		returned = true
	})
	if returned {
		t.Error("the test went on after a handler had ended it")
	}
}

func TestDrain_Again_RunsWhatIsNew(t *testing.T) {
	t.Parallel()
	var seen []int
	order := tasks.New(collect(&seen))
	rec := tasktest.New(t, order)
	rec.Drain() // nothing
	enqueue(t, rec.Context(), order, Order{1})
	rec.Drain()
	enqueue(t, rec.Context(), order, Order{2})
	rec.Drain()
	if want := []int{1, 2}; !slices.Equal(seen, want) {
		t.Errorf("ran %v, want %v", seen, want)
	}
}

func TestDrain_Circle_NamesWhatTurns(t *testing.T) {
	t.Parallel()
	t.Run("a task that enqueues itself", func(t *testing.T) {
		t.Parallel()
		runs := 0
		var loop *tasks.Task[Order]
		loop = tasks.New(func(ctx context.Context, o Order) error {
			runs++
			_, err := loop.Enqueue(ctx, o)
			return err
		}, tasks.WithName("Loop"))
		innocent := tasks.New(nothing[Welcome])
		want := "tasktest: Drain: 10000 runs and still work to do; what turns: Loop (9999 runs), Welcome (1 runs).\n" +
			"What goes on for ever is for Advance, which moves the clock by as much as you say."
		if got := mustFail(t, func(t testing.TB) {
			rec := tasktest.New(t, loop, innocent)
			enqueue(t, rec.Context(), innocent, ana())
			enqueue(t, rec.Context(), loop, Order{1})
			rec.Drain()
		}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if runs != 9999 {
			t.Errorf("it ran %d times", runs)
		}
	})
	t.Run("two that enqueue each other", func(t *testing.T) {
		t.Parallel()
		var ping, pong *tasks.Task[Order]
		ping = tasks.New(func(ctx context.Context, o Order) error { _, err := pong.Enqueue(ctx, o); return err }, tasks.WithName("Ping"))
		pong = tasks.New(func(ctx context.Context, o Order) error {
			_, err := ping.Enqueue(ctx, o, tasks.In(time.Hour))
			return err
		}, tasks.WithName("Pong"))
		contains(t, mustFail(t, func(t testing.TB) {
			rec := tasktest.New(t, ping, pong)
			enqueue(t, rec.Context(), ping, Order{1})
			rec.Drain()
		}), "what turns: Ping (5000 runs), Pong (5000 runs).")
	})
	t.Run("a task that snoozes beyond the end of time", func(t *testing.T) {
		t.Parallel()
		poll := tasks.New(func(context.Context, Order) error { return tasks.Snooze(720 * time.Hour) }, tasks.WithName("Poll"))
		contains(t, mustFail(t, func(t testing.TB) {
			rec := tasktest.New(t, poll)
			enqueue(t, rec.Context(), poll, Order{1})
			rec.Drain()
		}), "what turns: Poll (10000 runs).")
	})
}

func TestDrain_TenThousandRuns_AreNoCircle(t *testing.T) {
	t.Parallel()
	n := 0
	last := tasks.New(func(ctx context.Context, _ Order) error {
		if n++; n < 10_000 {
			return tasks.Snooze(0)
		}
		return nil
	})
	rec := tasktest.New(t, last)
	enqueue(t, rec.Context(), last, Order{1})
	mustPass(t, func(testing.TB) { rec.Drain() })
	if n != 10_000 {
		t.Errorf("%d runs, want 10000", n)
	}
}

func TestAdvance_RunsWhatBecomesDue_AndNoMore(t *testing.T) {
	t.Parallel()
	var d diary
	order := tasks.New(func(ctx context.Context, o Order) error {
		d.note(ctx)
		if o.ID == 2 {
			return tasks.Snooze(30 * time.Minute)
		}
		return nil
	})
	rec := tasktest.New(t, order)
	d.keep(rec)
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("a"), tasks.In(10*time.Minute))
	enqueue(t, rec.Context(), order, Order{2}, tasks.WithID("b"), tasks.In(20*time.Minute))
	enqueue(t, rec.Context(), order, Order{3}, tasks.WithID("c"), tasks.In(time.Hour))
	enqueue(t, rec.Context(), order, Order{4}, tasks.WithID("d"), tasks.In(time.Hour+1))

	rec.Advance(0)
	d.want(t)
	rec.Advance(time.Hour)
	d.want(t, "10m0s a#1", "20m0s b#1", "50m0s b#2", "1h0m0s c#1")
	if got := rec.Now().Sub(d.start); got != time.Hour {
		t.Errorf("the clock moved by %s, want 1h", got)
	}
	rec.Advance(time.Nanosecond)
	d.want(t, "10m0s a#1", "20m0s b#1", "50m0s b#2", "1h0m0s c#1", "1h0m0.000000001s d#1")
}

func TestAdvance_ManyRunsOverTime_AreNoCircle(t *testing.T) {
	t.Parallel()
	n := 0
	poll := tasks.New(func(context.Context, Order) error { n++; return tasks.Snooze(time.Minute) })
	rec := tasktest.New(t, poll)
	enqueue(t, rec.Context(), poll, Order{1})
	mustPass(t, func(testing.TB) { rec.Advance(12_000 * time.Minute) })
	if n != 12_001 {
		t.Errorf("%d runs, want 12001", n)
	}
}

func TestAdvance_CircleAtOneMoment_NamesWhatTurns(t *testing.T) {
	t.Parallel()
	poll := tasks.New(func(context.Context, Order) error { return tasks.Snooze(0) }, tasks.WithName("Poll"))
	got := mustFail(t, func(t testing.TB) {
		rec := tasktest.New(t, poll)
		enqueue(t, rec.Context(), poll, Order{1}, tasks.In(time.Minute))
		rec.Advance(time.Hour)
	})
	if want := "tasktest: Advance(1h0m0s): 10000 runs and the clock has not moved; what turns: Poll (10000 runs)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdvance_Back_Refused(t *testing.T) {
	t.Parallel()
	got := mustFail(t, func(t testing.TB) { tasktest.New(t).Advance(-time.Second) })
	if want := "tasktest: Advance(-1s): the clock does not go back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDrain_HandlerSeesItsAppAndItsTimes(t *testing.T) {
	t.Parallel()
	var m tasks.Metadata
	order := tasks.New(func(ctx context.Context, _ Order) error {
		m, _ = tasks.MetadataFrom(ctx)
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > 20*time.Second || time.Until(d) < 10*time.Second {
			return errors.New("no deadline of 20s")
		}
		return nil
	}, tasks.WithTimeout(20*time.Second))
	rec := tasktest.New(t, order)
	enqueue(t, rec.Context(), order, Order{1}, tasks.In(24*time.Hour))
	want := rec.Now().Add(24 * time.Hour)
	rec.Drain()
	if !m.ETA.Equal(want) || m.Attempt != 1 || m.Queue != "tasks" {
		t.Errorf("metadata %+v, want an ETA of %s", m, want)
	}
}

func BenchmarkDrain_10000(b *testing.B) {
	for _, c := range []struct {
		name string
		opt  func(i int) tasks.EnqueueOption
	}{
		{"AtOnce", func(int) tasks.EnqueueOption { return tasks.In(0) }},
		{"EachAtItsTime", func(i int) tasks.EnqueueOption { return tasks.In(time.Duration(i) * time.Second) }},
		{"TenQueues", func(i int) tasks.EnqueueOption { return tasks.OnQueue(fmt.Sprint("q", i%10)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			order := tasks.New(nothing[Order])
			for b.Loop() {
				b.StopTimer()
				rec := tasktest.New(b, order)
				for i := range 10_000 {
					enqueue(b, rec.Context(), order, Order{i}, c.opt(i))
				}
				b.StartTimer()
				rec.Drain()
			}
		})
	}
}
