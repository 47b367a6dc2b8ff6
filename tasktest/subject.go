package tasktest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// subject is what an assertion is about: the tasks of a definition, or the messages of a publisher.
type subject struct {
	rec      *Recorder
	name     string // the definition's
	messages bool
	urls     []string // of tasks
	codec    tasks.Codec
	sample   any // points to a payload
}

// subject fails the test where d is not registered with the recorder. sample points to a payload of it.
func (r *Recorder) subject(t testing.TB, d tasks.Definition, sample any) *subject {
	t.Helper()
	r.require(t, d)
	spec := d.Spec()
	s := &subject{rec: r, name: spec.Name, codec: r.cfg.Codec, sample: sample}
	if spec.Kind != tasks.KindPublisher {
		s.urls = r.urls(spec)
		return s
	}
	is, err := pubsub.Describe(r.cfg, d)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	s.messages, s.codec = true, codecOf(is)
	return s
}

// verb is what happens to what the assertion is about.
func (s *subject) verb() string {
	if s.messages {
		return "published"
	}
	return "enqueued"
}

// entries lists what was recorded of the subject.
func (s *subject) entries() (out []*entry) {
	for _, e := range s.rec.transport.all() {
		if s.has(e) {
			out = append(out, e)
		}
	}
	return out
}

func (s *subject) has(e *entry) bool {
	if s.messages {
		return e.message != nil && e.message.Publisher == s.name
	}
	return e.task != nil && slices.Contains(s.urls, e.url)
}

// decode returns a pointer to the entry's payload, of the sample's type.
func (s *subject) decode(t testing.TB, e *entry) any {
	t.Helper()
	ptr := reflect.New(reflect.TypeOf(s.sample).Elem()).Interface()
	data := e.payload()
	if _, raw := s.codec.(rawCodec); s.messages && !raw {
		_, data = pushwire.ExtractHeaders(data, s.rec.cfg.PropagatedHeadersKey)
	}
	into := target(ptr)
	if s.messages && len(data) == 0 { // no codec is asked on delivery either
		return ptr
	}
	if err := s.codec.Unmarshal(data, into); err != nil {
		t.Fatalf("tasktest: #%d %s: the payload does not decode: %v", e.number, e, err)
	}
	return ptr
}
