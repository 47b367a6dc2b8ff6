package payload_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/payload"
)

type (
	shelf struct {
		Items  []line                       `json:"items" validate:"dive"`
		By     map[string]shelf             `json:"by" validate:"dive"`
		Nested map[string]map[string]string `json:"nested" validate:"dive,dive,max=3"`
		Keys   map[string]int               `json:"keys" validate:"dive,keys,max=3,endkeys,max=3"`
		Sizes  map[string][]int             `json:"sizes" validate:"dive,max=2,dive,max=3"`
		ByInt  map[int]*zipped              `json:"by_int" validate:"dive,required"`
		Any    any                          `json:"any"`
		Stands map[string]standIn           `json:"stands" validate:"dive"`
		Boxes  map[string]any               `json:"boxes" validate:"dive,required"`
		Texts  map[cased]zipped             `json:"texts" validate:"dive"`
	}
	// cased is not spelled as it is shown.
	cased string
)

func (c cased) String() string { return strings.ToUpper(string(c)) }

func TestValidate_KeysOfMaps_StayOutOfPaths(t *testing.T) {
	bad := line{"nobody", 1}
	fine := line{"a@b.co", 1}
	tests := map[string]struct {
		payload shelf
		want    string
	}{
		"indices stay":               {shelf{Items: []line{fine, bad}}, "items[1].email fails rule email"},
		"a struct's field":           {shelf{ByInt: map[int]*zipped{5270: {}}}, "by_int[...].zip fails rule required"},
		"the element itself":         {shelf{ByInt: map[int]*zipped{5270: nil}}, "by_int[...] fails rule required"},
		"indices below":              {shelf{By: map[string]shelf{secret: {Items: []line{fine, fine, bad}}}}, "by[...].items[2].email fails rule email"},
		"keys below":                 {shelf{By: map[string]shelf{secret: {By: map[string]shelf{secret: {Items: []line{bad}}}}}}, "by[...].by[...].items[0].email fails rule email"},
		"maps of maps":               {shelf{Nested: map[string]map[string]string{secret: {secret: "long"}}}, "nested[...][...] fails rule max=3"},
		"a rule of keys":             {shelf{Keys: map[string]int{secret: 1}}, "keys[...] fails rule max=3"},
		"a value, keys with rules":   {shelf{Keys: map[string]int{"key": 7}}, "keys[...] fails rule max=3"},
		"a list":                     {shelf{Sizes: map[string][]int{secret: {1, 2, 3}}}, "sizes[...] fails rule max=2"},
		"an element of a list":       {shelf{Sizes: map[string][]int{secret: {1, 7}}}, "sizes[...][1] fails rule max=3"},
		"in an interface":            {shelf{Any: shelf{By: map[string]shelf{secret: {Items: []line{bad}}}}}, "any.by[...].items[0].email fails rule email"},
		"behind an interface":        {shelf{Boxes: map[string]any{secret: &shelf{Items: []line{bad}}}}, "boxes[...].items[0].email fails rule email"},
		"nothing in it":              {shelf{Boxes: map[string]any{secret: nil}}, "boxes[...] fails rule required"},
		"stands for another":         {shelf{Stands: map[string]standIn{secret: "x"}}, "stands[...].a fails rule required"},
		"shown otherwise":            {shelf{Texts: map[cased]zipped{secret: {}}}, "texts[...].zip fails rule required"},
		"a key with brackets":        {shelf{By: map[string]shelf{"a[" + secret + "]": {Items: []line{bad}}}}, "by[...].items[0].email fails rule email"},
		"a key like a path":          {shelf{By: map[string]shelf{secret + "].Items[0": {Items: []line{bad}}}}, "by[...].items[0].email fails rule email"},
		"a key like a path of map's": {shelf{Nested: map[string]map[string]string{"a][" + secret: {"b": "long"}}}, "nested[...][...] fails rule max=3"},
		"a key with much of it":      {shelf{Nested: map[string]map[string]string{strings.Repeat("]"+secret+"[", 500): {"b": "long"}}}, "nested[...][...] fails rule max=3"},
		"a key like many":            {shelf{By: map[string]shelf{strings.Repeat("].By["+secret, 500): {Items: []line{bad}}}}, "by[...].items[0].email fails rule email"},
	}
	custom := validator.New()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := validate(t, payload.NewValidator(nil), tt.payload)
			if want := "payload is not valid: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("\n got %.500v,\nwant %v", err, want)
			}
			err = validate(t, payload.NewValidator(custom), tt.payload) // Go's names
			if err == nil || strings.Contains(strings.ToLower(err.Error()), secret) || strings.Contains(err.Error(), "5270") {
				t.Errorf("%.500v gives the secret away", err)
			}
			if got := strings.ToLower(strings.ReplaceAll(err.Error(), "_", "")); got != strings.ReplaceAll("payload is not valid: "+strings.ReplaceAll(tt.want, "by_int", "byint"), "_", "") {
				t.Errorf("by Go's names: got %.500v", err)
			}
		})
	}
}

// stocked is validated by a method of its own, which knows the validator.
type stocked map[string]int

func (s stocked) Validate() error { return validator.New().Var(map[string]int(s), "dive,max=3") }

// shelved has another path for its errors than it has fields.
type shelved struct{ Stock []map[string]int }

func (s shelved) Validate() error { return validator.New().Var(s.Stock, "dive,dive,max=3") }

func TestValidate_KeysInErrorsOfOwnMethods_StayOutOfPaths(t *testing.T) {
	val := payload.NewValidator(nil)
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"of the payload": {validate(t, val, stocked{secret: 7}), "[...] fails rule max=3"},
		"of a field":     {validate(t, val, shelved{[]map[string]int{{secret: 7}}}), "[...] fails rule max=3"},
	} {
		if tt.err == nil || tt.err.Error() != "payload is not valid: "+tt.want {
			t.Errorf("%s: got %v, want %s", name, tt.err, tt.want)
		}
	}
}

func TestValidate_StructLevelRules_NameWhatTheyLike(t *testing.T) {
	custom := validator.New()
	custom.RegisterStructValidation(func(sl validator.StructLevel) {
		sl.ReportError(sl.Current().Field(0).Interface(), "sku["+secret+"].of", "SKU", "known", "")
	}, item{})
	val := payload.NewValidator(custom)
	err := validate(t, val, map[string][]item{secret: {{SKU: "x", Name: "x", Qty: 1}}})
	if want := "payload is not valid: [...][0].sku[...].of fails rule known"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestValidate_KeysThatProlongTheSearch_AreAllOfThePath(t *testing.T) {
	type opaque struct{ Text string }
	custom := validator.New()
	custom.RegisterCustomTypeFunc(func(v reflect.Value) any { return v.Interface().(opaque).Text }, opaque{})
	type keys = map[cased]map[cased]map[cased]opaque
	brackets := cased(strings.Repeat("]["+secret, 1000))
	err := validate(t, payload.NewValidator(custom), struct {
		Deep keys `validate:"dive,dive,dive,max=3"`
	}{keys{brackets: {brackets: {brackets: {"long"}}}}})
	if want := "payload is not valid: Deep[...] fails rule max=3"; err == nil || err.Error() != want {
		t.Errorf("got %.500v, want %s", err, want)
	}
}
