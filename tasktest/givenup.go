package tasktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// GivenUp is a task, a message for one subscriber, or a run of a periodic task that its schedule began, that ran out of
// attempts or grew too old for another.
type GivenUp struct {
	Task      string // the definition's name
	ID, Queue string
	Attempts  int
	Err       error // of the last attempt

	Subscription string // of a message, which has no Queue
	DeadLetter   string // the topic that a message went to; empty: it is lost

	Job string // of a run that a schedule began, which has neither ID nor Queue

	at time.Time
}

// String shows it on one line.
func (g GivenUp) String() string {
	s := fmt.Sprintf("%s, id %s on %q, after %d attempts", g.Task, g.ID, or(g.Subscription, g.Queue), g.Attempts)
	if g.Job != "" {
		s = fmt.Sprintf("%s, a run of job %q, after %d attempts", g.Task, g.Job, g.Attempts)
	}
	if g.DeadLetter != "" {
		s += fmt.Sprintf(", now in %q", g.DeadLetter)
	}
	return fmt.Sprintf("%s: %v", s, g.Err)
}

// GivenUp lists the tasks, the messages and the runs of periodic tasks that ran out of attempts in Drain and Advance, a
// thousand tasks and a thousand others at most, in order. One that fails for good is no failure of Drain: check for it with [RequireNoneGivenUp].
func (r *Recorder) GivenUp() []GivenUp {
	var all []GivenUp
	for _, e := range r.transport.Exhausted() {
		all = append(all, GivenUp{Task: r.nameOf(e.URL), ID: e.ID, Queue: e.Queue, Attempts: e.Attempts, Err: e.LastErr, at: e.GivenUp})
	}
	all = append(all, r.transport.lostMessages()...)
	slices.SortStableFunc(all, func(a, b GivenUp) int { return a.at.Compare(b.at) })
	return all
}

// RequireNoneGivenUp fails the test where a task, a message or a run of a periodic task ran out of attempts, and shows
// each with its last error.
func RequireNoneGivenUp(t testing.TB, r *Recorder) {
	t.Helper()
	all := r.GivenUp()
	if len(all) == 0 {
		return
	}
	counts := map[string]int{}
	var b strings.Builder
	for _, g := range all {
		counts[g.what()]++
		fmt.Fprintf(&b, "\n    %s", g)
	}
	var parts []string
	for _, what := range []string{"tasks", "messages", "runs of jobs"} {
		if n := counts[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	t.Fatalf("tasktest: %s were given up%s", strings.Join(parts, " and "), b.String())
}

// what was given up, in the plural.
func (g GivenUp) what() string {
	switch {
	case g.Job != "":
		return "runs of jobs"
	case g.Subscription != "":
		return "messages"
	}
	return "tasks"
}

// lostMessages lists the messages that were given up.
func (s *recording) lostMessages() []GivenUp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost)
}
