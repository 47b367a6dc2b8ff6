package tasks_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// pldRule's tag makes no sense.
type pldRule struct {
	A int `validate:"no_such_rule"`
}

func TestCheckPayload(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	for _, c := range []struct {
		typ  reflect.Type
		says string // empty: it is fine
	}{
		{reflect.TypeFor[dlvOrder](), ""}, {reflect.TypeFor[[]dlvOrder](), ""}, {reflect.TypeFor[map[string]any](), ""}, {reflect.TypeFor[any](), ""}, {reflect.TypeFor[int](), ""},
		{reflect.TypeFor[chan int](), "chan int"}, {reflect.TypeFor[func()](), "func()"},
		{reflect.TypeFor[pldRule](), "no_such_rule"},
	} {
		for range 2 { // the second time from what was kept
			err := app.CheckPayload(c.typ)
			if c.says == "" {
				if err != nil {
					t.Errorf("%s: %v", c.typ, err)
				}
				continue
			}
			enqSays(t, err, c.says)
		}
	}
}

func TestValidate_OfAPayload(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	if err := app.Validate(&dlvOrder{ID: 7}); err != nil {
		t.Error(err)
	}
	for _, v := range []any{&dlvOrder{}, &dlvOrder{ID: 7, Email: "x"}, (*dlvOrder)(nil), nil} {
		if _, ok := errors.AsType[*tasks.ValidationError](app.Validate(v)); !ok {
			t.Errorf("Validate(%+v) returns %v", v, app.Validate(v))
		}
	}
	for _, v := range []any{dlvOrder{ID: 7}, 7, []int{1}, map[string]int(nil)} {
		if err := app.Validate(v); !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("Validate(%#v) returns %v", v, err)
		}
		if err := app.Decode(tasks.JSONCodec{}, nil, v); !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("Decode into %#v returns %v", v, err)
		}
	}
	if err := app.Validate(&pldRule{}); err == nil {
		t.Error("rules that make no sense are kept")
	}
	if err := app.Validate(new(chan int)); err == nil {
		t.Error("a channel is a payload")
	}
}

func TestDecode_IntoAPayload(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	var o dlvOrder
	if err := app.Decode(tasks.JSONCodec{}, []byte(`{"id": 7, "email": "ana@example.com"}`), &o); err != nil || o != (dlvOrder{7, "ana@example.com"}) {
		t.Errorf("decoded %+v, %v", o, err)
	}
	for _, data := range []string{``, `{"id": 0}`, `{"id": 7, "email": "x"}`, `null`} {
		var o dlvOrder
		if err := app.Decode(tasks.JSONCodec{}, []byte(data), &o); err == nil {
			t.Errorf("%q is a payload", data)
		} else if _, ok := errors.AsType[*tasks.ValidationError](err); !ok {
			t.Errorf("%q: %v", data, err)
		}
	}
	for _, data := range []string{`{`, `[]`, `{"id": "7"}`, `{"id": NaN}`, "\xff", ` `} {
		if _, ok := errors.AsType[*tasks.DecodeError](app.Decode(tasks.JSONCodec{}, []byte(data), &o)); !ok {
			t.Errorf("%q: %v", data, app.Decode(tasks.JSONCodec{}, []byte(data), &o))
		}
	}
	kept := dlvOrder{ID: 9}
	if err := app.Decode(tasks.JSONCodec{}, nil, &kept); err != nil || kept.ID != 9 {
		t.Errorf("without data it became %+v, %v", kept, err)
	}
	if _, ok := errors.AsType[*tasks.ValidationError](app.Decode(tasks.JSONCodec{}, []byte(dlvBody), (*dlvOrder)(nil))); !ok {
		t.Error("a nil pointer is a payload")
	}
}
