package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// model is the engine as one would write it without a thought to speed: handlers take no time, nothing is
// limited.
type model struct {
	now    time.Time
	paused bool
	tasks  map[string]*modelTask
	gone   map[string]time.Time // explicit ids, until when they stay taken
	log    []string             // id, attempt and time of each attempt
	gaveUp []string
}

type modelTask struct {
	id       string
	named    bool
	due      time.Time
	failures int // how often it fails before it succeeds
	attempts int
}

var modelRetry = transport.RetryConfig{MaxAttempts: 4, MinBackoff: 3 * time.Second, MaxBackoff: 7 * time.Second, MaxDoublings: 1}

// advance moves the model's clock and runs what becomes due.
func (m *model) advance(d time.Duration) {
	end := m.now.Add(d)
	for !m.paused {
		var next *modelTask
		for _, t := range m.tasks {
			if next == nil || t.due.Before(next.due) {
				next = t
			}
		}
		if next == nil || next.due.After(end) {
			break
		}
		if next.due.After(m.now) {
			m.now = next.due
		}
		m.attempt(next)
	}
	m.now = end
}

func (m *model) attempt(t *modelTask) {
	t.attempts++
	m.log = append(m.log, entryOf(t.id, t.attempts, m.now))
	switch {
	case t.attempts > t.failures:
		m.leave(t)
	case t.attempts == modelRetry.MaxAttempts:
		m.gaveUp = append(m.gaveUp, t.id)
		m.leave(t)
	default:
		t.due = m.now.Add(modelRetry.Delay(t.attempts))
	}
}

func (m *model) leave(t *modelTask) {
	delete(m.tasks, t.id)
	if t.named {
		m.gone[t.id] = m.now.Add(transport.TombstoneTTL)
	}
}

func (m *model) verdict(id string) error {
	if m.tasks[id] != nil {
		return transport.ErrExists
	}
	if m.now.Before(m.gone[id]) {
		return transport.ErrGone
	}
	return nil
}

func entryOf(id string, attempt int, at time.Time) string {
	return fmt.Sprintf("%s attempt %d at %s", id, attempt, at.Format(time.RFC3339Nano))
}

func TestModel_RandomOperations_AgreeWithTheNaiveEngine(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func runModel(t *testing.T, random *rand.Rand) {
	r := newRig(t, engine.Config{Queue: transport.QueueConfig{Retry: modelRetry}, ExhaustedLimit: 1 << 20})
	m := &model{now: time.Now(), tasks: map[string]*modelTask{}, gone: map[string]time.Time{}}
	r.respond(func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		var failures int
		fmt.Sscan(string(d.Body), &failures)
		if d.Attempt > failures {
			return 200, 0, nil
		}
		return 500, 0, nil
	})
	r.serve("")
	r.put(transport.QueueConfig{})

	for range 600 {
		synctest.Wait()
		m.advance(0)
		switch n := random.IntN(100); {
		case n < 55:
			enqueueBoth(r, m, random)
		case n < 65:
			onOne(r, m, random, r.Delete1, m.leave)
		case n < 72:
			onOne(r, m, random, r.RunNow, m.attempt)
		case n < 73:
			r.must(r.Purge(t.Context(), queue))
			for _, task := range m.tasks {
				m.leave(task)
			}
		case n < 76:
			r.must(r.Pause(t.Context(), queue))
			m.paused = true
		case n < 80:
			r.must(r.Resume(t.Context(), queue))
			m.paused = false
		default:
			d := time.Duration(random.IntN(20)) * time.Second
			if random.IntN(30) == 0 {
				d = 25 * time.Hour
			}
			time.Sleep(d)
			m.advance(d)
		}
		synctest.Wait()
		m.advance(0)
		if r.Backlog() != len(m.tasks) {
			t.Fatalf("Backlog = %d, the model has %d", r.Backlog(), len(m.tasks))
		}
	}
	r.must(r.Resume(t.Context(), queue))
	m.paused = false
	time.Sleep(100 * time.Hour)
	m.advance(100 * time.Hour)
	r.wantBacklog(0)
	compare(t, r, m)
	r.must(r.Shutdown(t.Context()))
}

func enqueueBoth(r *rig, m *model, random *rand.Rand) {
	task := &modelTask{due: m.now, failures: max(0, random.IntN(10)-5)}
	if random.IntN(2) == 0 {
		task.due = m.now.Add(time.Duration(random.IntN(60)) * time.Second)
	}
	want := error(nil)
	if random.IntN(3) == 0 {
		task.named = true
		task.id = fmt.Sprint("t-", random.IntN(150))
		want = m.verdict(task.id)
	}
	receipt, err := r.try(id(task.id), func(t *transport.Task) {
		t.ETA = task.due
		t.Body = fmt.Append(nil, task.failures)
	})
	if !errors.Is(err, want) || receipt.Duplicate != (want != nil) {
		r.t.Fatalf("Enqueue of %q: %+v, %v; want %v", task.id, receipt, err, want)
	}
	if want == nil {
		task.id = receipt.ID
		m.tasks[task.id] = task
	}
}

// onOne does something to a random task that waits.
func onOne(r *rig, m *model, random *rand.Rand, real func(context.Context, string, string) error, modeled func(*modelTask)) {
	if len(m.tasks) == 0 {
		return
	}
	ids := make([]string, 0, len(m.tasks))
	for id := range m.tasks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	task := m.tasks[ids[random.IntN(len(ids))]]
	r.must(real(context.Background(), queue, task.id))
	modeled(task)
}

// Delete1 is Delete with the signature of RunNow.
func (r *rig) Delete1(ctx context.Context, queue, id string) error { return r.Delete(ctx, queue, id) }

func compare(t *testing.T, r *rig, m *model) {
	t.Helper()
	var log, gaveUp []string
	for _, c := range r.seen() {
		if c.d.Exhausted {
			continue
		}
		log = append(log, entryOf(c.d.ID, c.d.Attempt, r.start.Add(c.at)))
	}
	for _, e := range r.Exhausted() {
		gaveUp = append(gaveUp, e.ID)
	}
	for _, both := range []struct {
		what      string
		got, want []string
	}{{"attempts", log, m.log}, {"given up", gaveUp, m.gaveUp}} {
		slices.Sort(both.got)
		slices.Sort(both.want)
		if !slices.Equal(both.got, both.want) {
			t.Errorf("%s: %s", both.what, firstDifference(both.got, both.want))
		}
	}
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%q, the model has %q", got[i], want[i])
		}
	}
	return fmt.Sprintf("%d, the model has %d (%.200s)", len(got), len(want), strings.Join(want, "; "))
}
