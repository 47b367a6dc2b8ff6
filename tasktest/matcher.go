package tasktest

import (
	"fmt"
	"reflect"
	"sort"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// Matcher narrows what an assertion accepts. All matchers given must hold.
type Matcher interface {
	fmt.Stringer

	// check reports a matcher that was made for another payload type than the sample's.
	check(sample any) error
	// misses says what speaks against a record; args is a pointer to its payload.
	misses(r *Recorder, rec *Record, args any) []string
}

// Args accepts entries whose payload equals want, compared deeply, after want has gone through the codec as the
// payload has.
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

// WithHeader accepts entries that carry the header with this value. As an option of Run and Request it adds the
// header to the delivery.
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

func (m argsMatcher[T]) String() string         { return fmt.Sprintf("Args(%+v)", m.want) }
func (m argsMatcher[T]) check(sample any) error { return sameType[T]("Args", sample) }
func (m argsMatcher[T]) misses(r *Recorder, _ *Record, args any) []string {
	want, err := roundTrip(r.app.Config().Codec, m.want)
	if err != nil {
		return []string{fmt.Sprintf("Args: the wanted payload does not encode: %v", err)}
	}
	if reflect.DeepEqual(want, *args.(*T)) {
		return nil
	}
	return diff(want, *args.(*T))
}

func (m whereMatcher[T]) String() string         { return "Where(func)" }
func (m whereMatcher[T]) check(sample any) error { return sameType[T]("Where", sample) }
func (m whereMatcher[T]) misses(_ *Recorder, _ *Record, args any) []string {
	if m.f(*args.(*T)) {
		return nil
	}
	return []string{"Where: the function returned false"}
}

func (m queueMatcher) String() string  { return fmt.Sprintf("OnQueue(%q)", string(m)) }
func (m queueMatcher) check(any) error { return nil }
func (m queueMatcher) misses(_ *Recorder, rec *Record, _ any) []string {
	return missIf(rec.Queue != string(m), "queue: got %q, want %q", rec.Queue, string(m))
}

func (m dueMatcher) String() string  { return fmt.Sprintf("DueIn(%s, %s)", m.d, m.tolerance) }
func (m dueMatcher) check(any) error { return nil }
func (m dueMatcher) misses(_ *Recorder, rec *Record, _ any) []string {
	due := time.Duration(0)
	if !rec.ETA.IsZero() {
		due = rec.ETA.Sub(rec.at)
	}
	return missIf((due-m.d).Abs() > m.tolerance, "due: got in %s, want in %s, give or take %s", due, m.d, m.tolerance)
}

func (m idMatcher) String() string  { return fmt.Sprintf("WithID(%q)", string(m)) }
func (m idMatcher) check(any) error { return nil }
func (m idMatcher) misses(_ *Recorder, rec *Record, _ any) []string {
	return missIf(rec.ID != string(m), "id: got %q, want %q", rec.ID, string(m))
}

func (m headerMatcher) String() string  { return fmt.Sprintf("WithHeader(%q, %q)", m.key, m.value) }
func (m headerMatcher) check(any) error { return nil }
func (m headerMatcher) misses(_ *Recorder, rec *Record, _ any) []string {
	got := rec.Header.Get(m.key)
	return missIf(got != m.value, "header %s: got %q, want %q", m.key, got, m.value)
}
func (m headerMatcher) run(o *runOptions) { o.header.Set(m.key, m.value) }

func missIf(miss bool, format string, args ...any) []string {
	if !miss {
		return nil
	}
	return []string{fmt.Sprintf(format, args...)}
}

func sameType[T any](matcher string, sample any) error {
	if _, ok := sample.(*T); ok {
		return nil
	}
	return fmt.Errorf("the matcher %s is made for %s, but the payload is %s", matcher, reflect.TypeFor[T](), reflect.TypeOf(sample).Elem())
}

// roundTrip carries v through the codec, as a payload is carried.
func roundTrip[T any](c tasks.Codec, v T) (T, error) {
	var out T
	data, err := c.Marshal(boxed(&v))
	if err != nil {
		return out, err
	}
	return out, c.Unmarshal(data, target(&out))
}

// boxed and target hand a codec what package tasks does: a pointer to the payload, or the payload where it is
// a pointer itself.
func boxed(ptr any) any {
	if v := reflect.ValueOf(ptr).Elem(); v.Kind() == reflect.Pointer {
		return v.Interface()
	}
	return ptr
}

func target(ptr any) any {
	v := reflect.ValueOf(ptr).Elem()
	if v.Kind() != reflect.Pointer {
		return ptr
	}
	v.Set(reflect.New(v.Type().Elem()))
	return v.Interface()
}

// decode returns a pointer to the record's payload, of the sample's type.
func (r *Recorder) decode(rec *Record, sample any) any {
	r.t.Helper()
	ptr := reflect.New(reflect.TypeOf(sample).Elem()).Interface()
	if len(rec.Body) == 0 {
		return ptr
	}
	if err := r.app.Config().Codec.Unmarshal(rec.Body, target(ptr)); err != nil {
		r.t.Fatalf("tasktest: %s: the recorded payload does not decode: %v", rec, err)
	}
	return ptr
}

type near struct {
	rec    *Record
	misses []string
}

// nearest lists the entries with the fewest differences, three at most.
func (r *Recorder) nearest(d tasks.Definition, sample any, ms []Matcher) []near {
	if len(ms) == 0 {
		return nil
	}
	var all []near
	for _, rec := range r.of(d) {
		if misses := r.misses(rec, sample, ms); len(misses) > 0 {
			all = append(all, near{rec, misses})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return len(all[i].misses) < len(all[j].misses) })
	return all[:min(len(all), 3)]
}
