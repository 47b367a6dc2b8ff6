package tasktest

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"time"
)

// diff says field by field how got differs from want, a line each.
func diff(want, got any) []string {
	w, g := map[string]string{}, map[string]string{}
	flatten(w, "", reflect.ValueOf(want), 0)
	flatten(g, "", reflect.ValueOf(got), 0)
	paths := map[string]bool{}
	for p := range w {
		paths[p] = true
	}
	for p := range g {
		paths[p] = true
	}
	var lines []string
	for p := range paths {
		wv, inWant := w[p]
		gv, inGot := g[p]
		if inWant && inGot && wv == gv {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: got %s, want %s", name(p), present(gv, inGot), present(wv, inWant)))
	}
	sort.Strings(lines)
	if len(lines) == 0 { // they differ where nothing can be shown
		lines = append(lines, fmt.Sprintf("got %#v, want %#v", got, want))
	}
	return lines
}

func name(path string) string {
	if path == "" {
		return "payload"
	}
	return path
}

func present(v string, ok bool) string {
	if !ok {
		return "nothing"
	}
	return v
}

// deepest keeps a payload that refers to itself from being followed for ever.
const deepest = 20

// flatten writes v's leaves by their path, with Go's field names.
func flatten(out map[string]string, path string, v reflect.Value, depth int) {
	if !v.IsValid() {
		out[path] = "nil"
		return
	}
	if depth > deepest {
		out[path] = "..."
		return
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case time.Time:
			out[path] = x.Format(time.RFC3339Nano)
			return
		case []byte:
			out[path] = strconv.Quote(string(x))
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			out[path] = "nil"
			return
		}
		flatten(out, path, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			flatten(out, join(path, v.Type().Field(i).Name), v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			out[path] = "nil"
			return
		}
		out[path+" (length)"] = strconv.Itoa(v.Len())
		for i := range v.Len() {
			flatten(out, fmt.Sprintf("%s[%d]", path, i), v.Index(i), depth+1)
		}
	case reflect.Map:
		if v.IsNil() {
			out[path] = "nil"
			return
		}
		out[path+" (length)"] = strconv.Itoa(v.Len())
		for it := v.MapRange(); it.Next(); {
			flatten(out, fmt.Sprintf("%s[%v]", path, it.Key()), it.Value(), depth+1)
		}
	case reflect.String:
		out[path] = strconv.Quote(v.String())
	default:
		out[path] = fmt.Sprint(v)
	}
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
