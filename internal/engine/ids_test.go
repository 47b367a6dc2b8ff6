package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func wantTaken(t *testing.T, r *rig, name string, kind error) {
	t.Helper()
	receipt, err := r.try(id(name), in(time.Minute))
	if !errors.Is(err, kind) {
		t.Errorf("id %q: %v, want %v", name, err, kind)
	}
	want := transport.Receipt{ID: name, Queue: queue, Duplicate: true, Finished: kind == transport.ErrGone}
	if receipt != want {
		t.Errorf("id %q: Receipt = %+v, want %+v", name, receipt, want)
	}
}

func TestID_StaysTaken_For24HoursAfterItsTask(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(r *rig) // makes the task go, at once
	}{
		{"was executed", func(r *rig) { time.Sleep(time.Hour); synctest.Wait() }},
		{"was deleted", func(r *rig) { r.must(r.Delete(r.t.Context(), queue, "a")) }},
		{"was purged", func(r *rig) { r.must(r.Purge(r.t.Context(), queue)) }},
		{"was given up", func(r *rig) {
			r.answering(500)
			r.put(transport.QueueConfig{Retry: transport.RetryConfig{MaxAttempts: 1}})
			time.Sleep(time.Hour)
			synctest.Wait()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
				r.enqueue(id("a"), in(time.Hour))
				wantTaken(t, r, "a", transport.ErrExists)
				tc.end(r)
				wantTaken(t, r, "a", transport.ErrGone)
				time.Sleep(transport.TombstoneTTL - 1)
				wantTaken(t, r, "a", transport.ErrGone)
				time.Sleep(time.Nanosecond)
				r.enqueue(id("a"), in(time.Hour))
				wantTaken(t, r, "a", transport.ErrExists)
				time.Sleep(transport.TombstoneTTL + time.Hour)
				r.enqueue(id("a"), in(time.Hour)) // the second tombstone goes by its own time
			})
		})
	}
}

func TestID_IsTaken_WhileItsTaskRuns(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(slow(200))
		r.enqueue(id("a"))
		time.Sleep(sec)
		wantTaken(t, r, "a", transport.ErrExists)
		r.must(r.Delete(t.Context(), queue, "a"))
		wantTaken(t, r, "a", transport.ErrGone)
		time.Sleep(time.Minute)
		if n := len(r.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestID_QueuesDoNotShareThem(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.enqueue(id("a"))
		r.enqueue(id("a"), func(t *transport.Task) { t.Queue = "other" })
	})
}

func TestID_OfAGeneratedTask_IsTakenToo(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		made := r.enqueue(in(time.Hour)).ID
		wantTaken(t, r, made, transport.ErrExists)
		r.must(r.Delete(t.Context(), queue, made))
		wantTaken(t, r, made, transport.ErrGone)
		r.enqueue(id("12345"), in(time.Hour)) // a number is an id like any other
		if w, err := r.Get(t.Context(), queue, "12345"); err != nil || w.ID != "12345" {
			t.Errorf("Get = %v, %v", w, err)
		}
	})
}

func TestID_Tombstones_AreBounded(t *testing.T) {
	inBubble(t, engine.Config{Capacity: 10}, func(t *testing.T, r *rig) {
		for i := range 20 {
			r.enqueue(id(fmt.Sprint("t-", i)))
			r.wantBacklog(0)
		}
		wantTaken(t, r, "t-10", transport.ErrGone)
		r.enqueue(id("t-9")) // forgotten: the oldest went first
	})
}

func TestID_Tombstones_AreSweptWhenTheirTimeIsOver(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		for day := range 3 {
			for i := range 1000 {
				r.enqueue(id(fmt.Sprint("t-", i)))
			}
			if n := len(r.seen()); n != (day+1)*1000 {
				t.Fatalf("%d ran by day %d", n, day)
			}
			time.Sleep(transport.TombstoneTTL)
		}
	})
}
