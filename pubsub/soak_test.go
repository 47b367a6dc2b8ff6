package pubsub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

const (
	soakKeys     = 400
	soakAlways   = 1 << 30 // failures of what fails each time
	soakAttempts = 5
	soakRefused  = 0 // of them, by an App that is shutting down
)

// soakEvent is one message of a key, which fails so often before it is done.
type soakEvent struct {
	ID       int    `json:"id"`
	Key      string `json:"key" validate:"required"`
	Failures int    `json:"failures"`
}

func (e soakEvent) OrderingKey() string { return e.Key }

// soakEvents makes n events whose failures are random, few enough for the attempts that a restart takes.
func soakEvents(n int) []soakEvent {
	random := rand.New(rand.NewPCG(4, 4))
	events := make([]soakEvent, n)
	for i := range events {
		failures := 0
		switch p := random.IntN(1000); {
		case p < 10:
			failures = soakAlways
		case p < 60:
			failures = 2
		case p < 150:
			failures = 1
		}
		events[i] = soakEvent{i + 1, fmt.Sprint("key-", random.IntN(soakKeys)), failures}
	}
	return events
}

// soakLedger holds what came against what must come, key by key.
type soakLedger struct {
	t testing.TB

	mu       sync.Mutex
	lines    map[string][]soakEvent // of each key, what is not done yet
	attempts map[int]int
	done     int
	dead     []int
	runs     int
}

func newSoakLedger(t testing.TB, events []soakEvent) *soakLedger {
	l := &soakLedger{t: t, lines: map[string][]soakEvent{}, attempts: map[int]int{}}
	for _, e := range events {
		l.lines[e.Key] = append(l.lines[e.Key], e)
	}
	return l
}

// handle is the subscriber's function: only the first of a key may come.
func (l *soakLedger) handle(_ context.Context, m pubsub.Message[soakEvent]) error {
	l.mu.Lock()
	l.runs++
	e := m.Data
	line := l.lines[e.Key]
	for len(line) > 0 && line[0].ID != e.ID && line[0].Failures == soakAlways && l.attempts[line[0].ID] >= soakAttempts-soakRefused {
		line = line[1:] // a dead letter, which may be told of later
	}
	l.lines[e.Key] = line
	if m.OrderingKey != e.Key || len(line) == 0 || line[0].ID != e.ID {
		l.t.Errorf("%d of %s came, out of order", e.ID, e.Key)
	}
	l.attempts[e.ID]++
	fails := l.attempts[e.ID] <= e.Failures
	l.mu.Unlock()

	time.Sleep(time.Duration(e.ID%7) * time.Millisecond)
	if fails {
		return errEv
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := l.lines[e.Key]; len(line) > 0 {
		l.lines[e.Key] = line[1:]
	}
	l.done++
	return nil
}

// bury takes a dead letter.
func (l *soakLedger) bury(_ context.Context, m pubsub.Message[soakEvent]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = append(l.dead, m.Data.ID)
	if n := l.attempts[m.Data.ID]; n < soakAttempts-soakRefused || n > soakAttempts {
		l.t.Errorf("%d is dead after %d runs", m.Data.ID, n)
	}
	return nil
}

// check compares the end with what must have come of the events.
func (l *soakLedger) check(events []soakEvent) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var doomed []int
	for _, e := range events {
		if e.Failures == soakAlways {
			doomed = append(doomed, e.ID)
		}
	}
	slices.Sort(l.dead)
	if !slices.Equal(l.dead, doomed) {
		l.t.Errorf("%d dead letters, want the %d that failed each time", len(l.dead), len(doomed))
	}
	if l.done != len(events)-len(doomed) {
		l.t.Errorf("%d were done, want %d", l.done, len(events)-len(doomed))
	}
}

// soakConsumer is an App that receives until the test stops it.
func soakConsumer(t testing.TB, m *memory.Transport, sub tasks.Definition) (*tasks.App, evReceiving) {
	t.Helper()
	app := evApp(t, tasks.Config{Name: "consumer", Transport: m, Endpoint: "http://consumer"}, sub)
	return app, evReceive(t.Context(), app)
}

// 100,000 messages, of which many fail and some always do, and a consumer that is stopped and started again, once by
// its context and once with its App: none is lost, each key keeps its order, and dead are exactly those that failed
// each time.
func TestSoak_RandomFailuresAndRestarts_NothingIsLostAndOrderHolds(t *testing.T) {
	n := 100_000
	if testing.Short() || raceEnabled {
		n = 20_000
	}
	synctest.Test(t, func(t *testing.T) {
		events := soakEvents(n)
		ledger := newSoakLedger(t, events)
		m := memory.New()
		p := pubsub.NewPublisher[soakEvent](pubsub.Topic("events"), pubsub.Ordered())
		evApp(t, tasks.Config{Name: "keeper", Transport: m, Endpoint: "http://keeper"}, p,
			pubsub.NewSubscriber(ledger.bury, pubsub.Topic("events-dead"), pubsub.Subscription("dead")))
		sub := pubsub.NewSubscriber(ledger.handle, pubsub.Topic("events"), pubsub.Subscription("events"), pubsub.Pull(), pubsub.Ordered(),
			pubsub.DeadLetter("events-dead"), pubsub.MaxDeliveryAttempts(soakAttempts), pubsub.Backoff(time.Second, 4*time.Second))
		backlog := func() int { return evDo(m.SubscriptionBacklog(t.Context(), "events"))(t) }

		first, receiving := soakConsumer(t, m, sub)
		chunks := slices.Collect(slices.Chunk(events, n/100))
		publish := func(chunks [][]soakEvent) {
			for _, chunk := range chunks {
				for _, r := range p.PublishAll(t.Context(), chunk) {
					if r.Err != nil {
						t.Fatal(r.Err)
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		publish(chunks[:40])
		if err := receiving.stop(); err != nil {
			t.Error(err)
		}
		if err := first.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		stopped := ledger.runs
		publish(chunks[40:50])
		evPass(time.Minute)
		if ledger.runs != stopped || backlog() < n/10 {
			t.Fatalf("%d ran without a consumer, %d wait", ledger.runs-stopped, backlog())
		}

		second, receiving := soakConsumer(t, m, sub)
		publish(chunks[50:80])
		if err := second.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-receiving.done; err != nil {
			t.Error(err)
		}
		if backlog() == 0 {
			t.Error("nothing waits: the restart proves nothing")
		}
		_, receiving = soakConsumer(t, m, sub)
		publish(chunks[80:])
		evPass(time.Hour)
		if left := backlog(); left != 0 {
			t.Errorf("%d are left", left)
		}
		if err := receiving.stop(); err != nil {
			t.Error(err)
		}
		ledger.check(events)
	})
}
