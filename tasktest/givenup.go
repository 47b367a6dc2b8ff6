package tasktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// GivenUp is a task, or a message for one subscriber, that ran out of attempts or grew too old for another.
type GivenUp struct {
	Task      string // the definition's name
	ID, Queue string
	Attempts  int
	Err       error // of the last attempt

	Subscription string // of a message, which has no Queue
	DeadLetter   string // the topic that a message went to; empty: it is lost

	at time.Time
}

// String shows it on one line.
func (g GivenUp) String() string {
	s := fmt.Sprintf("%s, id %s on %q, after %d attempts", g.Task, g.ID, or(g.Subscription, g.Queue), g.Attempts)
	if g.DeadLetter != "" {
		s += fmt.Sprintf(", now in %q", g.DeadLetter)
	}
	return fmt.Sprintf("%s: %v", s, g.Err)
}

// GivenUp lists the tasks and the messages that ran out of attempts in Drain and Advance, a thousand of each at most,
// in order. One that fails for good is no failure of Drain: check for it with [RequireNoneGivenUp].
func (r *Recorder) GivenUp() []GivenUp {
	var all []GivenUp
	for _, e := range r.transport.Exhausted() {
		all = append(all, GivenUp{Task: r.nameOf(e.URL), ID: e.ID, Queue: e.Queue, Attempts: e.Attempts, Err: e.LastErr, at: e.GivenUp})
	}
	all = append(all, r.transport.lostMessages()...)
	slices.SortStableFunc(all, func(a, b GivenUp) int { return a.at.Compare(b.at) })
	return all
}

// RequireNoneGivenUp fails the test where a task or a message ran out of attempts, and shows each with its last error.
func RequireNoneGivenUp(t testing.TB, r *Recorder) {
	t.Helper()
	all := r.GivenUp()
	if len(all) == 0 {
		return
	}
	messages := 0
	var b strings.Builder
	for _, g := range all {
		if g.Subscription != "" {
			messages++
		}
		fmt.Fprintf(&b, "\n    %s", g)
	}
	t.Fatalf("tasktest: %s were given up%s", tasksAndMessages(len(all)-messages, messages), b.String())
}

func tasksAndMessages(tasks, messages int) string {
	var parts []string
	if tasks > 0 {
		parts = append(parts, fmt.Sprintf("%d tasks", tasks))
	}
	if messages > 0 {
		parts = append(parts, fmt.Sprintf("%d messages", messages))
	}
	return strings.Join(parts, " and ")
}

// lostMessages lists the messages that were given up.
func (s *recording) lostMessages() []GivenUp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost)
}
