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

// described is a definition as it is now.
type described struct {
	text   string            // as its golden file holds it
	maybe  []map[string]bool // per upgrade: which of its paths JSON may lack, or hold null for
	strict bool              // the codec refuses what the payload has no field for
}

func describe(cfg tasks.Config, d tasks.Definition) described {
	s, codec := d.Spec(), cfg.Codec
	text := fmt.Sprintf("# %s %s: path in JSON, type, validation rules\n", s.Kind, s.Name)
	if is, err := pubsub.Describe(cfg, d); err == nil {
		text += settings(is)
		codec = codecOf(is)
	}
	if s.Payload != nil {
		text += walked(s.Payload, s.Kind != tasks.KindPublisher).lines("")
	}
	now := described{text: text}
	for _, old := range s.Upgrades {
		w := walked(old, true)
		if old == reflect.TypeFor[pubsub.Raw]() {
			w.add("", typRaw, "")
		}
		now.text += settingUpgrade + " " + old.String() + "\n" + w.lines("  ")
		now.maybe = append(now.maybe, w.maybe)
	}
	j, _ := codec.(tasks.JSONCodec)
	now.strict = j.Strict
	return now
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

// settingUpgrade begins what is said of one type that UpgradeFrom reads: the lines from there to the next are its.
const settingUpgrade = "@upgrade"

// typRaw is an older payload that is whatever came: pubsub.Raw.
const typRaw = "raw"

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
	out   map[string]shape
	read  bool            // it is decoded here, and not only written
	maybe map[string]bool // see described
	under bool            // an embedded pointer, which may be nil
}

func walked(t reflect.Type, read bool) *walk {
	w := &walk{out: map[string]shape{}, read: read, maybe: map[string]bool{}}
	w.value("", t, "", nil)
	return w
}

func (w *walk) lines(indent string) (text string) {
	for _, path := range slices.Sorted(maps.Keys(w.out)) {
		text += indent + path + " " + w.out[path].String() + "\n"
	}
	return text
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
			was := w.under
			w.under = was || f.Type.Kind() == reflect.Pointer
			w.fields(path, inner, append(slices.Clip(above), inner))
			w.under = was
		case f.IsExported():
			own = append(own, f)
		}
	}
	for _, f := range own {
		at := join(path, or(jsonName(f), f.Name))
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		w.maybe[at] = w.under || strings.Contains(options, "omit") || nillable(f.Type)
		if slices.Contains(strings.Split(options, ","), "string") {
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

// nillable reports a type whose zero value is null in JSON.
func nillable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return true
	}
	return false
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
