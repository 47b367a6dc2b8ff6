package payload

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

var (
	numberType          = reflect.TypeFor[json.Number]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	unmarshalerFromType = reflect.TypeFor[jsonv2.UnmarshalerFrom]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// needsV1 reports whether encoding/json may read a value of type t in another way than version 2 does:
//   - json.Number is encoding/json's own;
//   - the tag option "string" takes "NaN" and "+1" for numbers in version 2;
//   - other tag options mean something, and names may be quoted, in version 2 only;
//   - UnmarshalJSONFrom is a method of version 2.
func needsV1(t reflect.Type) bool {
	return t != nil && seekV1(t, make(map[reflect.Type]bool))
}

func seekV1(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch {
	case t == numberType, has(t, unmarshalerFromType):
		return true
	case seen[t], has(t, unmarshalerType), has(t, textUnmarshalerType):
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map: // keys of maps are read alike
		return seekV1(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			tag := f.Tag.Get("json")
			if tag == "-" || !f.IsExported() && !f.Anonymous {
				continue
			}
			if !sharedTag(tag) || seekV1(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// sharedTag reports whether tag surely means the same to both versions.
func sharedTag(tag string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:"
	name, options, _ := strings.Cut(tag, ",")
	if strings.Trim(name, plain) != "" {
		return false
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "", "omitempty", "omitzero", "inline":
		default:
			return false
		}
	}
	return true
}
