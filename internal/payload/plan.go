package payload

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
)

// Codec turns payloads into bytes and back. tasks.Codec is the same, with the contract.
type Codec interface {
	Name() string
	Marshal(any) ([]byte, error)
	Unmarshal([]byte, any) error
}

// Plan is how payloads of one type are decoded and validated. It never changes: make one per definition and share it.
type Plan struct {
	typ     reflect.Type
	v1      bool         // JSON is for encoding/json to decode
	core    reflect.Type // typ without its pointers
	dives   string       // "dive,dive" for a slice of maps; empty for anything but slices, arrays and maps
	accept  check        // whether the validator would surely accept; nil where it has nothing to check
	looping bool         // values may contain themselves

	mayRedact bool // see MayRedact

	validates bool // the payload has a Validate method
	elements  bool // its elements have
}

// validatable is a payload with rules beyond its tags.
type validatable interface{ Validate() error }

var (
	validatableType = reflect.TypeFor[validatable]()
	valuerType      = reflect.TypeFor[validator.Valuer]()
	timeType        = reflect.TypeFor[time.Time]()
)

// PlanFor looks at type t of a payload. It fails only if no value of t can be a payload: functions, channels.
// Whether the tags make sense is for [Validator.Check] to say, as validators know different rules.
func PlanFor(t reflect.Type) (*Plan, error) {
	if t == nil {
		return nil, errors.New("a payload needs a type")
	}
	core := t
	for hops := 0; core.Kind() == reflect.Pointer && hops < 100; hops++ {
		core = core.Elem()
	}
	switch core.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Pointer: // type P *P
		return nil, fmt.Errorf("a payload cannot be of type %v: it holds no data", t)
	}
	p := &Plan{typ: t, v1: needsV1(core), core: core, looping: loops(core), validates: has(core, validatableType)}
	p.mayRedact = inside{typ: t}.mayHold()
	rules := dives(core)
	p.dives = strings.TrimSuffix(strings.Repeat("dive,", len(rules)), ",")
	p.elements = len(rules) > 0 && has(core.Elem(), validatableType)
	p.accept = newCompiler().value(core, rules, false)
	return p, nil
}

// Decode decodes data through c into the payload that ptr, a *T for the T that p was made for, points to; it should
// be zero. An error is a [*DecodeError].
func (p *Plan) Decode(c Codec, data []byte, ptr any) error {
	if j, ok := c.(JSON); ok {
		return j.unmarshal(data, ptr, p.v1)
	}
	if err := c.Unmarshal(data, ptr); err != nil {
		return asDecodeError(c.Name(), err)
	}
	return nil
}

// dives returns a dive rule for each slice, array or map around what core is made of.
func dives(core reflect.Type) []rule {
	var rules []rule
	seen := make(map[reflect.Type]bool)
	for t := core; ; t = t.Elem() {
		switch {
		case seen[t]: // nothing but itself, like type T []T
			return nil
		case t != core && has(t, valuerType): // the validator looks at another value instead
			return rules
		case t.Kind() == reflect.Slice, t.Kind() == reflect.Array, t.Kind() == reflect.Map:
			rules = append(rules, rule{name: "dive"})
		case t.Kind() != reflect.Pointer:
			return rules
		}
		seen[t] = true
	}
}

// has reports whether t or *t implements iface.
func has(t, iface reflect.Type) bool {
	return t.Implements(iface) || t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(iface)
}

// isTime reports whether the validator takes struct t for a time, and does not look at its fields.
func isTime(t reflect.Type) bool { return t.ConvertibleTo(timeType) }
