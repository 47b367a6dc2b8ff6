package payload

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/go-playground/validator/v10"
)

// Validator holds the rules that payloads are validated by. It is safe for concurrent use.
type Validator struct {
	v     *validator.Validate
	stock bool // v is ours: no rule, type or struct has a meaning of its own
}

// NewValidator validates through custom, which it does not change; nil means one of its own that knows the rules
// of the validator package, requires structs that are `required` to be set, and names fields as JSON does.
// A custom validator names them by its own RegisterTagNameFunc, and is asked about every payload but scalars: it may
// have rules that no tag tells of.
func NewValidator(custom *validator.Validate) *Validator {
	if custom != nil {
		return &Validator{v: custom}
	}
	v := validator.New(validator.WithRequiredStructEnabled(), validator.WithTagNameFuncBlankOmit())
	v.RegisterTagNameFunc(jsonName)
	return &Validator{v: v, stock: true}
}

// Check finds tags that the validator does not know or that do not suit their fields, by validating a zero payload
// and a sample. Its error names the payload's type and the tag. Some mistakes show only in a real payload.
func (v *Validator) Check(p *Plan) error {
	for _, sample := range []reflect.Value{reflect.New(p.core), fill(p.core)} {
		err := v.tags(p, sample.Elem())
		// The validator panics with texts about tags. Any other panic comes from a rule that someone registered,
		// and that may suit real payloads.
		if text, ok := panicText(err); ok {
			return fmt.Errorf("payload type %v has a bad %s tag: %s", p.typ, ruleTag, text)
		}
	}
	return nil
}

// Validate validates the payload that ptr, a *T for the T that p was made for, points to: its tags, then its
// Validate method, then the Validate methods of the elements of a slice, array or map. A payload that fails is a
// [*ValidationError], which for a nil pointer matches [ErrNil]; a panic on the way is a [*PanicError].
func (v *Validator) Validate(p *Plan, ptr any) error {
	val := reflect.ValueOf(ptr)
	if !val.IsValid() || val.Type().Kind() != reflect.Pointer || val.Type().Elem() != p.typ || val.IsNil() {
		return fmt.Errorf("validating a payload: got a %T, want a pointer to %v", ptr, p.typ)
	}
	val = val.Elem()
	for val.Kind() == reflect.Pointer {
		if val.IsNil() {
			return &ValidationError{Err: ErrNil}
		}
		val = val.Elem()
	}
	if val.Kind() == reflect.Interface {
		return v.dynamic(val)
	}
	if p.looping && tooDeep(val, true, 3*maxDepth) {
		return &ValidationError{Err: fmt.Errorf("it nests deeper than %d levels, or contains itself", maxDepth)}
	}
	if !v.stock || p.accept != nil && !p.accept(val) {
		if err := v.tags(p, val); err != nil {
			return err
		}
	}
	if p.validates || p.elements {
		return v.methods(p, val)
	}
	return nil
}

// dynamic validates what an interface holds, under a plan for its type.
func (v *Validator) dynamic(val reflect.Value) error {
	if val.IsNil() {
		return nil
	}
	p, err := PlanFor(val.Elem().Type())
	if err != nil || p.core.Kind() == reflect.Interface { // a pointer to another, or to itself
		return err
	}
	ptr := reflect.New(p.typ)
	ptr.Elem().Set(val.Elem())
	return v.Validate(p, ptr.Interface())
}

// tags lets the validator look at val, a variable of type p.core.
func (v *Validator) tags(p *Plan, val reflect.Value) (err error) {
	defer recoverAs(p.typ, &err)
	root := ""
	switch {
	case p.dives != "":
		err = v.v.Var(val.Addr().Interface(), p.dives)
	case p.core.Kind() == reflect.Struct && !isTime(p.core):
		root = p.core.Name()
		err = v.v.Struct(val.Addr().Interface())
	}
	if err != nil {
		return newValidationError(root, val, err)
	}
	return nil
}

// methods calls the Validate methods of val, a variable, and of its elements.
func (v *Validator) methods(p *Plan, val reflect.Value) (err error) {
	defer recoverAs(p.typ, &err)
	if p.validates {
		if err := val.Addr().Interface().(validatable).Validate(); err != nil {
			return newValidationError(p.core.Name(), val, err)
		}
	}
	if !p.elements {
		return nil
	}
	var failed reasons
	for key, elem := range val.Seq2() {
		if err := validateElement(elem); err != nil {
			at := anyKey
			if val.Kind() != reflect.Map {
				at = fmt.Sprintf("[%v]", key)
			}
			failed = append(failed, fmt.Errorf("%s: %w", at, err))
		}
	}
	if failed != nil {
		return &ValidationError{Err: failed}
	}
	return nil
}

func validateElement(elem reflect.Value) error {
	switch elem.Kind() {
	case reflect.Pointer, reflect.Interface:
		if elem.IsNil() {
			return nil
		}
		return elem.Interface().(validatable).Validate()
	}
	if !elem.CanAddr() { // a map's
		variable := reflect.New(elem.Type()).Elem()
		variable.Set(elem)
		elem = variable
	}
	return elem.Addr().Interface().(validatable).Validate()
}

func recoverAs(t reflect.Type, err *error) {
	if r := recover(); r != nil {
		*err = &PanicError{Type: t, Value: r, Stack: debug.Stack()}
	}
}

func panicText(err error) (string, bool) {
	p, ok := err.(*PanicError)
	if !ok {
		return "", false
	}
	text, ok := p.Value.(string)
	return text, ok
}

// jsonName names a field as encoding/json does, and not at all where it is flattened into its parent.
func jsonName(f reflect.StructField) string {
	tag := f.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-":
		return f.Name
	case name != "":
		return name
	case f.Anonymous && flattened(f.Type):
		return ""
	}
	return f.Name
}

func flattened(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}
