package tasktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// Matcher narrows what an assertion accepts. All matchers given must hold.
type Matcher interface {
	fmt.Stringer

	// prepare makes the matcher ready for payloads of the type that sample points to, or says why it cannot be.
	prepare(sample any, c tasks.Codec) (test, error)
}

// test says what speaks against an entry; args points to its payload.
type test func(e *entry, args any) []miss

// Args accepts entries whose payload equals want, compared deeply, after want has gone through the codec as the
// payload has: what the codec drops does not count, and times are equal if they are written alike.
func Args[T any](want T) Matcher { return argsMatcher[T]{want} }

// Where accepts entries for whose payload f returns true.
func Where[T any](f func(T) bool) Matcher { return whereMatcher[T]{f} }

// OnQueue accepts entries on the queue.
func OnQueue(name string) Matcher { return queueMatcher(name) }

// DueIn accepts entries that are due d after they were enqueued, give or take the tolerance. One without a time
// is due in 0.
func DueIn(d, tolerance time.Duration) Matcher { return dueMatcher{d, tolerance} }

// WithID accepts the entry with the id.
func WithID(id string) Matcher { return idMatcher(id) }

// WithHeader accepts entries that carry the header with this value. As an option of [Run] and [Request] it adds
// the header to the delivery.
func WithHeader(key, value string) interface {
	Matcher
	RunOption
} {
	return headerMatcher{key, value}
}

type (
	argsMatcher[T any]  struct{ want T }
	whereMatcher[T any] struct{ f func(T) bool }
	queueMatcher        string
	dueMatcher          struct{ d, tolerance time.Duration }
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

func (m argsMatcher[T]) prepare(sample any, c tasks.Codec) (test, error) {
	if err := madeFor[T]("Args", sample); err != nil {
		return nil, err
	}
	if v := reflect.ValueOf(m.want); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("Args is given nil, which is never enqueued")
	}
	want, err := roundTrip(c, m.want)
	if err != nil {
		return nil, fmt.Errorf("Args is given a payload that the codec refuses, so it is never enqueued: %w", err)
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

func (m whereMatcher[T]) prepare(sample any, _ tasks.Codec) (test, error) {
	if m.f == nil {
		return nil, errors.New("Where is given no function")
	}
	return func(_ *entry, args any) []miss {
		return missIf(!m.f(*args.(*T)), m.String(), "returned false")
	}, madeFor[T]("Where", sample)
}

func (m queueMatcher) String() string { return fmt.Sprintf("OnQueue(%q)", string(m)) }

func (m queueMatcher) prepare(any, tasks.Codec) (test, error) {
	return func(e *entry, _ any) []miss {
		return missIf(e.Queue != string(m), "queue", "got %q, want %q", e.Queue, string(m))
	}, nil
}

func (m dueMatcher) String() string {
	return fmt.Sprintf("DueIn(%s, %s)", readable(m.d), readable(m.tolerance))
}

func (m dueMatcher) prepare(any, tasks.Codec) (test, error) {
	if m.tolerance < 0 {
		return nil, fmt.Errorf("%s has a negative tolerance, which nothing satisfies", m)
	}
	return func(e *entry, _ any) []miss {
		got := e.due()
		return missIf((got-m.d).Abs() > m.tolerance, "due in", "got %s, want %s, give or take %s", readable(got), readable(m.d), readable(m.tolerance))
	}, nil
}

func (m idMatcher) String() string { return fmt.Sprintf("WithID(%q)", string(m)) }

func (m idMatcher) prepare(any, tasks.Codec) (test, error) {
	return func(e *entry, _ any) []miss {
		return missIf(e.ID != string(m), "id", "got %q, want %q", e.ID, string(m))
	}, nil
}

func (m headerMatcher) String() string { return fmt.Sprintf("WithHeader(%q, %q)", m.key, m.value) }

func (m headerMatcher) prepare(any, tasks.Codec) (test, error) {
	return func(e *entry, _ any) []miss {
		vs := e.Header.Values(m.key)
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
