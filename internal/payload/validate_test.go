package payload_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/payload"
)

type (
	line struct {
		Email string `json:"email" validate:"required,email"`
		Qty   int    `json:"qty" validate:"min=1"`
	}
	cart struct {
		Email   string            `json:"email" validate:"required,email"`
		Address *zipped           `json:"address" validate:"required"`
		Lines   []line            `json:"lines" validate:"max=3,dive"`
		ByName  map[string]zipped `json:"by_name" validate:"dive"`
		Untag   string            `validate:"max=3"`
		Hidden  string            `json:"-" validate:"max=3"`
		//lint:ignore SA5008 "-" is the name
		Dash string `json:"-,omitempty" validate:"max=3"`
	}
	zipped struct {
		Zip string `json:"zip,omitempty" validate:"required"`
	}
	flat struct {
		zipped
		*Street
		Coded `json:"coded"`
		Word
	}
	Street struct {
		Name string `json:"street" validate:"required"`
	}
	Coded struct {
		Code string `json:"code" validate:"len=2"`
	}
	Word      string
	flatRuled struct {
		Street `validate:"required"`
	}
	tree struct {
		Name     string  `json:"name" validate:"required"`
		Children []*tree `json:"children" validate:"dive"`
	}
	envelope struct {
		Body any `json:"body"`
	}
	paged[T any] struct {
		Items []T `json:"items" validate:"dive"`
	}
)

// validate validates v as tasks do: under a plan for its static type.
func validate[T any](t *testing.T, val *payload.Validator, v T) error {
	t.Helper()
	return val.Validate(planFor[T](t), &v)
}

func TestValidate_KindsOfPayload_ListEveryBrokenRule(t *testing.T) {
	val := payload.NewValidator(nil)
	fine, bad := line{"a@b.co", 1}, line{"nobody", 0}
	tests := map[string]struct {
		err  error
		want string // after "payload is not valid: "; empty for a valid payload
	}{
		"struct, valid":         {validate(t, val, fine), ""},
		"struct":                {validate(t, val, bad), "email fails rule email; qty fails rule min=1"},
		"pointer":               {validate(t, val, &bad), "email fails rule email; qty fails rule min=1"},
		"pointer to pointer":    {validate(t, val, new(new(bad))), "email fails rule email; qty fails rule min=1"},
		"anonymous struct":      {validate(t, val, struct{ L line }{bad}), "L.email fails rule email; L.qty fails rule min=1"},
		"nested":                {validate(t, val, cart{Email: "a@b.co", Address: &zipped{}, Lines: []line{fine, fine, bad}}), "address.zip fails rule required; lines[2].email fails rule email; lines[2].qty fails rule min=1"},
		"map inside":            {validate(t, val, cart{Email: "a@b.co", Address: &zipped{"z"}, ByName: map[string]zipped{"y": {}, "x": {}, "z": {"z"}}}), "by_name[...].zip fails rule required; by_name[...].zip fails rule required"},
		"parameters":            {validate(t, val, cart{Email: "a@b.co", Lines: make([]line, 4)}), "address fails rule required; lines fails rule max=3"},
		"names":                 {validate(t, val, cart{Email: "a@b.co", Address: &zipped{"z"}, Untag: "long", Hidden: "long", Dash: "long"}), "- fails rule max=3; Hidden fails rule max=3; Untag fails rule max=3"},
		"embedded":              {validate(t, val, flat{Street: &Street{}}), "coded.code fails rule len=2; street fails rule required; zip fails rule required"},
		"embedded, absent":      {validate(t, val, flat{zipped: zipped{"z"}, Coded: Coded{"ab"}}), ""},
		"embedded with a rule":  {validate(t, val, flatRuled{}), "Street fails rule required"},
		"generic":               {validate(t, val, paged[line]{[]line{fine, bad}}), "items[1].email fails rule email; items[1].qty fails rule min=1"},
		"slice":                 {validate(t, val, []line{fine, bad}), "[1].email fails rule email; [1].qty fails rule min=1"},
		"slice, valid":          {validate(t, val, []line{fine}), ""},
		"slice, nil":            {validate(t, val, []line(nil)), ""},
		"slice of pointers":     {validate(t, val, []*line{&fine, nil, &bad}), "[2].email fails rule email; [2].qty fails rule min=1"},
		"pointer to slice":      {validate(t, val, &[]line{bad}), "[0].email fails rule email; [0].qty fails rule min=1"},
		"slices of slices":      {validate(t, val, [][]zipped{{{"z"}}, {{"z"}, {}}}), "[1][1].zip fails rule required"},
		"array":                 {validate(t, val, [2]zipped{{"z"}}), "[1].zip fails rule required"},
		"map":                   {validate(t, val, map[string]zipped{"a": {}, "b": {"z"}}), "[...].zip fails rule required"},
		"map of slices":         {validate(t, val, map[int][]zipped{7: {{"z"}, {}}}), "[...][1].zip fails rule required"},
		"map key with newline":  {validate(t, val, map[string]zipped{"a\nb": {}}), "[...].zip fails rule required"},
		"map of scalars":        {validate(t, val, map[string][]int{"a": {1}}), ""},
		"bytes":                 {validate(t, val, []byte("x")), ""},
		"scalar":                {validate(t, val, 0), ""},
		"string":                {validate(t, val, ""), ""},
		"time":                  {validate(t, val, time.Time{}), ""},
		"empty struct":          {validate(t, val, struct{}{}), ""},
		"interface field":       {validate(t, val, envelope{&bad}), "body.email fails rule email; body.qty fails rule min=1"},
		"interface field, JSON": {validate(t, val, envelope{map[string]any{"a": 1.0}}), ""},
		"interface, struct":     {validate[any](t, val, bad), "email fails rule email; qty fails rule min=1"},
		"interface, pointer":    {validate[any](t, val, &bad), "email fails rule email; qty fails rule min=1"},
		"interface, slice":      {validate[any](t, val, []any{fine, bad}), "[1].email fails rule email; [1].qty fails rule min=1"},
		"interface, nil":        {validate[any](t, val, nil), ""},
		"slice of interfaces":   {validate(t, val, []any{1, &bad}), "[1].email fails rule email; [1].qty fails rule min=1"},
		"recursive":             {validate(t, val, tree{"a", []*tree{{"b", nil}, {"c", []*tree{{}}}}}), "children[1].children[0].name fails rule required"},
		"nothing but itself":    {validate(t, val, loopedSlice{nil, {}}), ""},
		"a pointer to pointers": {validate(t, val, struct{ P loopedPointer }{}), ""},
		"stands for another":    {validate(t, val, []standIn{"x"}), "[0].a fails rule required"},
		"a rule of alternatives": {validate(t, val, struct {
			V string `validate:"uuid|len=2"`
		}{"abc"}), "V fails rule uuid|len=2"},
		"an alias": {validate(t, val, struct {
			V string `validate:"iscolor"`
		}{"abc"}), "V fails rule iscolor"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.want == "" {
				if tt.err != nil {
					t.Errorf("got %v", tt.err)
				}
				return
			}
			if want := "payload is not valid: " + tt.want; tt.err == nil || tt.err.Error() != want {
				t.Errorf("\n got %v,\nwant %v", tt.err, want)
			}
			if !causedBy[*payload.ValidationError](tt.err) || !causedBy[validator.ValidationErrors](tt.err) {
				t.Errorf("%#v is no ValidationError with its cause", tt.err)
			}
		})
	}
}

func TestValidate_BrokenRules_AreListedAsFields(t *testing.T) {
	err := validate(t, payload.NewValidator(nil), cart{Address: &zipped{}, Lines: make([]line, 4)})
	invalid, ok := errors.AsType[*payload.ValidationError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := []payload.FieldError{{"address.zip", "required", ""}, {"email", "required", ""}, {"lines", "max", "3"}}
	if !reflect.DeepEqual(invalid.Fields, want) {
		t.Errorf("got %v, want %v", invalid.Fields, want)
	}
}

func TestValidate_NilPointer_MatchesErrNil(t *testing.T) {
	val := payload.NewValidator(nil)
	for _, err := range []error{
		validate(t, val, (*line)(nil)), validate(t, val, (*int)(nil)), validate(t, val, new(*line)), validate[any](t, val, (*line)(nil)),
	} {
		if !errors.Is(err, payload.ErrNil) || err.Error() != "payload is nil" {
			t.Errorf("got %v", err)
		}
	}
}

func TestValidate_PlanForAnotherType_IsAnError(t *testing.T) {
	val, plan := payload.NewValidator(nil), planFor[line](t)
	if err := validate[any](t, val, func() {}); err == nil || causedBy[*payload.ValidationError](err) {
		t.Errorf("a function in an interface: got %v", err)
	}
	for ptr, want := range map[any]string{
		nil: "got a <nil>, want a pointer to payload_test.line", line{}: "got a payload_test.line, want", new(zipped): "got a *payload_test.zipped, want",
		(*line)(nil): "got a *payload_test.line, want",
	} {
		if err := val.Validate(plan, ptr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestPlanFor_NoPayload_IsAnError(t *testing.T) {
	for _, typ := range []reflect.Type{nil, reflect.TypeFor[func()](), reflect.TypeFor[chan int](), reflect.TypeFor[*chan int](), reflect.TypeFor[loopedPointer]()} {
		if p, err := payload.PlanFor(typ); err == nil {
			t.Errorf("%v: got %v", typ, p)
		}
	}
}

type (
	loopedMap     map[string]loopedMap
	loopedSlice   []*loopedSlice
	loopedPointer *loopedPointer
)

func TestValidate_ValueContainsItself_IsAnError(t *testing.T) {
	root := &tree{Name: "a"}
	root.Children = []*tree{root}
	ring := &simple{}
	ring.N = ring
	val := payload.NewValidator(nil)
	for _, err := range []error{validate(t, val, root), validate(t, val, *ring), validate(t, payload.NewValidator(validator.New()), root)} {
		if err == nil || err.Error() != "payload is not valid: it nests deeper than 10000 levels, or contains itself" {
			t.Errorf("got %v", err)
		}
	}

	var around any
	around = &around
	if err := validate(t, val, around); err != nil {
		t.Errorf("got %v", err)
	}

	// So are maps and pointers.
	looped := loopedMap{}
	looped["a"] = looped
	if err := validate(t, val, struct {
		M loopedMap `validate:"dive"`
	}{looped}); err == nil {
		t.Error("a map in itself is fine")
	}
	var p loopedPointer
	p = &p
	if err := validate(t, val, struct{ P loopedPointer }{p}); err == nil {
		t.Error("a pointer to itself is fine")
	}

	// The validator does not come round in these.
	type node struct {
		Parent   *node   `json:"-" validate:"-"`
		Children []*node `validate:"dive"`
	}
	parent := &node{}
	parent.Children = []*node{{Parent: parent}}
	if err := validate(t, val, parent); err != nil {
		t.Errorf("got %v", err)
	}
	type undived struct {
		Parent   *undived `json:"-"`
		Children []*undived
	}
	top := &undived{}
	top.Children = []*undived{{Parent: top}}
	if err := validate(t, val, top); err != nil {
		t.Errorf("got %v", err)
	}
	type only struct {
		Parent *only `validate:"structonly"`
	}
	self := &only{}
	self.Parent = self
	if err := validate(t, val, self); err != nil {
		t.Errorf("got %v", err)
	}
	deep := &tree{Name: "a"}
	for range 9000 {
		deep = &tree{Name: "a", Children: []*tree{deep}}
	}
	if err := validate(t, val, deep); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestValidate_CustomValidator_HasItsWayWithEveryPayload(t *testing.T) {
	custom := validator.New()
	if err := custom.RegisterValidation("even", func(f validator.FieldLevel) bool { return f.Field().Int()%2 == 0 }); err != nil {
		t.Fatal(err)
	}
	custom.RegisterStructValidation(func(s validator.StructLevel) {
		if s.Current().Interface().(unruled).A == "" {
			s.ReportError(s.Current().Field(0), "A", "A", "given", "")
		}
	}, unruled{})
	val := payload.NewValidator(custom)

	type even struct {
		N int `json:"n" validate:"even"`
	}
	if err := validate(t, val, even{3}); err == nil || err.Error() != "payload is not valid: N fails rule even" {
		t.Errorf("got %v", err)
	}
	if err := validate(t, val, even{2}); err != nil {
		t.Errorf("got %v", err)
	}
	// No tags, and yet a rule.
	if err := validate(t, val, unruled{}); err == nil || err.Error() != "payload is not valid: A fails rule given" {
		t.Errorf("got %v", err)
	}
	if err := validate(t, val, []unruled{{}}); err == nil || err.Error() != "payload is not valid: [0].A fails rule given" {
		t.Errorf("got %v", err)
	}
	if err := val.Check(planFor[even](t)); err != nil {
		t.Errorf("got %v", err)
	}
	if err := payload.NewValidator(nil).Check(planFor[even](t)); err == nil {
		t.Error("the stock validator knows a rule that it was not told")
	}
}

func TestCheck_BadTags_AreFoundAtDefinition(t *testing.T) {
	val := payload.NewValidator(nil)
	tests := map[string]struct {
		err  error
		want string
	}{
		"unknown rule": {check[struct {
			V string `validate:"emial"`
		}](t, val), "Undefined validation function 'emial' on field 'V'"},
		"behind a pointer": {check[*struct {
			P *struct {
				V string `validate:"emial"`
			}
		}](t, val), "Undefined validation function 'emial' on field 'V'"},
		"in a slice": {check[[]struct {
			V string `validate:"emial"`
		}](t, val), "Undefined validation function 'emial' on field 'V'"},
		"in a map of pointers": {check[map[string]*struct {
			V string `validate:"emial"`
		}](t, val), "Undefined validation function 'emial' on field 'V'"},
		"unsuited to its type": {check[struct {
			V bool `validate:"min=1"`
		}](t, val), "Bad field type bool"},
		"bad parameter": {check[struct {
			V int `validate:"required,min=one"`
		}](t, val), `strconv.ParseInt: parsing "one": invalid syntax`},
		"nothing to dive into": {check[struct {
			V int `validate:"required,dive"`
		}](t, val), "dive error! can't dive on a non slice or map"},
		"empty rule": {check[struct {
			V int `validate:"min=1,"`
		}](t, val), "Invalid validation tag on field 'V'"},
		"keyword with a value": {check[struct {
			V []int `validate:"dive=1"`
		}](t, val), "Undefined validation function 'dive' on field 'V'"},
	}
	for name, tt := range tests {
		if tt.err == nil || !strings.HasSuffix(tt.err.Error(), " has a bad validate tag: "+tt.want) {
			t.Errorf("%s: got %v, want %s", name, tt.err, tt.want)
		}
	}
	for _, typ := range append(ruledTypes, jsonTypes...) {
		plan, err := payload.PlanFor(typ)
		if err != nil {
			t.Fatal(err)
		}
		if err := val.Check(plan); err != nil {
			t.Errorf("%v: got %v", typ, err)
		}
	}
}

func check[T any](t *testing.T, val *payload.Validator) error {
	t.Helper()
	return val.Check(planFor[T](t))
}

func TestValidate_PanickingRule_IsAnErrorOfTheCode(t *testing.T) {
	custom := validator.New()
	boom := errors.New("boom")
	if err := custom.RegisterValidation("boom", func(validator.FieldLevel) bool { panic(boom) }); err != nil {
		t.Fatal(err)
	}
	type fragile struct {
		V string `validate:"boom"`
	}
	val := payload.NewValidator(custom)
	err := validate(t, val, fragile{"x"})
	p, ok := errors.AsType[*payload.PanicError](err)
	if !ok || !errors.Is(err, boom) || err.Error() != "validating a payload of type payload_test.fragile panicked: boom" {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(string(p.Stack), "TestValidate_PanickingRule") {
		t.Errorf("the stack is not the panic's: %s", p.Stack)
	}
	if causedBy[*payload.ValidationError](err) {
		t.Error("the payload is blamed")
	}
	if err := val.Check(planFor[fragile](t)); err != nil {
		t.Errorf("a rule that may suit real payloads: got %v", err)
	}
	if err := validate(t, payload.NewValidator(nil), struct {
		V string `validate:"emial"`
	}{}); err == nil || !strings.HasSuffix(err.Error(), "panicked: Undefined validation function 'emial' on field 'V'") {
		t.Errorf("got %v", err)
	}
}

func TestValidate_OrdinaryPayload_DoesNotAllocate(t *testing.T) {
	val, small, large := payload.NewValidator(nil), planFor[welcome](t), planFor[order](t)
	w, o := smallPayload(), largePayload()
	allocs := testing.AllocsPerRun(100, func() {
		if err := errors.Join(val.Validate(small, w), val.Validate(large, o)); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations: the validator was asked", allocs)
	}
}
