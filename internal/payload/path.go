package payload

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/typedtasks/typedtasks/internal/printable"
)

// anyKey stands for the key of a map in paths: keys are of the payload, and may be secrets.
const anyKey = "[...]"

var (
	stringerType  = reflect.TypeFor[fmt.Stringer]()
	errorType     = reflect.TypeFor[error]()
	formatterType = reflect.TypeFor[fmt.Formatter]()
)

// jsonPath is the place of an error in a payload of type t, written as validation errors name fields. It ends where t
// does not tell names from keys: in an interface, and in what a type's own method decodes.
func jsonPath(t reflect.Type, err *jsonv2.SemanticError) string {
	var b strings.Builder
	tokens := slices.Collect(err.JSONPointer.Tokens())
	for i, token := range tokens {
		if t = unpointed(t); has(t, unmarshalerType) || has(t, unmarshalerFromType) || has(t, textUnmarshalerType) {
			break
		}
		unknown := t.Kind() == reflect.Struct && i+1 == len(tokens) && errors.Is(err, jsonv2.ErrUnknownName)
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			b.WriteString("[" + token + "]")
			t = t.Elem()
			continue
		case reflect.Map:
			b.WriteString(anyKey)
			t = t.Elem()
			continue
		case reflect.Struct:
			t = memberType(t, token)
		default:
			t = nil
		}
		if t == nil && !unknown {
			break
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return printable.Text(b.String())
}

// memberType is the type of the field that a member of struct t's JSON is decoded to, nil if there is none.
func memberType(t reflect.Type, name string) (found reflect.Type) {
	for _, f := range jsonFields(t, func(reflect.Type) bool { return false }) {
		if f.name == name {
			return f.typ
		}
		if found == nil && strings.EqualFold(f.name, name) {
			found = f.typ
		}
	}
	return found
}

// unpointed is what t points to.
func unpointed(t reflect.Type) reflect.Type {
	for hops := 0; t.Kind() == reflect.Pointer && hops < 100; hops++ { // type P *P
		t = t.Elem()
	}
	return t
}

// keyless is a path of the validator's without the keys of maps. names is the same path by Go's names, from v on, and
// end the type of what is there, nil if it is nothing.
func keyless(path, names string, v reflect.Value, end reflect.Type) string {
	if !strings.Contains(path, "[") {
		return path
	}
	if !strings.HasPrefix(names, "[") {
		names = "." + names
	}
	if end != nil {
		end = unpointed(end)
	}
	r := &pathReader{end: end}
	found, _ := r.read(v, v.Type(), names)
	if r.steps > maxSteps {
		found = nil
	}
	var b strings.Builder
	for _, ix := range found {
		text := "[" + ix.text + "]"
		before, after, ok := strings.Cut(path, text)
		if !ok { // it spans names, which are others here
			break
		}
		if ix.key {
			text = anyKey
		}
		b.WriteString(before + text)
		path = after
	}
	if from, to, ok := brackets(path); ok {
		path = path[:from] + anyKey + path[to+1:]
	}
	return b.String() + path
}

// index is one in a path: an element's, or a key, whatever is in that.
type index struct {
	text string
	key  bool
}

// pathReader finds the indices of a path. A key may hold anything, brackets too: of all ways to read the path, it is the
// one that takes the most for a key, of those that lead to a value of the type.
type pathReader struct {
	end   reflect.Type
	steps int
}

// maxSteps bounds the search, which keys may be made to prolong.
const maxSteps = 200

// read reads path from a value of type t on, v where that is known. ok is false if path does not lead anywhere.
func (r *pathReader) read(v reflect.Value, t reflect.Type, path string) (found []index, ok bool) {
	r.steps++
	v, t = settled(v, t)
	switch {
	case path == "":
		return nil, t == nil || r.end == nil || t == r.end
	case t == nil:
		return allKeys(path), true
	case path[0] == '.' && t.Kind() == reflect.Struct:
		name, rest := path[1:], ""
		if i := strings.IndexAny(name, ".["); i >= 0 {
			name, rest = name[:i], name[i:]
		}
		f, is := t.FieldByName(name)
		if !is || len(f.Index) > 1 {
			break
		}
		if v.IsValid() {
			v = v.FieldByIndex(f.Index)
		}
		return r.read(v, f.Type, rest)
	case path[0] == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		text, rest, _ := strings.Cut(path[1:], "]")
		if strings.Trim(text, "0123456789") != "" {
			break
		}
		found, ok = r.read(elementAt(v, text), t.Elem(), rest)
		return append([]index{{text: text}}, found...), ok
	case path[0] == '[' && t.Kind() == reflect.Map:
		for i := strings.LastIndexByte(path, ']'); i > 0; i = strings.LastIndexByte(path[:i], ']') {
			if r.steps++; r.steps > maxSteps {
				break
			}
			elem := elementAt(v, path[1:i])
			if !elem.IsValid() && v.IsValid() && spelledOut(t.Key()) {
				continue
			}
			found, ok := r.read(elem, t.Elem(), path[i+1:])
			if ok || path[i+1:] == "" && t.Key() == r.end { // a rule of the key's
				return append([]index{{path[1:i], true}}, found...), true
			}
		}
	}
	return allKeys(path), false
}

// allKeys takes all that is in brackets for one key.
func allKeys(path string) []index {
	from, to, ok := brackets(path)
	if !ok {
		return nil
	}
	return []index{{path[from+1 : to], true}}
}

// brackets are the first that opens and the last that closes.
func brackets(path string) (from, to int, ok bool) {
	from, to = strings.IndexByte(path, '['), strings.LastIndexByte(path, ']')
	return from, to, from >= 0 && to > from
}

// elementAt is the element of v that text names, none where that takes more than a look.
func elementAt(v reflect.Value, text string) (elem reflect.Value) {
	if !v.IsValid() {
		return elem
	}
	t := v.Type()
	number, err := strconv.Atoi(text)
	switch {
	case t.Kind() != reflect.Map:
		if err == nil && number < v.Len() {
			return v.Index(number)
		}
	case !spelledOut(t.Key()):
	case t.Key().Kind() == reflect.String:
		return v.MapIndex(reflect.ValueOf(text).Convert(t.Key()))
	case err == nil:
		return v.MapIndex(reflect.ValueOf(number).Convert(t.Key()))
	}
	return elem
}

// spelledOut reports whether the validator shows keys of type t as they are.
func spelledOut(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return !t.Implements(stringerType) && !t.Implements(errorType) && !t.Implements(formatterType)
	}
	return false
}

// settled is what the validator looks at where it comes to v, of static type t: no pointer and no interface. The type
// is nil where that is nothing, or not known.
func settled(v reflect.Value, t reflect.Type) (reflect.Value, reflect.Type) {
	for range 100 { // type P *P
		switch {
		case has(t, valuerType): // another value
			return reflect.Value{}, nil
		case t.Kind() == reflect.Pointer:
			t = t.Elem()
			if v.IsValid() {
				v = v.Elem()
			}
		case t.Kind() == reflect.Interface:
			if !v.IsValid() || v.IsNil() {
				return reflect.Value{}, nil
			}
			v = v.Elem()
			t = v.Type()
		default:
			return v, t
		}
	}
	return reflect.Value{}, nil
}
