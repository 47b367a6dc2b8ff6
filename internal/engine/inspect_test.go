package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestGet_ReturnsTheTaskAsItStands(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(slow(404))
		header := http.Header{"A": {"b"}}
		r.enqueue(id("a"), func(t *transport.Task) { t.Header = header }, retry(transport.RetryConfig{MinBackoff: time.Minute}))
		check := func(when string, dispatches, seen int) {
			t.Helper()
			w, err := r.Get(t.Context(), queue, "a")
			r.must(err)
			if w.ID != "a" || w.Queue != queue || w.URL != url || string(w.Body) != "body" || w.Header.Get("A") != "b" ||
				w.Timeout != transport.DefaultTimeout || w.Retry.MinBackoff != time.Minute {
				t.Errorf("%s: %+v", when, w)
			}
			if !w.Created.Equal(r.start) || w.Dispatches != dispatches || w.Seen != seen {
				t.Errorf("%s: created %v, %d dispatches, %d seen; want %d, %d", when, w.Created, w.Dispatches, w.Seen, dispatches, seen)
			}
			w.Body[0], w.Retry.MinBackoff = 'X', 0 // the caller's own
			w.Header.Set("A", "changed")
		}
		time.Sleep(sec)
		check("in the first attempt", 1, 0)
		time.Sleep(10 * sec)
		check("after it", 1, 1)
		time.Sleep(time.Minute)
		check("in the second", 2, 1)
	})
}

func TestGet_TellsGoneFromUnknown(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		var made []string
		for range 10_000 { // enough that the memory of an idle queue is given back
			made = append(made, r.enqueue().ID)
		}
		r.enqueue(id("named"))
		r.wantBacklog(0)
		for _, name := range append(made[:5:5], made[9999], "named") {
			if _, err := r.Get(t.Context(), queue, name); !errors.Is(err, transport.ErrNotFound) || !errors.Is(err, transport.ErrGone) {
				t.Errorf("id %q that is gone: %v", name, err)
			}
		}
		r.enqueue() // the place of the first
		r.wantBacklog(0)
		if _, err := r.Get(t.Context(), queue, made[0]); !errors.Is(err, transport.ErrGone) {
			t.Errorf("its place was used again: %v", err)
		}
		for _, name := range []string{"never", "1234567890123456789", "0", "-1", ""} {
			if _, err := r.Get(t.Context(), queue, name); !errors.Is(err, transport.ErrNotFound) || errors.Is(err, transport.ErrGone) {
				t.Errorf("id %q that never was: %v", name, err)
			}
		}
		var te *transport.Error
		if _, err := r.Get(t.Context(), queue, "never"); !errors.As(err, &te) || te.Op != transport.OpGet || te.ID != "never" || te.Queue != queue {
			t.Errorf("err = %#v", err)
		}
	})
}

func TestAll_YieldsEveryTask_AndHoldsNoLock(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 5000
		want := map[string]bool{}
		for i := range n {
			if i%2 == 0 {
				want[r.enqueue(in(time.Hour)).ID] = true
			} else {
				want[r.enqueue(in(time.Hour), id(fmt.Sprint("t-", i))).ID] = true
			}
		}
		got := map[string]bool{}
		for w, err := range r.All(t.Context(), queue) {
			r.must(err)
			if got[w.ID] {
				t.Fatalf("id %q twice", w.ID)
			}
			got[w.ID] = true
			if len(got)%500 == 0 {
				r.must(r.Delete(t.Context(), queue, w.ID))
			}
		}
		if len(got) != n {
			t.Errorf("%d tasks, want %d", len(got), n)
		}
		for id := range want {
			if !got[id] {
				t.Fatalf("id %q is missing", id)
			}
		}
		r.wantBacklog(n - n/500)
	})
}

func TestAll_EndsEarly(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		for range 5000 {
			r.enqueue(in(time.Hour))
		}
		n := 0
		for range r.All(t.Context(), queue) {
			if n++; n == 3 {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range r.All(ctx, queue) {
			cancel()
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("the context has ended: %v", last)
		}
	})
}

func TestDelete_EveryIDIsTried(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.enqueue(id("a"), in(time.Hour))
		made := r.enqueue(in(time.Hour)).ID
		err := r.Delete(t.Context(), queue, "x", "a", "y", made, "a")
		if !errors.Is(err, transport.ErrNotFound) || !contains(err, `"x"`) || !contains(err, `"y"`) || !contains(err, `"a"`) || contains(err, made) {
			t.Errorf("err = %v", err)
		}
		time.Sleep(2 * time.Hour)
		if n := len(r.seen()); n != 0 {
			t.Errorf("%d deleted tasks ran", n)
		}
		r.wantBacklog(0)
		r.must(r.Delete(t.Context(), queue))
	})
}

func TestDelete_OfARunningTask_IgnoresItsOutcome(t *testing.T) {
	for _, status := range []int{200, 500} {
		inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
			r.respond(slow(status))
			r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
			made := r.enqueue().ID
			time.Sleep(sec)
			r.must(r.Delete(t.Context(), queue, made))
			r.wantBacklog(0)
			r.enqueue() // in the same place, but not before the slot is free
			time.Sleep(15 * sec)
			r.answering(200)
			time.Sleep(time.Hour)
			if at := r.times(); len(at) < 2 || at[1] != 10*sec {
				t.Errorf("status %d: times = %v", status, at)
			}
			r.wantBacklog(0)
		})
	}
}

func TestDelete_ManyThatWait_LeavesTheRestInOrder(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 6000
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		r.must(r.Pause(t.Context(), queue))
		var gone []string
		for i := range n {
			name := fmt.Sprintf("t-%05d", i)
			when := in(time.Duration((i*7919)%n) * sec) // delayed ones in no order
			if i%2 == 0 {
				when = in(0)
			}
			r.enqueue(id(name), when)
			if i%10 != 0 && i%10 != 1 {
				gone = append(gone, name)
			}
		}
		r.must(r.Delete(t.Context(), queue, gone...))
		r.wantBacklog(n - len(gone))
		time.Sleep(n * sec)
		r.must(r.Resume(t.Context(), queue))
		calls := r.seen()
		if len(calls) != n-len(gone) {
			t.Fatalf("%d ran, want %d", len(calls), n-len(gone))
		}
		for i := 1; i < len(calls); i++ {
			if calls[i].d.ETA.Before(calls[i-1].d.ETA) {
				t.Fatalf("%q, due %v, ran after %q, due %v", calls[i].d.ID, calls[i].d.ETA, calls[i-1].d.ID, calls[i-1].d.ETA)
			}
		}
	})
}
