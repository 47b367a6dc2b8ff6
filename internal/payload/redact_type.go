package payload

import (
	"encoding"
	"encoding/json"
	"log/slog"
	"reflect"
)

var (
	logValuerType     = reflect.TypeFor[slog.LogValuer]()
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// MayRedact reports whether a payload may hold a [slog.LogValuer] where its JSON shows it, so that [Redacted] has to
// look. Anything may be in an interface.
func (p *Plan) MayRedact() bool { return p.mayRedact }

// inside is a type, and where it was come by.
type inside struct {
	typ reflect.Type
	// pkg is the package of the type around it whose own method writes the JSON, if there is one: it may show fields
	// of that package that are not exported.
	pkg string
}

// mayHold reports whether a value of the type may be, or be made of, a slog.LogValuer.
func (in inside) mayHold() bool {
	seen := make(map[inside]bool)
	for todo := []inside{in}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		if at.typ.Kind() == reflect.Interface || has(at.typ, logValuerType) {
			return true
		}
		switch at = at.entered(); at.typ.Kind() {
		case reflect.Map:
			todo = append(todo, inside{at.typ.Key(), at.pkg}, inside{at.typ.Elem(), at.pkg})
		case reflect.Pointer, reflect.Slice, reflect.Array:
			todo = append(todo, inside{at.typ.Elem(), at.pkg})
		case reflect.Struct:
			for f := range at.typ.Fields() {
				if at.shows(f) || at.hides(f) {
					todo = append(todo, inside{f.Type, at.pkg})
				}
			}
		}
	}
	return false
}

// entered is in for what its type is made of.
func (in inside) entered() inside {
	if in.typ.Kind() != reflect.Interface && in.typ.PkgPath() != "" && writesItself(in.typ) { // an unnamed type has the methods of what it embeds
		in.pkg = in.typ.PkgPath()
	}
	return in
}

// shows reports whether the JSON of a struct may have field f.
func (in inside) shows(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && (in.pkg != "" || f.Tag.Get("json") != "-")
}

// hides reports whether a method may show field f, which nobody else can look into: what is in it may be in use.
func (in inside) hides(f reflect.StructField) bool {
	return !f.IsExported() && !f.Anonymous && f.PkgPath == in.pkg
}

// writesItself reports whether a method of t's writes its JSON.
func writesItself(t reflect.Type) bool { return has(t, marshalerType) || has(t, textMarshalerType) }

func (r *redactor) mayHold(in inside) bool {
	if in.typ.Kind() == reflect.Interface {
		return true
	}
	may, ok := r.may[in]
	if !ok {
		may = in.mayHold()
		r.may[in] = may
	}
	return may
}

// holds reports whether there is a slog.LogValuer in v. Of around, the package counts.
func (r *redactor) holds(v reflect.Value, around inside, left int) bool {
	if !v.IsValid() {
		return false
	}
	in := inside{v.Type(), around.pkg}
	if !r.mayHold(in) {
		return false
	}
	r.nodes--
	if r.nodes < 0 || left == 0 || v.Kind() != reflect.Interface && has(in.typ, logValuerType) {
		return true
	}
	switch in = in.entered(); v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return r.holds(v.Elem(), in, left-1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if r.holds(v.Index(i), in, left-1) {
				return true
			}
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if r.holds(i.Key(), in, left-1) || r.holds(i.Value(), in, left-1) {
				return true
			}
		}
	case reflect.Struct:
		for f, field := range v.Fields() {
			if in.shows(f) && r.holds(field, in, left-1) || in.hides(f) && r.mayHold(inside{f.Type, in.pkg}) {
				return true
			}
		}
	}
	return false
}
