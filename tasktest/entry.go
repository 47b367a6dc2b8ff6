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
	s := r.subject(r.t, task, new(T))
	return typed[T](r.t, s, s.entries())
}

// RequireEnqueued returns the one entry of the task that all matchers accept. It fails the test where there is
// none, and as ambiguous where there are several.
func RequireEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) Entry[T] {
	t.Helper()
	s := newSearch(t, r.subject(t, task, new(T)), m)
	if found, ok := s.one("RequireEnqueuedN"); ok {
		return typed[T](t, s.subject, found)[0]
	}
	return Entry[T]{}
}

// RequireEnqueuedN returns the entries of the task that all matchers accept, in order, and fails the test unless
// there are exactly n.
func RequireEnqueuedN[T any](t testing.TB, r *Recorder, task tasks.Typed[T], n int, m ...Matcher) []Entry[T] {
	t.Helper()
	s := newSearch(t, r.subject(t, task, new(T)), m)
	return typed[T](t, s.subject, s.exactly(n))
}

// RequireNotEnqueued fails the test where an entry of the task is accepted by all matchers.
func RequireNotEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) {
	t.Helper()
	newSearch(t, r.subject(t, task, new(T)), m).none()
}

func typed[T any](t testing.TB, s *subject, entries []*entry) []Entry[T] {
	t.Helper()
	var out []Entry[T]
	for _, e := range entries {
		out = append(out, Entry[T]{
			Args: *s.decode(t, e).(*T), ID: e.task.ID, Queue: e.task.Queue, ETA: e.task.ETA, Header: e.task.Header.Clone(), Timeout: e.task.Timeout,
		})
	}
	return out
}
