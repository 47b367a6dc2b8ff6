package tasktest

import (
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// RequireNothingElse fails the test where something was enqueued or published that no RequireEnqueued,
// RequireEnqueuedN, RequirePublished or RequirePublishedN has returned. Two kinds of tasks are not asked for: one that
// publishes a message later, once the message is published and counts itself, and one that a message was turned into
// for its subscriber.
func RequireNothingElse(t testing.TB, r *Recorder) {
	t.Helper()
	rest := r.unasked()
	if len(rest) == 0 {
		return
	}
	enqueued, published := false, false
	for _, e := range rest {
		enqueued = enqueued || e.task != nil
		published = published || e.message != nil
	}
	verb := "enqueued and published"
	switch {
	case !published:
		verb = "enqueued"
	case !enqueued:
		verb = "published"
	}
	t.Fatalf("tasktest: something was %s that no assertion asked for: %s%s%s", verb, numbers(rest), recorded(r.transport.all(), rest), r.transport.firedText())
}

// unasked lists what an assertion should have asked for, and none did.
func (r *Recorder) unasked() (rest []*entry) {
	done := map[*entry]bool{} // tasks that have published
	for _, e := range r.transport.all() {
		done[e.by] = true
	}
	for _, e := range r.transport.unclaimed() {
		if e.task != nil {
			switch kind := r.kindAt(e.url); {
			case kind == tasks.KindSubscriber, kind == tasks.KindPublisher && done[e]:
				continue
			}
		}
		rest = append(rest, e)
	}
	return rest
}

// kindAt is the kind of the definition that a URL belongs to, empty if there is none.
func (r *Recorder) kindAt(url string) string {
	if d := r.at(url); d != nil {
		return d.Spec().Kind
	}
	return ""
}
