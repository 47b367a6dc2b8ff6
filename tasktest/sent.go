package tasktest

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
)

// Sent is one message as it was published.
type Sent[M any] struct {
	Message     M
	Attributes  map[string]string
	OrderingKey string
	Topic       string // as the publisher names it
	ID          string
	PublishTime time.Time
	Header      http.Header // the propagated headers that it carries, in its data or its attributes
}

// Published lists the messages of one publisher, whatever topic they went to: all ever recorded, delivered or not,
// in order. What [pubsub.Publisher.Enqueue] enqueued is among them once its task has run. What another publisher sent
// to the same topic is not.
func Published[M any](r *Recorder, p pubsub.Typed[M]) []Sent[M] {
	r.t.Helper()
	s := r.subject(r.t, p, new(M))
	return sentAs[M](r.t, s, s.entries())
}

// RequirePublished returns the one message of the publisher that all matchers accept. It fails the test where there is
// none, and as ambiguous where there are several.
func RequirePublished[M any](t testing.TB, r *Recorder, p pubsub.Typed[M], m ...Matcher) Sent[M] {
	t.Helper()
	s := newSearch(t, r.subject(t, p, new(M)), m)
	if found, ok := s.one("RequirePublishedN"); ok {
		return sentAs[M](t, s.subject, found)[0]
	}
	return Sent[M]{}
}

// RequirePublishedN returns the messages of the publisher that all matchers accept, in order, and fails the test
// unless there are exactly n.
func RequirePublishedN[M any](t testing.TB, r *Recorder, p pubsub.Typed[M], n int, m ...Matcher) []Sent[M] {
	t.Helper()
	s := newSearch(t, r.subject(t, p, new(M)), m)
	return sentAs[M](t, s.subject, s.exactly(n))
}

// RequireNotPublished fails the test where a message of the publisher is accepted by all matchers.
func RequireNotPublished[M any](t testing.TB, r *Recorder, p pubsub.Typed[M], m ...Matcher) {
	t.Helper()
	newSearch(t, r.subject(t, p, new(M)), m).none()
}

func sentAs[M any](t testing.TB, s *subject, entries []*entry) []Sent[M] {
	t.Helper()
	var out []Sent[M]
	for _, e := range entries {
		m := e.message
		out = append(out, Sent[M]{
			Message: *s.decode(t, e).(*M), Attributes: maps.Clone(m.Attributes), OrderingKey: m.OrderingKey,
			Topic: m.Topic, ID: m.ID, PublishTime: m.PublishTime, Header: m.Header.Clone(),
		})
	}
	return out
}
