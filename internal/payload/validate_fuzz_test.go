package payload_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// Types with every rule that we check without the validator, on every kind of value it may stand at, and with
// enough that we do not know.
type (
	ruledStrings struct {
		Required string `validate:"required"`
		Email    string `validate:"email"`
		MayEmail string `validate:"omitempty,email"`
		UUID     string `validate:"uuid"`
		OneOf    string `validate:"oneof=a b 1"`
		Quoted   string `validate:"omitempty,oneof='a b' c"`
		Len      string `validate:"len=2"`
		Range    color  `validate:"min=1,max=3"`
		Open     string `validate:"gt=0,lt=4"`
		Ends     string `validate:"gte=1,lte=3"`
		Or       string `validate:"uuid|email|len=1"`
		Or2      string `validate:"oneof=a|oneof=b"`
		Blank    string `validate:"oneof=x\u00a0y z"`
		StandIn  standIn
		StandInP *standIn          `validate:"omitempty"`
		Hex      string            `validate:"max=0x10"`
		Pointer  *string           `validate:"omitempty,min=2"`
		Needed   **string          `validate:"required,max=3"`
		Strict   *string           `validate:"min=1"`
		List     []string          `validate:"required,max=2,dive,required,max=3"`
		Map      map[string]string `validate:"omitempty,min=1,dive,min=1"`
		Pointers []*string         `validate:"dive,required,min=1"`
		May      []*string         `validate:"dive,omitempty,min=1"`
		Keys     map[string]int    `validate:"dive,keys,min=1,endkeys,min=1"`
		Unique   []string          `validate:"unique"`
	}

	ruledNumbers struct {
		Int      int            `validate:"min=-1,max=100"`
		Int8     int8           `validate:"required,gt=1"`
		Uint     uint16         `validate:"gte=2,lte=300"`
		Octet    byte           `validate:"ne=7"`
		Float    float64        `validate:"gte=-0.5,lt=1e3"`
		Float32  float32        `validate:"gt=0.1,len=2"`
		Below    float64        `validate:"lte=9"`
		Tenth    float32        `validate:"gt=0.1"`
		May      int            `validate:"omitempty,min=5"`
		Pointer  *int           `validate:"omitempty,min=5"`
		Needed   *int           `validate:"required"`
		Bare     *int           `validate:"lt=5"`
		Wait     time.Duration  `validate:"min=1s,max=1h"`
		Nanos    time.Duration  `validate:"min=1"`
		OneOf    int            `validate:"oneof=1 2"`
		Bool     bool           `validate:"required"`
		BoolP    *bool          `validate:"required"`
		Array    [2]int         `validate:"required,len=2,dive,max=9"`
		Matrix   [][]int        `validate:"max=2,dive,max=2,dive,max=2"`
		Equal    int            `validate:"eqfield=Int"`
		ByString map[string]int `validate:"dive,min=1"`
	}

	ruledStructs struct {
		Plain    inner               `json:"plain"`
		Required inner               `validate:"required"`
		May      inner               `validate:"omitempty"`
		Pointer  *inner              `json:"pointer"`
		Needed   *inner              `validate:"required"`
		Given    *inner              `validate:"omitempty"`
		Only     inner               `validate:"structonly"`
		Skipped  inner               `validate:"-"`
		List     []inner             `validate:"dive"`
		Undived  []inner             `validate:"max=2"`
		Pointers []*inner            `validate:"dive"`
		Map      map[string]inner    `validate:"dive"`
		Nested   []map[string]*inner `validate:"dive,dive,required"`
		At       time.Time           `validate:"required"`
		AtP      *time.Time          `validate:"required"`
		MayAt    time.Time           `validate:"omitempty,lt"`
		Any      any
		NeedAny  any `validate:"required"`
		//lint:ignore U1000 the validator passes it over
		hidden inner
		Self   *ruledStructs
		inner
		Exposed
	}

	inner struct {
		A string `json:"a" validate:"required"`
		B int    `json:"b" validate:"max=3"`
	}
	embedder struct {
		inner
		*Exposed
	}
	Exposed struct {
		C string `validate:"omitempty,min=2"`
	}

	unruled struct {
		A string
		B []inner
		C map[string]any
		D *unruled
		E time.Time
	}

	simple struct {
		N *simple
		L []simple `validate:"max=2,dive"`
		S string   `validate:"omitempty,min=2"`
		A any
	}
)

// standIn has the validator look at another value.
type standIn string

func (standIn) ValidatorValue() any { return inner{} }

var ruledTypes = []reflect.Type{
	reflect.TypeFor[ruledStrings](), reflect.TypeFor[ruledNumbers](), reflect.TypeFor[ruledStructs](), reflect.TypeFor[unruled](),
	reflect.TypeFor[simple](), reflect.TypeFor[embedder](), reflect.TypeFor[inner](), reflect.TypeFor[welcome](), reflect.TypeFor[order](),
}

// FuzzValidate_AgreesWithValidator validates what can be made of the input: by ours and by the validator.
func FuzzValidate_AgreesWithValidator(f *testing.F) {
	for _, s := range []string{"", "a", "ab", "a b", "abc", "abcd", "éé", "\xff", "a@b.c", "a@b", "a.b+c@d-e.f.gh", ".a@b.c", "a.@b.c", "a..b@c.d", "a@-b.c", "a@b-.c",
		"a@b.c1", "a@b..c", "a@b.c.", "@b.c", "a@", "a@@b.c", "é@b.c", "a@é.fr", "\"a\"@b.c", "a <a@b.c>", "a_@b.c", "a@1.b", "a@b.c-d", "a@b_c.de",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b8109dad11d180b400c04fd430c8----"} {
		f.Add([]byte(`{"a":"x"}`), s, int64(len(s)), float64(len(s)))
	}
	for _, d := range []string{`null`, `{"plain":{"a":"x"},"Required":{"a":"y"},"Needed":{"a":"z"},"At":"2026-01-02T03:04:05Z","AtP":"2026-01-02T03:04:05Z","NeedAny":1,"a":"x","Any":{"a":1}}`,
		`{"N":{"L":[{"S":"ab"},{"S":"a"}]},"A":"x"}`, `{"user_id":1,"email":"a@b.c","locale":"en_GB","tags":["x"],"at":"2026-01-02T03:04:05Z"}`} {
		f.Add([]byte(d), "a", int64(1), math.NaN())
	}
	for _, d := range []string{`{"a":"x"}`, `{"a":"","C":"c"}`} {
		f.Add([]byte(d), "a|oneof=b", int64(2), 0.1)
	}
	ours, theirs := payload.NewValidator(nil), validator.New(validator.WithRequiredStructEnabled())
	f.Fuzz(func(t *testing.T, data []byte, s string, i int64, fl float64) {
		if len(s) > 100 {
			return
		}
		r := rand.New(rand.NewPCG(uint64(i), math.Float64bits(fl)))
		for _, typ := range ruledTypes {
			decoded := reflect.New(typ)
			_ = json.Unmarshal(data, decoded.Interface()) // a part of a payload is as good as a whole one
			compareValidation(t, ours, theirs, decoded)
			made := reflect.New(typ)
			scatter(r, made.Elem(), 3, s, i, fl)
			compareValidation(t, ours, theirs, made)
		}
		for _, typ := range ruledTypes[:3] {
			compareFields(t, r, ours, theirs, typ, s, i, fl)
		}
	})
}

// TestValidate_RandomPayloads_AgreeWithValidator does the same with payloads that often keep their rules.
func TestValidate_RandomPayloads_AgreeWithValidator(t *testing.T) {
	ours, theirs := payload.NewValidator(nil), validator.New(validator.WithRequiredStructEnabled())
	texts := []string{"", "a", "1", "ab", "abcd", "a b", "x", "a|oneof=b", "a@b.c", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		for _, typ := range ruledTypes {
			made := reflect.New(typ)
			scatter(r, made.Elem(), 3, texts[r.IntN(len(texts))], r.Int64N(5)*int64(time.Second), float64(r.IntN(4)))
			compareValidation(t, ours, theirs, made)
		}
		for _, typ := range ruledTypes[:3] {
			compareFields(t, r, ours, theirs, typ, texts[r.IntN(len(texts))], r.Int64N(5)-1, float64(r.IntN(4))-0.5)
		}
	}
}

// compareFields makes a struct of each field of typ alone, as one that breaks its rule hides the others.
func compareFields(t *testing.T, r *rand.Rand, ours *payload.Validator, theirs *validator.Validate, typ reflect.Type, s string, i int64, fl float64) {
	t.Helper()
	for f := range typ.Fields() {
		if !f.IsExported() || f.Anonymous || strings.Contains(string(f.Tag), "eqfield") {
			continue
		}
		one := reflect.New(reflect.StructOf([]reflect.StructField{{Name: f.Name, Type: f.Type, Tag: f.Tag}}))
		scatter(r, one.Elem(), 3, s, i, fl)
		compareValidation(t, ours, theirs, one)
	}
}

func compareValidation(t *testing.T, ours *payload.Validator, theirs *validator.Validate, ptr reflect.Value) {
	t.Helper()
	plan, err := payload.PlanFor(ptr.Type().Elem())
	if err != nil {
		t.Fatal(err)
	}
	got, want := ours.Validate(plan, ptr.Interface()), theirs.Struct(ptr.Interface())
	if (got == nil) != (want == nil) {
		t.Errorf("%v %+v:\n got %v,\nwant %v", ptr.Type().Elem(), ptr.Elem(), got, want)
	}
}

// scatter sets v here and there to s, i and fl.
func scatter(r *rand.Rand, v reflect.Value, depth int, s string, i int64, fl float64) {
	if !v.CanSet() || depth < 0 || r.IntN(8) == 0 {
		return
	}
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(s)
	case v.CanInt():
		v.SetInt(i)
	case v.CanUint():
		v.SetUint(uint64(i))
	case v.CanFloat():
		v.SetFloat([]float64{fl, fl, 0.1, math.NaN()}[r.IntN(4)])
	case k == reflect.Bool:
		v.SetBool(i > 0)
	case k == reflect.Interface:
		v.Set(reflect.ValueOf([]any{s, i, fl, inner{}, &inner{}, &inner{A: "x"}, map[string]any{}, []inner{{}}, color(s), standIn(s)}[r.IntN(10)]))
	case k == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scatter(r, v.Elem(), depth, s, i, fl)
	case k == reflect.Slice:
		n := r.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for j := range n {
			scatter(r, v.Index(j), depth-1, s, i, fl)
		}
	case k == reflect.Array:
		for j := range v.Len() {
			scatter(r, v.Index(j), depth-1, s, i, fl)
		}
	case k == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(3) {
			elem := reflect.New(v.Type().Elem()).Elem()
			scatter(r, elem, depth-1, s, i, fl)
			v.SetMapIndex(reflect.ValueOf(strings.Repeat("k", r.IntN(3))), elem)
		}
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(i, 0)))
	case k == reflect.Struct:
		for j := range v.NumField() {
			scatter(r, v.Field(j), depth-1, s, i, fl)
		}
	}
}
