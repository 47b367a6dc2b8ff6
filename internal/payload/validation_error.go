package payload

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/printable"
)

// ErrNil matches the [*ValidationError] of a payload that is a nil pointer.
var ErrNil = errors.New("payload is nil")

// ValidationError says that a payload breaks its rules.
type ValidationError struct {
	Fields []FieldError // every field that failed; empty if only a Validate method objects
	Err    error        // what said so: validator.ValidationErrors, or what Validate returned
}

// FieldError is one field and the rule that it broke. It has no value: that may be a secret.
type FieldError struct {
	Field string `json:"field"`           // where, like "address.zip", "items[2].email" or "prices[...]" for any key of a map
	Rule  string `json:"rule"`            // like "required" or "max"
	Param string `json:"param,omitempty"` // like "3" of "max=3"
}

// Error lists all fields on one line, like `payload is not valid: email fails rule email; items[2].qty fails rule min=1`.
func (e *ValidationError) Error() string {
	if len(e.Fields) == 0 {
		if e.Err == ErrNil {
			return ErrNil.Error()
		}
		return fmt.Sprintf("payload is not valid: %v", e.Err)
	}
	var b strings.Builder
	b.WriteString("payload is not valid: ")
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *ValidationError) Unwrap() error { return e.Err }

// String reads like `items[2].qty fails rule min=1`.
func (f FieldError) String() string {
	s := f.Rule
	if f.Param != "" {
		s += "=" + f.Param
	}
	if f.Field == "" {
		return "fails rule " + s
	}
	return f.Field + " fails rule " + s
}

// PanicError says that a rule or a Validate method panicked: the code is at fault and not the payload.
type PanicError struct {
	Type  reflect.Type // of the payload
	Value any          // what it panicked with
	Stack []byte       // of the panic
}

// Error names the type and what it panicked with.
func (e *PanicError) Error() string {
	return fmt.Sprintf("validating a payload of type %v panicked: %v", e.Type, e.Value)
}

// Unwrap returns the panic's value if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// reasons are why a payload is none: what the Validate methods of its elements returned, or what each of the types
// that it might be of objects to.
type reasons []error

func (rs reasons) Error() string {
	texts := make([]string, len(rs))
	for i, err := range rs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (rs reasons) Unwrap() []error { return rs }

// newValidationError lists the fields of err, if the validator made it of val. Its paths start with root, the struct's
// name.
func newValidationError(root string, val reflect.Value, err error) *ValidationError {
	e := &ValidationError{Err: err}
	var failed validator.ValidationErrors
	if !errors.As(err, &failed) {
		return e
	}
	for _, f := range failed {
		path, names := f.Namespace(), f.StructNamespace()
		if root != "" {
			if path == root { // a flattened struct's own rule, at the top
				path = f.StructField()
			}
			path, names = strings.TrimPrefix(path, root+"."), strings.TrimPrefix(names, root+".")
		}
		param := f.Param()
		if strings.Contains(f.Tag(), "|") { // alternatives come with theirs
			param = ""
		}
		e.Fields = append(e.Fields, FieldError{Field: printable.Text(keyless(path, names, val, f.Type())), Rule: f.Tag(), Param: param})
	}
	// The validator walks maps in random order.
	slices.SortFunc(e.Fields, func(a, b FieldError) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Param, b.Param))
	})
	return e
}
