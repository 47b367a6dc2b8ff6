package engine

import (
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// envelope is what many tasks have in common, kept once. It never changes.
type envelope struct {
	url, audience string
	timeout       time.Duration
	retry         *transport.RetryConfig
	fields        []field     // headers whose values repeat
	header        http.Header // the same as a map, handed to handlers; nil without fields
	sum           uint64

	route atomic.Pointer[route] // whom url was last delivered to
}

// size is what the envelope costs, roughly; it is charged to the task that brought it.
func (e *envelope) size() int { return len(e.url) + len(e.audience) }

// suits reports whether t has this envelope and no headers of its own, and passes Task.Check without being
// checked: what it shares with the envelope was checked before. It may say no where the answer is yes.
func (e *envelope) suits(t *transport.Task, now time.Time) bool {
	if t.ID != "" || len(t.Body) > transport.MaxTaskSize/2 || t.ETA.Sub(now) > transport.MaxDelay {
		return false
	}
	if len(t.Header) != len(e.fields) || !e.resembles(t) {
		return false
	}
	for i := range e.fields { // as many, so each of t's is among them; quicker than to iterate over the map
		f := &e.fields[i]
		if values := t.Header[f.name]; len(values) != 1 || values[0] != f.value {
			return false
		}
	}
	return true
}

// holds reports whether this is the envelope for t, the common part of its headers being fields.
func (e *envelope) holds(t *transport.Task, fields []field) bool {
	if len(e.fields) != len(fields) || !e.resembles(t) {
		return false
	}
	for _, f := range fields {
		if !contains(e.fields, f.name, f.value) {
			return false
		}
	}
	return true
}

// resembles compares everything but headers.
func (e *envelope) resembles(t *transport.Task) bool {
	if e.url != t.URL || e.audience != t.Audience || e.timeout != t.Timeout && (t.Timeout != 0 || e.timeout != transport.DefaultTimeout) {
		return false
	}
	return e.retry == nil && t.Retry == nil || e.retry != nil && t.Retry != nil && *e.retry == *t.Retry
}

func contains(fields []field, name, value string) bool {
	for _, f := range fields {
		if f.name == name && f.value == value {
			return true
		}
	}
	return false
}

// envelopes finds the envelope for a task. It is a cache of fixed size without locks: what it forgets lives on
// with the tasks that refer to it, and the worst that a race does is to keep two alike.
type envelopes struct {
	seed  maphash.Seed
	known commonFields
	slots [envelopeSlots]atomic.Pointer[envelope]
}

const (
	envelopeSlots = 512
	envelopeWays  = 4 // places where one envelope may be
)

// of returns t's envelope and whether it was made just now. Its headers are fields, those of t that repeat.
func (c *envelopes) of(t *transport.Task, fields []field) (env *envelope, made bool) {
	sum := maphash.String(c.seed, t.URL) + uint64(t.Timeout)
	for _, f := range fields {
		sum += f.sum
	}
	set := c.slots[sum%envelopeSlots&^(envelopeWays-1):][:envelopeWays]
	victim := sum >> 32 % envelopeWays
	for i := range set {
		e := set[i].Load()
		switch {
		case e == nil:
			victim = uint64(i)
		case e.sum == sum && e.holds(t, fields):
			return e, false
		}
	}
	env = newEnvelope(t, fields)
	env.sum = sum
	set[victim].Store(env)
	return env, true
}

func newEnvelope(t *transport.Task, fields []field) *envelope {
	env := &envelope{
		url: strings.Clone(t.URL), audience: strings.Clone(t.Audience),
		timeout: t.Timeout, fields: slices.Clone(fields),
	}
	if env.timeout == 0 {
		env.timeout = transport.DefaultTimeout
	}
	if t.Retry != nil {
		r := *t.Retry
		env.retry = &r
	}
	if len(fields) > 0 {
		env.header = make(http.Header, len(fields))
		for _, f := range fields {
			env.header[f.name] = []string{f.value}
		}
	}
	return env
}
