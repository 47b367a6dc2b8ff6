package soak_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Table is the report in tables for BENCHMARKS.md.
func (r *Report) Table() string {
	var b strings.Builder
	s := r.Settings
	fmt.Fprintf(&b, "\nSeed %d: %d clients, %d of them slow, for %s: %d requests, %.0f a second. ",
		s.Seed, s.Clients, s.Slow, r.Elapsed.Round(time.Second), r.Requests, float64(r.Requests)/r.Elapsed.Seconds())
	fmt.Fprintf(&b, "A good push whose function returns at once: p50 %s, p99 %s.\n", milliseconds(r.Tally.Percentile(0.5)), milliseconds(r.Tally.Percentile(0.99)))
	fmt.Fprintf(&b, "Promised %d, ran %d, of those again %d.\n", r.Long.Promised, r.Long.Runs, r.Long.Repeats)
	fmt.Fprintf(&b, "\n| what clients did, rounds included | answers |\n|---|---|\n")
	r.Tally.mu.Lock()
	defer r.Tally.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(r.Tally.answers)) {
		var answers []string
		for _, status := range slices.Sorted(maps.Keys(r.Tally.answers[kind])) {
			name := fmt.Sprint(status)
			if status == 0 {
				name = "none"
			}
			answers = append(answers, fmt.Sprintf("%s: %d", name, r.Tally.answers[kind][status]))
		}
		fmt.Fprintf(&b, "| %s | %s |\n", kind, strings.Join(answers, ", "))
	}
	fmt.Fprintf(&b, "\n| after | heap, MB | goroutines |\n|---|---|---|\n")
	for _, s := range r.Samples {
		fmt.Fprintf(&b, "| %s | %.2f | %d |\n", s.At.Round(time.Second), float64(s.Heap)/1e6, s.Goroutines)
	}
	if from, to, ok := ends(r.Samples, s.Long); ok {
		fmt.Fprintf(&b, "\nHeap at %s to the one at %s: %.3f.\n", to.At.Round(time.Second), from.At.Round(time.Second), float64(to.Heap)/float64(from.Heap))
	}
	fmt.Fprintf(&b, "\n| round | load | shutdown | took | broken off | promised | ran | again | waiting |\n|---|---|---|---|---|---|---|---|---|\n")
	for i, round := range r.Rounds {
		broken := "no"
		if !round.InTime {
			broken = "yes"
		}
		fmt.Fprintf(&b, "| %d | %.1f s | %s | %.2f s | %s | %d | %d | %d | %d |\n", i+1, round.Load.Seconds(), round.Order, round.Took.Seconds(), broken,
			round.Promised, round.Runs, round.Repeats, round.Left)
	}
	fmt.Fprintf(&b, "\nFaults: %d.\n", len(r.Faults))
	return b.String()
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
