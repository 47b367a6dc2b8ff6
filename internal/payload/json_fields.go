package payload

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// jsonField is a member of a struct's JSON.
type jsonField struct {
	name                        string
	typ                         reflect.Type
	index                       []int // as of reflect.Value.FieldByIndex
	tagged                      bool  // the name is from the tag
	omitEmpty, omitZero, quoted bool
}

// jsonFields are the members of struct t as encoding/json finds them, in its order: an embedded struct's are t's own,
// and of those of one name the least deep counts, if there is one such. Embedded structs that whole holds for are
// members by their type's name instead.
func jsonFields(t reflect.Type, whole func(reflect.Type) bool) []jsonField {
	type embedded struct {
		typ   reflect.Type
		index []int
	}
	var found []jsonField
	above := make(map[reflect.Type]bool)
	for level := []embedded{{typ: t}}; len(level) > 0; {
		var next []embedded
		for _, e := range level {
			above[e.typ] = true
		}
		for _, e := range level {
			for i := range e.typ.NumField() {
				f := e.typ.Field(i)
				inner := f.Type
				if f.Anonymous && inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				tag := f.Tag.Get("json")
				if tag == "-" || !f.IsExported() && (!f.Anonymous || inner.Kind() != reflect.Struct) {
					continue
				}
				name, options, _ := strings.Cut(tag, ",")
				if strings.ContainsFunc(name, unfitForName) {
					name = ""
				}
				index := append(slices.Clone(e.index), i)
				if f.Anonymous && name == "" && inner.Kind() == reflect.Struct && !whole(f.Type) {
					if !above[inner] {
						next = append(next, embedded{inner, index})
					}
					continue
				}
				m := jsonField{name: cmp.Or(name, f.Name), typ: f.Type, index: index, tagged: name != ""}
				for option := range strings.SplitSeq(options, ",") {
					m.omitEmpty = m.omitEmpty || option == "omitempty"
					m.omitZero = m.omitZero || option == "omitzero"
					m.quoted = m.quoted || option == "string"
				}
				found = append(found, m)
			}
		}
		level = next
	}
	return dominant(found)
}

// dominant leaves out the fields that others hide.
func dominant(found []jsonField) []jsonField {
	slices.SortStableFunc(found, func(a, b jsonField) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.rank(), b.rank()))
	})
	var kept []jsonField
	for i := 0; i < len(found); {
		same := i + 1
		for same < len(found) && found[same].name == found[i].name {
			same++
		}
		if same == i+1 || found[i+1].rank() > found[i].rank() {
			kept = append(kept, found[i])
		}
		i = same
	}
	slices.SortFunc(kept, func(a, b jsonField) int { return slices.Compare(a.index, b.index) })
	return kept
}

// unfitForName reports characters that make encoding/json ignore a name.
func unfitForName(c rune) bool {
	return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c)
}

// rank is lower for a field that hides another of its name.
func (f jsonField) rank() int {
	r := 2 * len(f.index)
	if f.tagged {
		r--
	}
	return r
}

// of is the field's value in struct v, none where an embedded pointer on the way is nil.
func (f jsonField) of(v reflect.Value) reflect.Value {
	for i, at := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}
			}
			v = v.Elem()
		}
		v = v.Field(at)
	}
	return v
}

// omitted reports whether encoding/json leaves the field out where it is v.
func (f jsonField) omitted(v reflect.Value) bool {
	if f.omitEmpty {
		switch v.Kind() {
		case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
			if v.Len() == 0 {
				return true
			}
		case reflect.Struct:
		default:
			if v.IsZero() {
				return true
			}
		}
	}
	return f.omitZero && isZero(v)
}

// isZero asks an IsZero method, where v has one.
func isZero(v reflect.Value) bool {
	if v.IsZero() {
		return true
	}
	if !v.CanInterface() {
		return false
	}
	if v.CanAddr() && v.Kind() != reflect.Pointer {
		v = v.Addr()
	}
	z, ok := v.Interface().(interface{ IsZero() bool })
	return ok && z.IsZero()
}
