package payload

import (
	"reflect"
	"time"
)

// fill returns a pointer to a value of type t with something in every place that rules may look at, so that none
// is passed over as missing. Each struct type is filled once.
func fill(t reflect.Type) reflect.Value {
	ptr := reflect.New(t)
	fillValue(ptr.Elem(), make(map[reflect.Type]bool))
	return ptr
}

func fillValue(v reflect.Value, filled map[reflect.Type]bool) {
	if !v.CanSet() {
		return
	}
	t := v.Type()
	switch t.Kind() {
	case reflect.String:
		v.SetString("a")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		if t.Name() != "" { // only named types refer to themselves
			if filled[t] {
				return
			}
			filled[t] = true
		}
		fillParts(v, filled)
	default:
		switch {
		case v.CanInt():
			v.SetInt(1)
		case v.CanUint():
			v.SetUint(1)
		case v.CanFloat():
			v.SetFloat(1)
		}
	}
}

func fillParts(v reflect.Value, filled map[reflect.Type]bool) {
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		fillValue(v.Elem(), filled)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		fillValue(v.Index(0), filled)
	case reflect.Array:
		if t.Len() > 0 {
			fillValue(v.Index(0), filled)
		}
	case reflect.Map:
		key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		fillValue(key, filled)
		fillValue(elem, filled)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		if isTime(t) {
			v.Set(reflect.ValueOf(time.Unix(1, 0)).Convert(t))
			return
		}
		for i := range v.NumField() {
			fillValue(v.Field(i), filled)
		}
	}
}
