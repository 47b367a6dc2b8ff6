package tasktest

import (
	"net/http"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// Entry is one task as it was enqueued.
type Entry[T any] struct {
	Args      T
	ID, Queue string
	ETA       time.Time // zero: at once
	Header    http.Header
	Timeout   time.Duration // zero: the default
}

// Enqueued lists the entries of one task: all ever recorded, run or not, in order.
func Enqueued[T any](r *Recorder, task tasks.Typed[T]) []Entry[T] {
	r.t.Helper()
	r.require(r.t, task)
	return typed[T](r.t, r, r.of(task))
}

// RequireEnqueued returns the one entry of the task that all matchers accept. It fails the test where there is
// none, and as ambiguous where there are several.
func RequireEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) Entry[T] {
	t.Helper()
	s := newSearch(t, r, task, new(T), m)
	switch len(s.found) {
	case 1:
		return take[T](t, s)[0]
	case 0:
		s.failf("no %s was enqueued", s.name)
	default:
		s.failf("ambiguous: %d of %s were enqueued, want one: add matchers, or use RequireEnqueuedN", len(s.found), s.name)
	}
	return Entry[T]{}
}

// RequireEnqueuedN returns the entries of the task that all matchers accept, in order, and fails the test unless
// there are exactly n.
func RequireEnqueuedN[T any](t testing.TB, r *Recorder, task tasks.Typed[T], n int, m ...Matcher) []Entry[T] {
	t.Helper()
	s := newSearch(t, r, task, new(T), m)
	if len(s.found) != n {
		s.failf("%d of %s %s enqueued, want %d", len(s.found), s.name, were(len(s.found)), n)
		return nil
	}
	return take[T](t, s)
}

// RequireNotEnqueued fails the test where an entry of the task is accepted by all matchers.
func RequireNotEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) {
	t.Helper()
	s := newSearch(t, r, task, new(T), m)
	if n := len(s.found); n > 0 {
		s.failf("%d of %s %s enqueued, want none", n, s.name, were(n))
	}
}

// RequireNothingElse fails the test where something was enqueued that no RequireEnqueued or RequireEnqueuedN has
// returned.
func RequireNothingElse(t testing.TB, r *Recorder) {
	t.Helper()
	if rest := r.transport.unclaimed(); len(rest) > 0 {
		t.Fatalf("tasktest: something was enqueued that no assertion asked for: %s%s", numbers(rest), recorded(r.transport.all(), rest))
	}
}

// take turns what was found into entries, and marks it as asked for.
func take[T any](t testing.TB, s *search) []Entry[T] {
	t.Helper()
	s.rec.transport.claim(s.found)
	return typed[T](t, s.rec, s.found)
}

func typed[T any](t testing.TB, r *Recorder, entries []*entry) []Entry[T] {
	t.Helper()
	var out []Entry[T]
	for _, e := range entries {
		out = append(out, Entry[T]{
			Args: *decode(t, r.cfg.Codec, e, new(T)).(*T), ID: e.ID, Queue: e.Queue, ETA: e.ETA, Header: e.Header.Clone(), Timeout: e.Timeout,
		})
	}
	return out
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
