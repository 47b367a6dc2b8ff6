package payload_test

import (
	"errors"
	"testing"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/payload"
)

var errTooEarly = errors.New("from must be before until")

// span has a rule that no tag says, by a value's method.
type span struct {
	From  int `json:"from" validate:"min=1"`
	Until int `json:"until"`
}

func (s span) Validate() error {
	if s.From >= s.Until {
		return errTooEarly
	}
	return nil
}

// gap has it by a pointer's.
type gap struct{ From, Until int }

func (g *gap) Validate() error { return span(*g).Validate() }

type gaps []gap

func (g gaps) Validate() error {
	if len(g) == 0 {
		return errors.New("no gaps")
	}
	return nil
}

// selfChecked asks the validator itself.
type selfChecked struct {
	Name string `rules:"required"`
}

func (s selfChecked) Validate() error {
	v := validator.New()
	v.SetTagName("rules")
	return v.Struct(s)
}

type explosive struct{}

func (*explosive) Validate() error { panic("boom") }

func TestValidate_ValidateMethods_AreCalledOnceTagsPass(t *testing.T) {
	val := payload.NewValidator(nil)
	const early = "from must be before until"
	tests := map[string]struct {
		err  error
		want string
	}{
		"value's":                  {validate(t, val, span{2, 1}), early},
		"value's, valid":           {validate(t, val, span{1, 2}), ""},
		"tags first":               {validate(t, val, span{0, 0}), "from fails rule min=1"},
		"of a pointer payload":     {validate(t, val, &span{2, 1}), early},
		"pointer's":                {validate(t, val, gap{2, 1}), early},
		"pointer's, of a pointer":  {validate(t, val, &gap{2, 1}), early},
		"slice":                    {validate(t, val, []span{{1, 2}, {2, 1}, {3, 1}}), "[1]: " + early + "; [2]: " + early},
		"slice, valid":             {validate(t, val, []span{{1, 2}}), ""},
		"slice, pointer's":         {validate(t, val, []gap{{2, 1}}), "[0]: " + early},
		"slice of pointers":        {validate(t, val, []*gap{nil, {2, 1}}), "[1]: " + early},
		"slice of interfaces":      {validate(t, val, []interface{ Validate() error }{nil, span{2, 1}}), "[1]: " + early},
		"array":                    {validate(t, val, [1]gap{{2, 1}}), "[0]: " + early},
		"map":                      {validate(t, val, map[string]span{"a\n": {2, 1}}), "[...]: " + early},
		"map, pointer's":           {validate(t, val, map[int]gap{3: {2, 1}}), "[...]: " + early},
		"map of pointers":          {validate(t, val, map[int]*gap{3: {2, 1}, 4: nil}), "[...]: " + early},
		"of the slice itself":      {validate(t, val, gaps{}), "no gaps"},
		"of a slice's elements":    {validate(t, val, gaps{{2, 1}}), "[0]: " + early},
		"only one level down":      {validate(t, val, [][]span{{{2, 1}}}), ""},
		"not of fields":            {validate(t, val, struct{ S span }{span{2, 1}}), ""},
		"in an interface":          {validate[any](t, val, gap{2, 1}), early},
		"with validator's answers": {validate(t, val, selfChecked{}), "Name fails rule required"},
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
			if !causedBy[*payload.ValidationError](tt.err) {
				t.Errorf("%T is no *ValidationError", tt.err)
			}
		})
	}
	for _, err := range []error{validate(t, val, span{2, 1}), validate(t, val, []gap{{1, 2}, {2, 1}})} {
		if !errors.Is(err, errTooEarly) {
			t.Errorf("the method's error is not behind %v", err)
		}
	}
}

func TestValidate_PanickingMethod_IsAnErrorOfTheCode(t *testing.T) {
	val := payload.NewValidator(nil)
	for _, err := range []error{validate(t, val, explosive{}), validate(t, val, []explosive{{}})} {
		if !causedBy[*payload.PanicError](err) {
			t.Errorf("got %v", err)
		}
	}
}
