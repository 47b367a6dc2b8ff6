package payload

import "reflect"

// check reports whether the validator would accept v. It may be wrong in one way only: false also means "not sure",
// and the validator is asked then. So what it knows of the rules must be right, and need not be much: enough for
// the commonest rules on payloads that keep them, at a tenth of the validator's time. A nil check accepts anything.
//
// It holds for the validator's stock rules alone; FuzzValidate_AgreesWithValidator compares the two.
type check func(v reflect.Value) bool

func doubt(reflect.Value) bool { return false }

// compiler turns types with tags into checks.
type compiler struct {
	structs map[reflect.Type]*structCheck // done and under way, as types may refer to themselves
}

func newCompiler() *compiler { return &compiler{structs: make(map[reflect.Type]*structCheck)} }

// value checks a value of type t under rules. pointed is whether it is what a pointer refers to.
func (c *compiler) value(t reflect.Type, rules []rule, pointed bool) check {
	if has(t, valuerType) {
		return doubt
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.pointer(t, rules)
	case reflect.Interface:
		if len(rules) > 0 {
			return doubt
		}
		return plain
	case reflect.Struct:
		var fields check
		if !isTime(t) {
			fields = c.fields(t)
		}
		return c.chain(t, rules, pointed, fields)
	}
	return c.chain(t, rules, pointed, nil)
}

func (c *compiler) pointer(t reflect.Type, rules []rule) check {
	if t.Name() != "" { // it may refer to itself
		return doubt
	}
	elem := c.value(t.Elem(), rules, true)
	if elem == nil && len(rules) == 0 {
		return nil
	}
	nilIsFine := len(rules) == 0 || rules[0].name == "omitempty"
	return func(v reflect.Value) bool {
		if v.IsNil() {
			return nilIsFine
		}
		return elem == nil || elem(v.Elem())
	}
}

// chain checks rules one after the other, and last after them all.
func (c *compiler) chain(t reflect.Type, rules []rule, pointed bool, last check) check {
	if len(rules) == 0 {
		return last
	}
	r, rest := rules[0], rules[1:]
	if r.name == "dive" {
		return c.dive(t, rest)
	}
	next := c.chain(t, rest, pointed, last)
	switch r.name {
	case "required":
		return and(present(t, pointed), next)
	case "omitempty":
		there := present(t, pointed)
		if there == nil || next == nil {
			return next
		}
		return func(v reflect.Value) bool { return !there(v) || next(v) }
	}
	return and(r.check(t), next)
}

func (c *compiler) dive(t reflect.Type, rules []rule) check {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		elem := c.value(t.Elem(), rules, false)
		if elem == nil {
			return nil
		}
		return func(v reflect.Value) bool {
			for i := range v.Len() {
				if !elem(v.Index(i)) {
					return false
				}
			}
			return true
		}
	case reflect.Map:
		elem := c.value(t.Elem(), rules, false)
		if elem == nil {
			return nil
		}
		return func(v reflect.Value) bool {
			for i := v.MapRange(); i.Next(); {
				if !elem(i.Value()) {
					return false
				}
			}
			return true
		}
	}
	return doubt
}

// structCheck checks the fields that have something to check.
type structCheck struct {
	fields []fieldCheck
	done   bool // fields are complete
}

type fieldCheck struct {
	index int
	check check
}

func (s *structCheck) check(v reflect.Value) bool {
	for i := range s.fields {
		if f := &s.fields[i]; !f.check(v.Field(f.index)) {
			return false
		}
	}
	return true
}

func (c *compiler) fields(t reflect.Type) check {
	if s, ok := c.structs[t]; ok {
		if s.done && len(s.fields) == 0 {
			return nil
		}
		return s.check
	}
	s := new(structCheck)
	c.structs[t] = s
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get(ruleTag)
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if ch := c.value(f.Type, parseRules(tag), false); ch != nil {
			s.fields = append(s.fields, fieldCheck{i, ch})
		}
	}
	s.done = true
	if len(s.fields) == 0 {
		return nil
	}
	return s.check
}

// and is nil only if both are, and never for one in doubt.
func and(a, b check) check {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v reflect.Value) bool { return a(v) && b(v) }
}

// present is the validator's notion of a value that is there; nil if it always is.
func present(t reflect.Type, pointed bool) check {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return func(v reflect.Value) bool { return !v.IsNil() }
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return doubt
	}
	if pointed {
		return nil
	}
	return func(v reflect.Value) bool { return !v.IsZero() }
}

// plain accepts what is in an interface if it is nothing that the validator looks into: all that JSON decodes to.
func plain(v reflect.Value) bool {
	if v.IsNil() {
		return true
	}
	t := v.Elem().Type()
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Interface:
		return false
	}
	return t.PkgPath() == "" // no methods
}
