package payload

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/typedtasks/typedtasks/internal/printable"
)

// How far a value is followed.
const (
	maxRedactDepth = 300
	maxRedactNodes = 1 << 16 // that are looked at for a slog.LogValuer; in more than that there is taken to be one
	maxRedactCalls = 1 << 12 // of LogValue methods, whose values may have such methods again
)

// Redacted is v in JSON for a log, with what the LogValue method says in place of every [slog.LogValuer] in it: in
// fields, elements, keys and values of maps, behind pointers and interfaces. ok is false if there is none in it: its
// JSON may be logged as it is. See [Shown] for the form.
func Redacted(v any, most int) (text string, ok bool) {
	r := newRedactor(most)
	if !r.holds(reflect.ValueOf(v), inside{}, maxRedactDepth) {
		return "", false
	}
	return r.shown(v), true
}

// Shown is Redacted, whatever is in v. The form is the one that encoding/json gives it, as far as it has one: a type
// whose own method encodes it is written by that, unless there is a slog.LogValuer in it. What has none is written as a
// string: NaN, channels. It is cut off after most bytes, and where v nests too deeply or contains itself.
func Shown(v any, most int) string { return newRedactor(most).shown(v) }

// redactor writes one value.
type redactor struct {
	out    []byte
	most   int
	nodes  int // that may still be looked at
	calls  int // that may still be made
	may    map[inside]bool
	fields map[reflect.Type][]jsonField
}

func newRedactor(most int) *redactor {
	return &redactor{most: most, nodes: maxRedactNodes, calls: maxRedactCalls, may: make(map[inside]bool), fields: make(map[reflect.Type][]jsonField)}
}

func (r *redactor) shown(v any) (text string) {
	defer func() {
		if recover() != nil { // of an IsZero or an Error method
			text = `"(it panics)"`
		}
	}()
	r.write(reflect.ValueOf(v), maxRedactDepth)
	if len(r.out) > r.most {
		return strings.ToValidUTF8(string(r.out[:r.most]), "") + "..."
	}
	return string(r.out)
}

// write appends v.
func (r *redactor) write(v reflect.Value, left int) {
	switch {
	case len(r.out) > r.most: // the rest would be cut off
		return
	case !v.IsValid(), (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil():
		r.raw("null")
		return
	case left == 0:
		r.raw(`"..."`)
		return
	case has(v.Type(), logValuerType) && v.Kind() != reflect.Interface:
		r.resolve(v, left-1)
		return
	}
	if in := (inside{typ: v.Type()}); !r.mayHold(in) || writesItself(in.typ) && !r.holds(v, inside{}, left) {
		if r.encode(v) {
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		r.write(v.Elem(), left-1)
	case reflect.Struct:
		r.object(v, left-1)
	case reflect.Map:
		r.members(v, left-1)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			r.raw("null")
			return
		}
		r.raw("[")
		for i := 0; i < v.Len() && len(r.out) <= r.most; i++ {
			r.comma(i > 0)
			r.write(v.Index(i), left-1)
		}
		r.raw("]")
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		r.string("(" + v.Type().String() + ")")
	default:
		r.string(printable.Escape(fmt.Sprint(v)))
	}
}

// resolve appends what v says of itself. Its method may be the pointer's.
func (r *redactor) resolve(v reflect.Value, left int) {
	r.calls--
	if r.calls < 0 || !v.CanInterface() { // it is embedded, of a type that is not exported
		r.raw(`"..."`)
		return
	}
	if !v.Type().Implements(logValuerType) {
		v = addressable(v).Addr()
	}
	r.value(slog.AnyValue(v.Interface()).Resolve(), left)
}

// value appends what a LogValue method has returned.
func (r *redactor) value(v slog.Value, left int) {
	switch v.Kind() {
	case slog.KindGroup:
		r.raw("{")
		r.group(v.Group(), true, left)
		r.raw("}")
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			r.string(printable.Escape(err.Error()))
			return
		}
		r.write(reflect.ValueOf(v.Any()), left)
	default:
		if !r.encode(reflect.ValueOf(v.Any())) {
			r.string(v.String())
		}
	}
}

// group appends the attributes of a group, those of a group without a key among them, as handlers do.
func (r *redactor) group(attrs []slog.Attr, first bool, left int) (still bool) {
	for _, a := range attrs {
		r.calls--
		if len(r.out) > r.most || r.calls < 0 || left <= 0 {
			return first
		}
		v := a.Value.Resolve()
		if a.Key == "" && v.Kind() == slog.KindGroup {
			first = r.group(v.Group(), first, left-1)
			continue
		}
		r.comma(!first)
		first = false
		r.string(a.Key)
		r.raw(":")
		r.value(v, left-1)
	}
	return first
}

// object appends a struct's fields.
func (r *redactor) object(v reflect.Value, left int) {
	t := v.Type()
	fields, ok := r.fields[t]
	if !ok {
		fields = jsonFields(t, func(embedded reflect.Type) bool { return has(embedded, logValuerType) })
		r.fields[t] = fields
	}
	r.raw("{")
	first := true
	for _, f := range fields {
		field := f.of(v)
		if !field.IsValid() || f.omitted(field) {
			continue
		}
		r.comma(!first)
		first = false
		r.string(f.name)
		r.raw(":")
		if f.quoted && r.quote(field) {
			continue
		}
		r.write(field, left)
	}
	r.raw("}")
}

// members appends those of a map, in the order of their keys.
func (r *redactor) members(v reflect.Value, left int) {
	if v.IsNil() {
		r.raw("null")
		return
	}
	type member struct {
		key   string
		value reflect.Value
	}
	var all []member
	asked := 0 // bytes of keys that say themselves what they show: of more than fit, any will do
	for i := v.MapRange(); i.Next() && asked <= r.most; {
		name, redacted := r.key(i.Key(), left)
		if redacted {
			asked += len(name) + len(`"":,`)
		}
		all = append(all, member{name, i.Value()})
	}
	slices.SortStableFunc(all, func(a, b member) int { return strings.Compare(a.key, b.key) })
	r.raw("{")
	for i, m := range all {
		if len(r.out) > r.most {
			return
		}
		r.comma(i > 0)
		r.string(m.key)
		r.raw(":")
		r.write(m.value, left)
	}
	r.raw("}")
}

// key is a map's key as a member's name.
func (r *redactor) key(k reflect.Value, left int) (name string, redacted bool) {
	redacted = r.holds(k, inside{}, left)
	if !redacted {
		if k.Kind() == reflect.String {
			return k.String(), false
		}
		if m, ok := k.Interface().(encoding.TextMarshaler); ok && (k.Kind() != reflect.Pointer || !k.IsNil()) {
			if text, err := m.MarshalText(); err == nil {
				return string(text), false
			}
		}
		switch {
		case k.CanInt():
			return strconv.FormatInt(k.Int(), 10), false
		case k.CanUint():
			return strconv.FormatUint(k.Uint(), 10), false
		}
	}
	before := r.out
	r.out = nil
	r.write(k, left)
	text := r.out
	r.out = before
	if json.Unmarshal(text, &name) != nil { // it is no string
		name = string(text)
	}
	return name, redacted
}

// quote appends a scalar whose tag has the option "string".
func (r *redactor) quote(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() || has(v.Type(), logValuerType) || writesItself(v.Type()) {
		return false
	}
	switch k := v.Kind(); {
	case k == reflect.String, k >= reflect.Bool && k <= reflect.Float64:
		text, err := Encode(JSON{}, v.Interface())
		if err == nil {
			r.string(string(text))
		}
		return err == nil
	}
	return false
}

// encode appends v as encoding/json has it, if it has.
func (r *redactor) encode(v reflect.Value) bool {
	if !v.CanInterface() {
		return false
	}
	if v.CanAddr() { // a pointer's methods count
		v = v.Addr()
	}
	text, err := Encode(JSON{}, v.Interface())
	r.out = append(r.out, text...)
	return err == nil
}

func (r *redactor) raw(s string) { r.out = append(r.out, s...) }

func (r *redactor) string(s string) { r.encode(reflect.ValueOf(s)) }

func (r *redactor) comma(due bool) {
	if due {
		r.raw(",")
	}
}

// addressable is v, or a variable that holds it.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	variable := reflect.New(v.Type()).Elem()
	variable.Set(v)
	return variable
}
