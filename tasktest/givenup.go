package tasktest

import (
	"fmt"
	"strings"
	"testing"
)

// GivenUp is a task that ran out of attempts, or grew too old for another.
type GivenUp struct {
	Task      string // the definition's name
	ID, Queue string
	Attempts  int
	Err       error // of the last attempt
}

// GivenUp lists the tasks that ran out of attempts in Drain and Advance, a thousand at most, in order. A task that
// fails for good is no failure of Drain: check for it with [RequireNoneGivenUp].
func (r *Recorder) GivenUp() []GivenUp {
	var all []GivenUp
	for _, e := range r.transport.Exhausted() {
		all = append(all, GivenUp{Task: r.nameOf(e.URL), ID: e.ID, Queue: e.Queue, Attempts: e.Attempts, Err: e.LastErr})
	}
	return all
}

// RequireNoneGivenUp fails the test where a task ran out of attempts, and shows each with its last error.
func RequireNoneGivenUp(t testing.TB, r *Recorder) {
	t.Helper()
	all := r.GivenUp()
	if len(all) == 0 {
		return
	}
	var b strings.Builder
	for _, g := range all {
		fmt.Fprintf(&b, "\n    %s, id %s on %q, after %d attempts: %v", g.Task, g.ID, g.Queue, g.Attempts, g.Err)
	}
	t.Fatalf("tasktest: %d tasks were given up%s", len(all), b.String())
}
