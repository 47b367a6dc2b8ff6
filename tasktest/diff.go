package tasktest

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// diff says how got differs from want, field by field, in the order of the fields.
func diff(want, got any) []miss {
	w, g := flatten(want), flatten(got)
	var misses []miss
	for _, path := range slices.Concat(w.order, g.order) {
		wv, inWant := w.leaves[path]
		gv, inGot := g.leaves[path]
		if inWant && inGot && wv.text == gv.text {
			continue
		}
		delete(w.leaves, path)
		delete(g.leaves, path)
		if !inWant && !inGot { // told already
			continue
		}
		how := fmt.Sprintf("got %s, want %s", gv.beside(wv), wv.beside(gv))
		if !wv.at.IsZero() && wv.at.Equal(gv.at) {
			how += " (the same instant, written differently)"
		}
		misses = append(misses, miss{cmp.Or(path, "payload"), how})
	}
	if len(misses) == 0 {
		misses = append(misses, miss{"payload", "differs in what has no text, or lies too deep to show"})
	}
	return misses
}

// leaf is a value that is shown as a whole.
type leaf struct {
	text string
	at   time.Time // of a time
}

// beside shows l so that it can be told from other: of long texts, the part from shortly before they part.
func (l leaf) beside(other leaf) string {
	if l.text == "" {
		return "nothing"
	}
	from := 0
	for from < min(len(l.text), len(other.text)) && l.text[from] == other.text[from] {
		from++
	}
	from -= most / 4
	if from <= 0 || max(len(l.text), len(other.text)) <= most {
		return short(l.text)
	}
	for !utf8.RuneStart(l.text[from]) {
		from++
	}
	return "..." + short(l.text[from:])
}

// flat is a value as its leaves, by Go's names of the way to them.
type flat struct {
	leaves map[string]leaf
	order  []string
}

func flatten(v any) *flat {
	f := &flat{leaves: map[string]leaf{}}
	f.add("", reflect.ValueOf(v), 0)
	return f
}

func (f *flat) leaf(path, text string) {
	f.leaves[path] = leaf{text: text}
	f.order = append(f.order, path)
}

// deepest keeps a payload that refers to itself from being followed for ever.
const deepest = 100

func (f *flat) add(path string, v reflect.Value, depth int) {
	switch {
	case !v.IsValid():
		f.leaf(path, "nil")
		return
	case depth > deepest:
		f.leaf(path, "...")
		return
	case f.whole(path, v):
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			f.leaf(path, "nil")
			return
		}
		if v.Elem().Kind() == reflect.Struct {
			f.leaf(path, "a value") // beside nil, it is told
		}
		f.add(path, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			f.add(join(path, v.Type().Field(i).Name), v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		f.leaf(path, size(v))
		for i := range v.Len() {
			f.add(fmt.Sprintf("%s[%d]", path, i), v.Index(i), depth+1)
		}
	case reflect.Map:
		f.leaf(path, size(v))
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, k := range keys {
			name := fmt.Sprint(k)
			if k.Kind() == reflect.String {
				name = strconv.Quote(k.String())
			}
			f.add(fmt.Sprintf("%s[%s]", path, name), v.MapIndex(k), depth+1)
		}
	case reflect.String:
		f.leaf(path, strconv.Quote(v.String()))
	default:
		f.leaf(path, fmt.Sprint(v))
	}
}

// whole adds what is better read as one: times, bytes, and what hides its insides behind a text.
func (f *flat) whole(path string, v reflect.Value) bool {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && v.Len() > 0 {
		f.leaf(path, strconv.Quote(string(v.Bytes())))
		return true
	}
	if !v.CanInterface() {
		return false
	}
	if at, ok := v.Interface().(time.Time); ok {
		f.leaf(path, at.Format(time.RFC3339Nano))
		f.leaves[path] = leaf{f.leaves[path].text, at}
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return false
		}
	case reflect.Struct, reflect.Array:
	default:
		return false
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			f.leaf(path, string(text))
			return true
		}
	}
	return false
}

func size(v reflect.Value) string {
	if v.Kind() != reflect.Array && v.IsNil() {
		return "nil"
	}
	return fmt.Sprintf("len %d", v.Len())
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
