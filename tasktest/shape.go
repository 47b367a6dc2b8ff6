package tasktest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// describe writes a definition as its golden file holds it.
func describe(cfg tasks.Config, d tasks.Definition) string {
	s := d.Spec()
	w := &walk{out: map[string]shape{}, read: s.Kind != tasks.KindPublisher}
	if s.Payload != nil {
		w.value("", s.Payload, "", nil)
	}
	text := fmt.Sprintf("# %s %s: path in JSON, type, validation rules\n", s.Kind, s.Name)
	if is, err := pubsub.Describe(cfg, d); err == nil {
		text += settings(is)
	}
	for _, path := range slices.Sorted(maps.Keys(w.out)) {
		text += path + " " + w.out[path].String() + "\n"
	}
	return text
}

// The settings of publishers and subscribers that golden files hold. No path in JSON begins like them: they stand
// before those, where a human looks first.
const (
	settingTopic        = "@topic"
	settingSubscription = "@subscription"
	settingFilter       = "@filter"
	settingOrdered      = "@ordered"
	settingCodec        = "@codec"
)

// settings are the lines of a publisher's or a subscriber's.
func settings(is pubsub.Description) (text string) {
	line := func(name, value string) { text += name + " " + value + "\n" }
	line(settingTopic, or(is.Topic, "of-each-message"))
	if is.Subscription != nil {
		line(settingSubscription, is.Subscription.Name)
		if is.Subscription.Filter != "" {
			line(settingFilter, is.Subscription.Filter)
		}
	}
	if is.Ordered {
		line(settingOrdered, "yes")
	}
	if c := codecOf(is); c.Name() != (tasks.JSONCodec{}).Name() {
		line(settingCodec, c.Name())
	}
	return text
}

// settingDecodes follows the path of a struct that reads its JSON itself: what it takes beside its fields, no golden file
// knows.
const settingDecodes = "@decodes"

// walk collects what a payload's JSON consists of, by path.
type walk struct {
	out  map[string]shape
	read bool // it is decoded here, and not only written
}

func (w *walk) add(path, typ, rules string) {
	w.out[or(path, "payload")] = shape{strings.ReplaceAll(typ, " ", "_"), rules}
}

// value adds a type and what it is made of. above are the types that it is part of.
func (w *walk) value(path string, t reflect.Type, rules string, above []reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if typ := scalar(t); typ != "" {
		w.add(path, typ, rules)
		return
	}
	if slices.Contains(above, t) {
		w.add(path, "recursive:"+t.Name(), rules)
		return
	}
	above = append(slices.Clip(above), t)
	switch t.Kind() {
	case reflect.Struct:
		if path != "" {
			w.add(path, "object", rules)
		}
		if w.read && readsItself(t) {
			w.out[path+settingDecodes] = shape{typ: "UnmarshalJSON"}
		}
		w.fields(path, t, above)
	case reflect.Map:
		w.add(path, "map", rules)
		w.value(path+"{}", t.Elem(), "", above)
	default:
		w.add(path, "list", rules)
		w.value(path+"[]", t.Elem(), "", above)
	}
}

// fields adds those of a struct, as encoding/json finds them: embedded ones first, since a field of the struct's
// own hides one of the same name.
func (w *walk) fields(path string, t reflect.Type, above []reflect.Type) {
	var own []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && jsonName(f) == "" && inner.Kind() == reflect.Struct
		switch {
		case f.Tag.Get("json") == "-":
		case embedded && slices.Contains(above, inner): // it adds nothing new
		case embedded:
			w.fields(path, inner, append(slices.Clip(above), inner))
		case f.IsExported():
			own = append(own, f)
		}
	}
	for _, f := range own {
		at := join(path, or(jsonName(f), f.Name))
		if _, options, _ := strings.Cut(f.Tag.Get("json"), ","); slices.Contains(strings.Split(options, ","), "string") {
			w.add(at, "quoted:"+f.Type.String(), f.Tag.Get("validate"))
			continue
		}
		w.value(at, f.Type, f.Tag.Get("validate"), above)
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// scalar names a type that JSON holds as one value; empty for one that is made of others.
func scalar(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[json.Number]():
		return "number"
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return "any"
	case writesItself(t):
		return "custom:" + t.String()
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "bytes"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		return ""
	}
	return t.Kind().String()
}

// writesItself reports a type with a form of its own in JSON. A struct that only reads itself has not: it is written
// field by field.
func writesItself(t reflect.Type) bool {
	if has(t, reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()) {
		return true
	}
	if t.Kind() == reflect.Struct && readsItself(t) {
		return false
	}
	return readsItself(t) || has(t, reflect.TypeFor[encoding.TextUnmarshaler]())
}

// readsItself reports a type with an UnmarshalJSON method.
func readsItself(t reflect.Type) bool { return has(t, reflect.TypeFor[json.Unmarshaler]()) }

// has reports whether t or a pointer to it has the methods of one of some interfaces.
func has(t reflect.Type, one ...reflect.Type) bool {
	return slices.ContainsFunc(one, func(iface reflect.Type) bool {
		return t.Implements(iface) || reflect.PointerTo(t).Implements(iface)
	})
}
