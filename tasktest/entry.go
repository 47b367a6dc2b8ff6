package tasktest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Entry is one task as it was enqueued.
type Entry[T any] struct {
	Args      T
	ID, Queue string
	ETA       time.Time // zero: at once
	Header    http.Header
	Timeout   time.Duration // zero: the default
}

// Record is one task as it was enqueued, whatever its type.
type Record struct {
	Task    string // the definition's name
	ID      string
	Queue   string
	ETA     time.Time // zero: at once
	Header  http.Header
	Body    []byte
	Timeout time.Duration

	url     string
	at      time.Time // when it was enqueued
	claimed bool
}

// Recorded lists all that was ever enqueued, run or not, in order. What a snooze enqueues anew is among it; what
// was a duplicate is not.
func (r *Recorder) Recorded() []Record {
	var out []Record
	for _, rec := range r.transport.all() {
		out = append(out, *rec)
	}
	return out
}

// Enqueued lists the entries of one task: all ever recorded, run or not, in order.
func Enqueued[T any](r *Recorder, task tasks.Typed[T]) []Entry[T] {
	r.t.Helper()
	var out []Entry[T]
	for _, rec := range r.of(task) {
		out = append(out, entryOf[T](r, rec))
	}
	return out
}

// RequireEnqueued returns the one entry of the task that all matchers accept. It fails the test where there is
// none, and as ambiguous where there are several.
func RequireEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) Entry[T] {
	t.Helper()
	found := r.match(t, task, new(T), m)
	switch len(found) {
	case 1:
		return entryOf[T](r, r.claim(found)[0])
	case 0:
		t.Fatalf("tasktest: no %s was enqueued%s%s", task.Spec().Name, expected(m), r.explain(task, new(T), m))
	default:
		t.Fatalf("tasktest: ambiguous: %d of %s were enqueued%s; add matchers, or use RequireEnqueuedN\n%s",
			len(found), task.Spec().Name, expected(m), list("they are", found))
	}
	return Entry[T]{}
}

// RequireEnqueuedN returns the entries of the task that all matchers accept, and fails the test unless there are
// exactly n.
func RequireEnqueuedN[T any](t testing.TB, r *Recorder, task tasks.Typed[T], n int, m ...Matcher) []Entry[T] {
	t.Helper()
	found := r.match(t, task, new(T), m)
	if len(found) != n {
		t.Fatalf("tasktest: %d of %s were enqueued%s, want %d%s", len(found), task.Spec().Name, expected(m), n, r.explain(task, new(T), m))
	}
	out := make([]Entry[T], 0, n)
	for _, rec := range r.claim(found) {
		out = append(out, entryOf[T](r, rec))
	}
	return out
}

// RequireNotEnqueued fails the test where an entry of the task is accepted by all matchers.
func RequireNotEnqueued[T any](t testing.TB, r *Recorder, task tasks.Typed[T], m ...Matcher) {
	t.Helper()
	if found := r.match(t, task, new(T), m); len(found) > 0 {
		t.Fatalf("tasktest: %d of %s were enqueued%s, want none\n%s", len(found), task.Spec().Name, expected(m), list("they are", found))
	}
}

// RequireNothingElse fails the test where something was enqueued that no RequireEnqueued or RequireEnqueuedN has
// returned.
func RequireNothingElse(t testing.TB, r *Recorder) {
	t.Helper()
	var rest []*Record
	for _, rec := range r.transport.all() {
		if !rec.claimed {
			rest = append(rest, rec)
		}
	}
	if len(rest) > 0 {
		t.Fatalf("tasktest: %d tasks were enqueued that nothing asked for\n%s", len(rest), list("they are", rest))
	}
}

// of lists the records of a definition: by where they are delivered, so that aliases count.
func (r *Recorder) of(d tasks.Definition) []*Record {
	r.t.Helper()
	s := d.Spec()
	if !r.knows(d) {
		r.t.Fatalf("tasktest: %s is not registered with this recorder: pass it to tasktest.New", s.Name)
	}
	urls := map[string]bool{}
	for _, path := range append([]string{s.Path}, s.Aliases...) {
		urls[r.url(path)] = true
	}
	var out []*Record
	for _, rec := range r.transport.all() {
		if urls[rec.url] {
			out = append(out, rec)
		}
	}
	return out
}

func (r *Recorder) knows(d tasks.Definition) bool {
	for known := range r.app.Definitions() {
		if known == d {
			return true
		}
	}
	return false
}

func (r *Recorder) url(path string) string {
	cfg := r.app.Config()
	return cfg.Endpoint + "/" + cfg.TasksPath + "/" + path
}

// match lists the records of a definition that all matchers accept. sample tells the payload's type.
func (r *Recorder) match(t testing.TB, d tasks.Definition, sample any, ms []Matcher) []*Record {
	t.Helper()
	for _, m := range ms {
		if m == nil {
			t.Fatalf("tasktest: a matcher is nil")
		}
		if err := m.check(sample); err != nil {
			t.Fatalf("tasktest: %s: %v", d.Spec().Name, err)
		}
	}
	var found []*Record
	for _, rec := range r.of(d) {
		if len(r.misses(rec, sample, ms)) == 0 {
			found = append(found, rec)
		}
	}
	return found
}

// misses says what each matcher that does not accept rec has against it.
func (r *Recorder) misses(rec *Record, sample any, ms []Matcher) []string {
	args := r.decode(rec, sample)
	var out []string
	for _, m := range ms {
		out = append(out, m.misses(r, rec, args)...)
	}
	return out
}

// claim marks records as asked for.
func (r *Recorder) claim(found []*Record) []*Record {
	r.transport.mu.Lock()
	defer r.transport.mu.Unlock()
	for _, rec := range found {
		rec.claimed = true
	}
	return found
}

func entryOf[T any](r *Recorder, rec *Record) Entry[T] {
	r.t.Helper()
	return Entry[T]{
		Args: *r.decode(rec, new(T)).(*T), ID: rec.ID, Queue: rec.Queue, ETA: rec.ETA, Header: rec.Header.Clone(), Timeout: rec.Timeout,
	}
}

// explain shows the nearest entries and all that was recorded.
func (r *Recorder) explain(d tasks.Definition, sample any, ms []Matcher) string {
	var b strings.Builder
	for _, n := range r.nearest(d, sample, ms) {
		fmt.Fprintf(&b, "\nnearest: %s\n", n.rec)
		for _, miss := range n.misses {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(miss, "\n", "\n    "))
		}
	}
	if b.Len() == 0 {
		b.WriteByte('\n')
	}
	b.WriteString(list("recorded", r.transport.all()))
	return b.String()
}

// String shows a record on one line.
func (rec *Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s id=%s queue=%s", rec.Task, rec.ID, rec.Queue)
	if !rec.ETA.IsZero() {
		fmt.Fprintf(&b, " due in %s", rec.ETA.Sub(rec.at).Round(time.Millisecond))
	}
	fmt.Fprintf(&b, " %s", short(rec.Body))
	return b.String()
}

func list(title string, recs []*Record) string {
	if len(recs) == 0 {
		return "nothing was recorded"
	}
	const most = 20
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", title)
	for i, rec := range recs {
		if i == most {
			fmt.Fprintf(&b, "\n  ... and %d more", len(recs)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %s", rec)
	}
	return b.String()
}

func expected(ms []Matcher) string {
	if len(ms) == 0 {
		return ""
	}
	var parts []string
	for _, m := range ms {
		parts = append(parts, m.String())
	}
	return " with " + strings.Join(parts, ", ")
}

func short(body []byte) string {
	const most = 200
	if len(body) > most {
		return fmt.Sprintf("%s... (%d bytes)", body[:most], len(body))
	}
	return string(body)
}

// newRecord copies what was enqueued.
func newRecord(name string, t *transport.Task, r transport.Receipt, at time.Time) *Record {
	return &Record{
		Task: name, ID: r.ID, Queue: r.Queue, ETA: t.ETA, Header: t.Header.Clone(), Body: append([]byte(nil), t.Body...),
		Timeout: t.Timeout, url: t.URL, at: at,
	}
}
