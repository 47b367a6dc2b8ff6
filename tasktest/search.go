package tasktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// search is one assertion's look through what was recorded of its subject.
type search struct {
	*subject
	t        testing.TB
	matchers []Matcher
	found    []*entry // accepted by all matchers
	near     []near   // the others, the nearest first
}

// near is an entry that was not accepted, and why.
type near struct {
	*entry
	misses []miss
}

// miss is one thing that speaks against an entry.
type miss struct{ what, how string }

func newSearch(t testing.TB, about *subject, matchers []Matcher) *search {
	t.Helper()
	s := &search{subject: about, t: t, matchers: matchers}
	var tests []test
	for i, m := range matchers {
		if m == nil {
			t.Fatalf("tasktest: %s: matcher %d is nil: leave it out", s.name, i+1)
		}
		test, err := m.prepare(about)
		if err != nil {
			t.Fatalf("tasktest: %s: %v", s.name, err)
		}
		tests = append(tests, test)
	}
	for _, e := range about.entries() {
		args := about.decode(t, e)
		var misses []miss
		for _, test := range tests {
			misses = append(misses, test(e, args)...)
		}
		if len(misses) == 0 {
			s.found = append(s.found, e)
		} else {
			s.near = append(s.near, near{e, misses})
		}
	}
	slices.SortStableFunc(s.near, func(a, b near) int { return len(a.misses) - len(b.misses) })
	return s
}

// one returns what was found, marked as asked for, if it is one. Otherwise it fails the test; instead is the
// assertion for several.
func (s *search) one(instead string) ([]*entry, bool) {
	s.t.Helper()
	switch n := len(s.found); n {
	case 1:
		s.rec.transport.claim(s.found)
		return s.found, true
	case 0:
		s.failf("no %s was %s", s.name, s.verb())
	default:
		s.failf("ambiguous: %d of %s were %s, want one: add matchers, or use %s", n, s.name, s.verb(), instead)
	}
	return nil, false
}

// exactly returns what was found, marked as asked for, or fails the test unless that is n.
func (s *search) exactly(n int) []*entry {
	s.t.Helper()
	if len(s.found) != n {
		s.failf("%d of %s %s %s, want %d", len(s.found), s.name, were(len(s.found)), s.verb(), n)
		return nil
	}
	s.rec.transport.claim(s.found)
	return s.found
}

// none fails the test where something was found.
func (s *search) none() {
	s.t.Helper()
	if n := len(s.found); n > 0 {
		s.failf("%d of %s %s %s, want none", n, s.name, were(n), s.verb())
	}
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// How much a failure shows.
const (
	mostNear    = 3  // of the nearest entries
	mostMisses  = 10 // of one entry's differences
	mostRecords = 20
)

// failf fails the test: what was expected, how the nearest entries differ, or which ones were found, and all that
// was recorded.
func (s *search) failf(format string, args ...any) {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "tasktest: "+format, args...)
	for i, m := range s.matchers {
		if i == 0 {
			b.WriteString("\nwith")
		}
		fmt.Fprintf(&b, "\n    %s", m)
	}
	shown := s.found
	if len(s.found) > 0 {
		fmt.Fprintf(&b, "\nfound\n    %s", numbers(s.found))
	} else if len(s.near) > 0 {
		b.WriteString("\nnearest")
		for _, n := range s.near[:min(len(s.near), mostNear)] {
			b.WriteString(n.String())
			shown = append(shown, n.entry)
		}
	}
	b.WriteString(recorded(s.rec.transport.all(), shown) + s.rec.transport.firedText())
	s.t.Fatalf("%s", b.String())
}

// String shows what speaks against the entry, a line each.
func (n near) String() string {
	misses := n.misses[:min(len(n.misses), mostMisses)]
	width := 0
	for _, m := range misses {
		width = max(width, len(m.what))
	}
	head := fmt.Sprintf("#%d ", n.number)
	var b strings.Builder
	for i, m := range misses {
		if i == 1 {
			head = strings.Repeat(" ", len(head))
		}
		fmt.Fprintf(&b, "\n    %s%-*s  %s", head, width, m.what, m.how)
	}
	if more := len(n.misses) - len(misses); more > 0 {
		fmt.Fprintf(&b, "\n    %s... and %d more differences", head, more)
	}
	return b.String()
}

// recorded lists all that was recorded. Where that is too much, those to be shown are kept.
func recorded(all, show []*entry) string {
	if len(all) == 0 {
		return "\nrecorded\n    nothing (what counts is enqueued or published under rec.Context())"
	}
	var b strings.Builder
	b.WriteString("\nrecorded")
	hidden := 0
	for i, e := range all {
		if i >= mostRecords && !slices.Contains(show[:min(len(show), mostRecords)], e) {
			hidden++
			continue
		}
		fmt.Fprintf(&b, "\n    #%d %s", e.number, e)
	}
	if hidden > 0 {
		fmt.Fprintf(&b, "\n    ... and %d more", hidden)
	}
	return b.String()
}

func numbers(entries []*entry) string {
	var parts []string
	for _, e := range entries[:min(len(entries), mostRecords)] {
		parts = append(parts, fmt.Sprintf("#%d", e.number))
	}
	if more := len(entries) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
