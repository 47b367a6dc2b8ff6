package payload

import (
	"reflect"
	"strings"
)

// The validator follows values that contain themselves until the stack is full, which ends the process.
// encoding/json finds out; so must we, as validation comes first.

// follows reports whether the validator looks into field f, and whether it does into the elements of a slice or map.
func follows(f reflect.StructField) (into, dives bool) {
	tag := f.Tag.Get(ruleTag)
	if tag == "-" || !f.IsExported() && !f.Anonymous {
		return false, false
	}
	into = true
	for r := range strings.SplitSeq(tag, ",") {
		switch r {
		case "dive":
			dives = true
		case "structonly", "nostructlevel":
			into = false
		}
	}
	return into, dives
}

// loops reports whether the validator may come to t again from t.
func loops(t reflect.Type) bool {
	type mark bool
	const underWay, done mark = true, false
	seen := make(map[reflect.Type]mark)
	var visit func(t reflect.Type, dives bool) bool
	visit = func(t reflect.Type, dives bool) bool {
		state, ok := seen[t]
		if ok {
			return state == underWay
		}
		switch t.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			if !dives {
				return false
			}
		case reflect.Pointer:
		case reflect.Struct:
			if isTime(t) {
				return false
			}
		default:
			return false
		}
		seen[t] = underWay
		defer func() { seen[t] = done }()
		if t.Kind() != reflect.Struct {
			return visit(t.Elem(), dives)
		}
		for f := range t.Fields() {
			if into, dives := follows(f); into && visit(f.Type, dives) {
				return true
			}
		}
		return false
	}
	return visit(t, true)
}

// tooDeep reports whether the validator would come more than left levels down in v, as it does where v contains
// itself.
func tooDeep(v reflect.Value, dives bool, left int) bool {
	if left == 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return tooDeep(v.Elem(), dives, left-1)
	case reflect.Slice, reflect.Array:
		for i := 0; dives && i < v.Len(); i++ {
			if tooDeep(v.Index(i), dives, left-1) {
				return true
			}
		}
	case reflect.Map:
		for i := v.MapRange(); dives && i.Next(); {
			if tooDeep(i.Value(), dives, left-1) {
				return true
			}
		}
	case reflect.Struct:
		if isTime(v.Type()) {
			return false
		}
		for f, field := range v.Fields() {
			if into, dives := follows(f); into && tooDeep(field, dives, left-1) {
				return true
			}
		}
	}
	return false
}
