package main

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
	enqueued    = "enqueued"
	duplicate   = "duplicate"
	rejected    = "rejected"
	executed    = "executed"
	retried     = "retried"
	failed      = "failed"
	discarded   = "discarded"
	snoozed     = "snoozed"
	quarantined = "quarantined"
)

// event is something that happened to a task, or to n tasks at once.
type event struct {
	task    string
	outcome string
	n       int
	id      string
	detail  string
}

// journal counts what happens to tasks, and tells it in order.
type journal struct {
	tell func(event)

	mu     sync.Mutex
	counts counts
	news   chan struct{} // closed and replaced with every event
}

// counts says how often a task had an outcome.
type counts map[mark]int

type mark struct{ task, outcome string }

func newJournal(tell func(event)) *journal {
	return &journal{tell: tell, counts: counts{}, news: make(chan struct{})}
}

func (j *journal) record(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(e)
}

// add is record for a caller that holds the lock.
func (j *journal) add(e event) {
	j.counts[mark{e.task, e.outcome}] += e.n
	j.tell(e)
	close(j.news)
	j.news = make(chan struct{})
}

// now returns the counts so far, and a channel that is closed when they change.
func (j *journal) now() (counts, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.counts), j.news
}

// await returns once all of want has happened since then. When ctx ends first, its error says what has not.
func (j *journal) await(ctx context.Context, since, want counts) error {
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

// summary lists the outcomes of all tasks.
func (j *journal) summary() string {
	now, _ := j.now()
	total := map[string]int{}
	for m, n := range now {
		total[m.outcome] += n
	}
	var words []string
	for _, outcome := range []string{executed, rejected, retried, discarded, snoozed, duplicate, quarantined} {
		words = append(words, fmt.Sprintf("%s=%d", outcome, total[outcome]))
	}
	return strings.Join(words, " ")
}
