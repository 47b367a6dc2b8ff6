package tasktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
)

// Matcher narrows what an assertion accepts. All matchers given must hold. Some are for tasks alone, or for messages
// alone: the others fail the test, with what to use instead.
type Matcher interface {
	fmt.Stringer

	// prepare makes the matcher ready for a subject, or says why it cannot be.
	prepare(about *subject) (test, error)
}

// test says what speaks against an entry; args points to its payload.
type test func(e *entry, args any) []miss

// Args accepts entries whose payload, a message's data, equals want, compared deeply, after want has gone through the
// codec as the payload has: what the codec drops does not count, and times are equal if they are written alike.
func Args[T any](want T) Matcher { return argsMatcher[T]{want} }

// Where accepts entries for whose payload f returns true.
func Where[T any](f func(T) bool) Matcher { return whereMatcher[T]{f} }

// WithID accepts the entry with the id. A message's is the one that Publish returned.
func WithID(id string) Matcher { return idMatcher(id) }

// WithHeader accepts entries that carry the header with this value; messages carry propagated headers alone. As an
// option of [Run], [Request], [Deliver] and [PushRequest] it adds the header to the delivery; a propagated one comes in
// the message there.
func WithHeader(key, value string) interface {
	Matcher
	RunOption
} {
	return headerMatcher{key, value}
}

type (
	argsMatcher[T any]  struct{ want T }
	whereMatcher[T any] struct{ f func(T) bool }
	idMatcher           string
	headerMatcher       struct{ key, value string }
)

// String shows the payload as it travels in JSON.
func (m argsMatcher[T]) String() string {
	if data, err := json.Marshal(m.want); err == nil {
		return "Args(" + shortBytes(data) + ")"
	}
	return fmt.Sprintf("Args(%s)", short(fmt.Sprintf("%+v", m.want)))
}

func (m argsMatcher[T]) prepare(about *subject) (test, error) {
	if err := madeFor[T]("Args", about.sample); err != nil {
		return nil, err
	}
	if v := reflect.ValueOf(m.want); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("Args is given nil, which is never %s", about.verb())
	}
	want, err := roundTrip(about.codec, m.want)
	if err != nil {
		return nil, fmt.Errorf("Args is given a payload that the codec refuses, so it is never %s: %w", about.verb(), err)
	}
	return func(_ *entry, args any) []miss {
		got := *args.(*T)
		if reflect.DeepEqual(want, got) {
			return nil
		}
		return diff(want, got)
	}, nil
}

// String tells where the function stands.
func (m whereMatcher[T]) String() string {
	if m.f == nil {
		return "Where(nil)"
	}
	file, line := runtime.FuncForPC(reflect.ValueOf(m.f).Pointer()).FileLine(reflect.ValueOf(m.f).Pointer())
	return fmt.Sprintf("Where(func at %s:%d)", filepath.Base(file), line)
}

func (m whereMatcher[T]) prepare(about *subject) (test, error) {
	if m.f == nil {
		return nil, errors.New("Where is given no function")
	}
	return func(_ *entry, args any) []miss {
		return missIf(!m.f(*args.(*T)), m.String(), "returned false")
	}, madeFor[T]("Where", about.sample)
}

func (m idMatcher) String() string { return fmt.Sprintf("WithID(%q)", string(m)) }

func (m idMatcher) prepare(*subject) (test, error) {
	return func(e *entry, _ any) []miss {
		return missIf(e.id() != string(m), "id", "got %q, want %q", e.id(), string(m))
	}, nil
}

func (m headerMatcher) String() string { return fmt.Sprintf("WithHeader(%q, %q)", m.key, m.value) }

func (m headerMatcher) prepare(*subject) (test, error) {
	return func(e *entry, _ any) []miss {
		vs := e.header().Values(m.key)
		if len(vs) == 0 {
			return missIf(true, "header "+m.key, "got none, want %q", m.value)
		}
		return missIf(vs[0] != m.value, "header "+m.key, "got %q, want %q", vs[0], m.value)
	}, nil
}

func (m headerMatcher) run(o *runOptions) { o.header.Set(m.key, m.value) }

func missIf(bad bool, what, format string, args ...any) []miss {
	if !bad {
		return nil
	}
	return []miss{{what, fmt.Sprintf(format, args...)}}
}

// madeFor reports a matcher for another payload type than the one that sample points to.
func madeFor[T any](matcher string, sample any) error {
	if _, ok := sample.(*T); ok {
		return nil
	}
	return fmt.Errorf("%s is made for payloads of type %s, but its payloads are of type %s", matcher, reflect.TypeFor[T](), reflect.TypeOf(sample).Elem())
}
