package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

const hosted = "projects/p/locations/l/queues/q" // no legal queue id

// diary is a Journal that writes down what it hears.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Failed(queue, id string, eta time.Time, h engine.History) {
	d.add("%s %s failed with %d, attempt %d, due in %s", queue, id, h.Status, h.Dispatches, time.Until(eta))
}
func (d *diary) Left(queue, id string, _ time.Time) { d.add("%s %s left", queue, id) }
func (d *diary) Purged(queue string, _ time.Time)   { d.add("%s purged", queue) }

func (r *rig) insert(tasks ...*transport.Task) []transport.Result {
	for _, task := range tasks {
		task.URL = url
	}
	return r.Insert(hosted, tasks, time.Now(), nil)
}

func TestInsert_TasksRunOnceAllAreTold(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.SetQueue(hosted, transport.QueueConfig{})
		var told []string
		tasks := []*transport.Task{{ID: "a", URL: url, Audience: "any\x00text"}, {URL: url}, {ID: "a", URL: url}}
		results := r.Insert(hosted, tasks, time.Now(), func(results []transport.Result) {
			for _, res := range results {
				told = append(told, res.Receipt.ID)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.calls) > 0 {
				t.Error("a task ran before all were told")
			}
		})
		if results[0].Err != nil || results[1].Err != nil || !errors.Is(results[2].Err, transport.ErrExists) || !results[2].Receipt.Duplicate {
			t.Errorf("results %v", results)
		}
		if len(told) != 3 || told[0] != "a" || len(told[1]) < 19 || told[1] != results[1].Receipt.ID {
			t.Errorf("told %q", told)
		}
		calls := r.seen()
		if len(calls) != 2 || calls[0].d.Audience != "any\x00text" || calls[0].d.Queue != hosted {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestInsert_UnknownQueue_IsTold(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		told := 0
		results := r.Insert("no such queue", []*transport.Task{{}, {}}, time.Now(), func(results []transport.Result) { told = len(results) })
		if told != 2 || !errors.Is(results[0].Err, transport.ErrQueueMissing) || !errors.Is(results[1].Err, transport.ErrQueueMissing) {
			t.Errorf("told %d, results %v", told, results)
		}
	})
}

func TestInsert_Full_IsRefusedEach(t *testing.T) {
	inBubble(t, engine.Config{Capacity: 1}, func(t *testing.T, r *rig) {
		r.SetQueue(hosted, transport.QueueConfig{})
		r.must(r.Pause(context.Background(), hosted))
		results := r.insert(&transport.Task{}, &transport.Task{})
		if results[0].Err != nil || !errors.Is(results[1].Err, transport.ErrCapacity) {
			t.Errorf("results %v", results)
		}
		r.wantBacklog(1)
	})
}

func TestJournal_HearsWhatBecomesOfTasks(t *testing.T) {
	d := &diary{}
	inBubble(t, engine.Config{Journal: d}, func(t *testing.T, r *rig) {
		statuses := map[string][]int{"once": {500, 200}, "doomed": {404, 404}, "fine": {200}}
		r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.Exhausted {
				return 200, 0, nil
			}
			return statuses[d.ID][d.Attempt-1], 0, nil
		})
		two := transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Second}
		for _, name := range []string{"once", "doomed", "fine"} {
			r.enqueue(id(name), retry(two))
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.enqueue(id("deleted"), in(time.Hour))
		r.must(r.Delete(context.Background(), queue, "deleted"))
		r.enqueue(id("purged"), in(time.Hour))
		r.must(r.Purge(context.Background(), queue))
		synctest.Wait()
		slices.Sort(d.lines)
		equal(t, "heard", d.lines, []string{
			"mail deleted left",
			"mail doomed failed with 404, attempt 1, due in 1s",
			"mail doomed left",
			"mail fine left",
			"mail once failed with 500, attempt 1, due in 1s",
			"mail once left",
			"mail purged",
		})
	})
}

func TestLook_History(t *testing.T) {
	inBubble(t, engine.Config{History: true}, func(t *testing.T, r *rig) {
		sick := errors.New("sick")
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(time.Second)
			return 404, 0, sick
		})
		start := time.Now().UTC()
		r.enqueue(id("x"), in(time.Minute), retry(transport.RetryConfig{MinBackoff: time.Hour}))
		look := func() *engine.Snapshot {
			t.Helper()
			synctest.Wait()
			s, err := r.Look(context.Background(), queue, "x")
			r.must(err)
			return s
		}
		if s := look(); s.ID != "x" || !s.Explicit || !s.Created.Equal(start) || s.History != (engine.History{}) {
			t.Errorf("waiting: %+v", s)
		}
		time.Sleep(time.Minute)
		due := start.Add(time.Minute)
		if got, want := look().History, (engine.History{Dispatches: 1, InFlight: 1, First: due, Last: engine.Attempt{Scheduled: due, Dispatched: due}}); got != want {
			t.Errorf("in flight: %+v, want %+v", got, want)
		}
		time.Sleep(time.Second)
		failed := engine.History{
			Dispatches: 1, Seen: 1, Executions: 1, Status: 404, First: due,
			Last: engine.Attempt{Scheduled: due, Dispatched: due, Responded: due.Add(time.Second), Err: sick},
		}
		if got := look().History; got != failed {
			t.Errorf("failed: %+v, want %+v", got, failed)
		}
		s, err := r.Force(context.Background(), queue, "x")
		if err != nil || s.Dispatches != 2 || s.InFlight != 1 || !s.First.Equal(due) || !s.Last.Dispatched.Equal(due.Add(time.Second)) || !s.Last.Responded.IsZero() {
			t.Errorf("forced: %+v, %v", s, err)
		}
		_, err = r.Look(context.Background(), queue, "y")
		if !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		_, err = r.Look(context.Background(), "none", "y")
		if !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("unknown queue: %v", err)
		}
	})
}

func TestLook_Unanswered_IsNotSeen(t *testing.T) {
	inBubble(t, engine.Config{History: true, Brake: true}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			return 503, 0, fmt.Errorf("refused: %w", engine.ErrUnanswered)
		})
		r.enqueue(id("x"), retry(transport.RetryConfig{MinBackoff: time.Hour}))
		synctest.Wait()
		s, err := r.Look(context.Background(), queue, "x")
		r.must(err)
		if s.Seen != 0 || s.Executions != 0 || s.Status != 503 || s.Dispatches != 1 || s.Last.Responded.IsZero() {
			t.Errorf("%+v", s.History)
		}
	})
}

func TestPage_EveryTaskOnce(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 3000
		var ids []string
		for range n {
			ids = append(ids, r.enqueue(in(time.Hour)).ID)
		}
		kept := map[string]bool{}
		for i, id := range ids { // long gaps
			if i%500 < 3 {
				kept[id] = true
			} else {
				r.must(r.Delete(context.Background(), queue, id))
			}
		}
		for _, limit := range []int{1, 2, 5, 18, 1000} {
			seen := map[string]bool{}
			for from := uint32(0); ; {
				page, next, err := r.Page(context.Background(), queue, from, limit)
				r.must(err)
				if len(page) > limit {
					t.Fatalf("%d tasks, limit %d", len(page), limit)
				}
				for _, s := range page {
					if seen[s.ID] || !kept[s.ID] || s.Explicit {
						t.Errorf("task %s twice, deleted or explicit", s.ID)
					}
					seen[s.ID] = true
				}
				if from = next; from == 0 {
					break
				}
			}
			if len(seen) != len(kept) {
				t.Errorf("limit %d: %d tasks, want %d", limit, len(seen), len(kept))
			}
		}
		if _, _, err := r.Page(context.Background(), "none", 0, 1); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("unknown queue: %v", err)
		}
	})
}

func TestRestore_GoesOnWhereItWas(t *testing.T) {
	var saved []*engine.Snapshot
	var graves []engine.Tombstone
	inBubble(t, engine.Config{History: true}, func(t *testing.T, r *rig) {
		r.answering(404)
		two := transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Hour, MaxDoublings: 1}
		r.enqueue(id("failed"), retry(two), func(k *transport.Task) { k.Header = http.Header{"X-A": {"1"}} })
		r.enqueue(in(time.Minute))
		synctest.Wait()
		r.answering(200)
		r.enqueue(id("done"))
		synctest.Wait()
		page, _, err := r.Page(context.Background(), queue, 0, 10)
		r.must(err)
		saved, graves = page, r.Tombstones(queue)
	})
	if len(graves) != 1 || graves[0].ID != "done" || len(saved) != 2 {
		t.Fatalf("saved %d tasks and %v", len(saved), graves)
	}
	inBubble(t, engine.Config{History: true}, func(t *testing.T, r *rig) {
		r.SetQueue(queue, transport.QueueConfig{})
		for _, s := range saved {
			r.must(r.Restore(s))
			if err := r.Restore(s); !errors.Is(err, transport.ErrExists) {
				t.Errorf("restored twice: %v", err)
			}
		}
		r.must(r.Bury(queue, "done", graves[0].Until))
		r.must(r.Bury(queue, "failed", graves[0].Until)) // it is there, and stays
		for _, want := range saved {
			got, err := r.Look(context.Background(), queue, want.ID)
			r.must(err)
			if got.History != want.History || !got.Created.Equal(want.Created) || !got.ETA.Equal(want.ETA) || !got.Explicit {
				t.Errorf("restored %+v, want %+v", got, want)
			}
		}
		if _, err := r.try(id("done")); !errors.Is(err, transport.ErrGone) {
			t.Errorf("the tombstone: %v", err)
		}
		r.answering(500)
		time.Sleep(3 * time.Hour)
		for _, c := range r.seen() {
			if c.d.ID == "failed" && (c.d.Attempt < 2 || c.d.Header.Get("X-A") != "1" || !c.d.Exhausted && c.d.Attempt == 2 && c.d.PreviousResponse != 404) {
				t.Errorf("delivery %+v", c.d)
			}
		}
		if r.Exhausted()[0].Attempts != 3 {
			t.Errorf("given up: %+v", r.Exhausted())
		}
		if err := r.Restore(&engine.Snapshot{Task: transport.Task{Queue: "none"}}); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("unknown queue: %v", err)
		}
		if err := r.Bury("none", "x", time.Now()); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("unknown queue: %v", err)
		}
	})
}

func TestRestore_Full_IsRefused(t *testing.T) {
	inBubble(t, engine.Config{Capacity: 1}, func(t *testing.T, r *rig) {
		r.enqueue(in(time.Hour))
		if err := r.Restore(&engine.Snapshot{Task: transport.Task{Queue: queue, ID: "x", URL: url}}); !errors.Is(err, transport.ErrCapacity) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRemoveQueue_ForgetsEverything(t *testing.T) {
	inBubble(t, engine.Config{DeclaredOnly: true}, func(t *testing.T, r *rig) {
		r.SetQueue(queue, transport.QueueConfig{})
		release := make(chan struct{})
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) { <-release; return 500, 0, nil })
		r.enqueue(id("running"))
		r.enqueue(id("waiting"), in(time.Hour))
		synctest.Wait()
		r.must(r.RemoveQueue(queue))
		r.wantBacklog(0)
		if _, err := r.try(); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("Enqueue: %v", err)
		}
		if err := r.RemoveQueue(queue); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("removed twice: %v", err)
		}
		if r.Tombstones(queue) != nil {
			t.Error("tombstones are left")
		}
		r.SetQueue(queue, transport.QueueConfig{})
		r.enqueue(id("waiting"))
		synctest.Wait()
		r.must(r.RemoveQueue(queue)) // the one before still runs something

		ended := make(chan error)
		go func() { ended <- r.Shutdown(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("Shutdown did not wait for the attempts: %v", err)
		default:
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if calls := r.seen(); len(calls) != 2 {
			t.Errorf("%d calls", len(calls))
		}
	})
}

func TestShutdown_BrokenOff_HasNotCounted(t *testing.T) {
	d := &diary{}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, engine.Config{Journal: d})
		r.serve("")
		r.respond(func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 503, 0, engine.ErrBrokenOff
		})
		r.enqueue(id("x"), retry(transport.RetryConfig{MaxAttempts: 1}))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		r.must(r.Shutdown(context.Background()))
		s, err := r.Look(context.Background(), queue, "x")
		if err != nil || s.Dispatches != 0 || s.Status != 0 || len(d.lines) != 0 {
			t.Errorf("%+v, %v, heard %q", s, err, d.lines)
		}
	})
}

func TestBrake_EachSecondHalvesOrDoublesTheRate(t *testing.T) {
	inBubble(t, engine.Config{Brake: true, Queue: transport.QueueConfig{MaxDispatchesPerSecond: 64}}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 429, 0, nil })
		for range 500 {
			r.enqueue(retry(transport.RetryConfig{MaxAttempts: -1, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}))
		}
		perSecond := func(seconds int) (n []int) {
			for range seconds {
				before := len(r.seen())
				time.Sleep(time.Second)
				n = append(n, len(r.seen())-before)
			}
			return n
		}
		slowing := perSecond(10)
		if slowing[0] < 30 || slowing[0] > 64 || slowing[9] > 1 || !slices.IsSortedFunc(slowing, func(a, b int) int { return b - a }) {
			t.Errorf("dispatches a second while it answers 429: %v", slowing)
		}
		r.answering(500)
		recovering := perSecond(10)
		if recovering[0] > 4 || recovering[9] < 60 || recovering[9] > 65 || !slices.IsSorted(recovering[:7]) {
			t.Errorf("dispatches a second after it: %v", recovering)
		}
	})
}

func TestBrake_OfASlowQueue_IsNoStandstill(t *testing.T) {
	inBubble(t, engine.Config{Brake: true, Queue: transport.QueueConfig{MaxDispatchesPerSecond: 0.5}}, func(t *testing.T, r *rig) {
		r.answering(503)
		r.enqueue(retry(transport.RetryConfig{MaxAttempts: -1, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}))
		time.Sleep(time.Minute)
		if n := len(r.seen()); n < 30 || n > 31 {
			t.Errorf("%d dispatches in a minute at one every two seconds", n)
		}
	})
}

func TestGeneratedIDs_AreNumbersOf19Or20Digits(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		for i := range 2000 {
			made := r.enqueue(in(time.Hour)).ID
			if len(made) != 19 && len(made) != 20 || strings.Trim(made, "0123456789") != "" {
				t.Fatalf("id %q", made)
			}
			if _, err := r.Get(context.Background(), queue, made); err != nil {
				t.Fatalf("task %d: %v", i, err)
			}
			if short := strings.TrimLeft(made, "0"); short != made {
				if _, err := r.Get(context.Background(), queue, short); !errors.Is(err, transport.ErrNotFound) {
					t.Errorf("%s found as %s: %v", made, short, err)
				}
			}
		}
	})
}
