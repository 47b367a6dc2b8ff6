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

func (e *envelope) holds(t *transport.Task, timeout time.Duration, fields []field) bool {
	if e.url != t.URL || e.audience != t.Audience || e.timeout != timeout || len(e.fields) != len(fields) {
		return false
	}
	if (e.retry == nil) != (t.Retry == nil) || e.retry != nil && *e.retry != *t.Retry {
		return false
	}
	for _, f := range fields {
		if !contains(e.fields, f) {
			return false
		}
	}
	return true
}

func contains(fields []field, want field) bool {
	for _, f := range fields {
		if f.name == want.name && f.value == want.value {
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
	timeout := t.Timeout
	if timeout == 0 {
		timeout = transport.DefaultTimeout
	}
	sum := maphash.String(c.seed, t.URL) + uint64(timeout)
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
		case e.sum == sum && e.holds(t, timeout, fields):
			return e, false
		}
	}
	env = newEnvelope(t, timeout, fields)
	env.sum = sum
	set[victim].Store(env)
	return env, true
}

func newEnvelope(t *transport.Task, timeout time.Duration, fields []field) *envelope {
	env := &envelope{
		url: strings.Clone(t.URL), audience: strings.Clone(t.Audience),
		timeout: timeout, fields: slices.Clone(fields),
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
