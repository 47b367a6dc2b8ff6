// Package tour is a guided tour of the shop. It does what customers do, waits for what must come of it, and tells
// it as it happens.
package tour

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// What can become of a task.
const (
	Enqueued    = "enqueued"
	Duplicate   = "duplicate"
	Rejected    = "rejected"
	Executed    = "executed"
	Retried     = "retried"
	Failed      = "failed"
	Discarded   = "discarded"
	Snoozed     = "snoozed"
	Quarantined = "quarantined"
)

// Event is something that happened to a task, or to N tasks at once.
type Event struct {
	Task    string
	Outcome string
	N       int
	ID      string
	Detail  string
}

// Journal counts what happens to tasks, and tells it in order.
type Journal struct {
	tell func(Event)

	mu     sync.Mutex
	counts counts
	news   chan struct{} // closed and replaced with every event
}

// counts says how often a task had an outcome.
type counts map[mark]int

type mark struct{ task, outcome string }

// NewJournal returns an empty journal that hands each event to tell.
func NewJournal(tell func(Event)) *Journal {
	return &Journal{tell: tell, counts: counts{}, news: make(chan struct{})}
}

func (j *Journal) record(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(e)
}

// add is record for a caller that holds the lock.
func (j *Journal) add(e Event) {
	j.counts[mark{e.Task, e.Outcome}] += e.N
	j.tell(e)
	close(j.news)
	j.news = make(chan struct{})
}

// now returns the counts so far, and a channel that is closed when they change.
func (j *Journal) now() (counts, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.counts), j.news
}

// await returns once all of want has happened since then. When ctx ends first, its error says what has not.
func (j *Journal) await(ctx context.Context, since, want counts) error {
	for {
		now, news := j.now()
		missing := want.missing(since, now)
		if missing == nil {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", strings.Join(missing, ", "), context.Cause(ctx))
		}
	}
}

// missing lists what has not happened between two moments.
func (want counts) missing(since, now counts) (missing []string) {
	for m, n := range want {
		if got := now[m] - since[m]; got < n {
			missing = append(missing, fmt.Sprintf("%s was %s %d times, not %d", m.task, m.outcome, got, n))
		}
	}
	slices.Sort(missing)
	return missing
}

// Summary lists how often each outcome was seen, of all tasks.
func (j *Journal) Summary() string {
	now, _ := j.now()
	total := map[string]int{}
	for m, n := range now {
		total[m.outcome] += n
	}
	var words []string
	for _, outcome := range []string{Executed, Rejected, Retried, Discarded, Snoozed, Duplicate, Quarantined} {
		words = append(words, fmt.Sprintf("%s=%d", outcome, total[outcome]))
	}
	return strings.Join(words, " ")
}
