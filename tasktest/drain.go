package tasktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostRuns is how many runs Drain takes for a circle.
const mostRuns = 10_000

// Drain runs what is due, tasks and messages alike, in the test's own goroutine, and moves the clock to what is due
// next, retries and ETAs included, until nothing is left but periodic work. If there is still work after 10,000 runs
// it fails the test and names what still turns.
//
// A schedule fires nothing in Drain, and what its times would have been while Drain moved the clock is not made up for:
// that is what Advance is for. Retries of a run that Advance began do take place.
//
// A task that fails every attempt ends there too, and so does a message with a dead-letter topic. One without, which
// Pub/Sub would deliver again for days, is given up after 100 attempts; Advance keeps to what Pub/Sub does. See
// [RequireNoneGivenUp].
func (r *Recorder) Drain() {
	r.t.Helper()
	r.transport.recount()
	r.transport.drain(true)
	defer r.transport.drain(false)
	for runs := 0; ; {
		due, ok := r.transport.next()
		if !ok {
			return
		}
		if runs == mostRuns {
			r.t.Fatalf("tasktest: Drain: %d runs and still work to do; what turns: %s.\n"+
				"What goes on for ever is for Advance, which moves the clock by as much as you say.", runs, r.busiest())
		}
		r.clock.Set(due)
		r.transport.jobs.SkipDue()
		runs += r.runDue(mostRuns - runs)
	}
}

// Advance moves the clock by d and runs what becomes due on the way, each at its own time, periodic tasks at those of
// their schedules too. If there is still work after 10,000 runs at one moment it fails the test and names what still
// turns.
func (r *Recorder) Advance(d time.Duration) {
	r.t.Helper()
	if d < 0 {
		r.t.Fatalf("tasktest: Advance(%s): the clock does not go back", d)
	}
	end := r.clock.Now().Add(d)
	r.transport.recount()
	for runs := 0; ; {
		due, ok := r.transport.next()
		if !ok || due.After(end) {
			r.clock.Set(end)
			return
		}
		if due.After(r.clock.Now()) {
			runs = 0
			r.transport.recount()
		}
		if runs == mostRuns {
			r.t.Fatalf("tasktest: Advance(%s): %d runs and the clock has not moved; what turns: %s", d, runs, r.busiest())
		}
		r.clock.Set(due)
		runs += r.runDue(mostRuns - runs)
	}
}

// AdvanceTo moves the clock to t, as Advance does: to a Monday, say, where a schedule cares for days. It fails the test
// where t is past already.
func (r *Recorder) AdvanceTo(t time.Time) {
	r.t.Helper()
	d := t.Sub(r.clock.Now())
	if d < 0 {
		r.t.Fatalf("tasktest: AdvanceTo(%s): it is %s already, and the clock does not go back", t.Format(time.RFC3339), r.clock.Now().Format(time.RFC3339))
	}
	r.Advance(d)
}

// runDue runs what is due now, most runs at the most, and returns how many it were.
func (r *Recorder) runDue(most int) (runs int) {
	for ; runs < most; runs++ {
		if !r.transport.runNext(r.t.Context(), r.pick) {
			break
		}
	}
	return runs
}

// busiest names the tasks and subscribers that ran most, five at most.
func (r *Recorder) busiest() string {
	type count struct {
		name string
		runs int
	}
	var counts []count
	for name, n := range r.transport.counts() {
		counts = append(counts, count{name, n})
	}
	slices.SortFunc(counts, func(a, b count) int {
		return cmp.Or(cmp.Compare(b.runs, a.runs), cmp.Compare(a.name, b.name))
	})
	var parts []string
	for _, c := range counts[:min(len(counts), 5)] {
		parts = append(parts, fmt.Sprintf("%s (%d runs)", c.name, c.runs))
	}
	return strings.Join(parts, ", ")
}
