package tasks_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqTrip enqueues p and delivers what was sent, and returns the body and what the function was given.
func enqTrip[T any](t *testing.T, p T) (body string, got T) {
	t.Helper()
	fake, runs := &enqFake{}, 0
	task := tasks.New(func(_ context.Context, v T) error { got, runs = v, runs+1; return nil }, tasks.WithName("trip"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), p))(t)
	if err := task.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if runs != 1 {
		t.Fatalf("the function ran %d times, want once", runs)
	}
	return string(fake.only(t).Body), got
}

func enqTrips[T any](p T, want string) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		body, got := enqTrip(t, p)
		if body != want {
			t.Errorf("body is %s, want %s", body, want)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("the function is given %#v, want %#v", got, p)
		}
	}
}

func TestPayload_AnyKind_TravelsAndComesBack(t *testing.T) {
	t.Parallel()
	mail := enqMail{To: "ana"}
	pointer := &mail
	t.Run("struct", enqTrips(mail, `{"to":"ana"}`))
	t.Run("pointer", enqTrips(pointer, `{"to":"ana"}`))
	t.Run("pointer to a pointer", enqTrips(&pointer, `{"to":"ana"}`))
	t.Run("empty struct", enqTrips(struct{}{}, `{}`))
	t.Run("slice", enqTrips([]enqMail{{To: "a"}, {To: "b"}}, `[{"to":"a"},{"to":"b"}]`))
	t.Run("slice of pointers", enqTrips([]*enqMail{pointer}, `[{"to":"ana"}]`))
	t.Run("array", enqTrips([2]int{1, 2}, `[1,2]`))
	t.Run("map", enqTrips(map[string]enqMail{"k": mail}, `{"k":{"to":"ana"}}`))
	t.Run("int", enqTrips(42, `42`))
	t.Run("string", enqTrips("läuft", `"läuft"`))
	t.Run("bool", enqTrips(false, `false`))
	t.Run("bytes", enqTrips([]byte("ab"), `"YWI="`))
	t.Run("time", enqTrips(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), `"2030-01-02T03:04:05Z"`))
	t.Run("duration", enqTrips(time.Second, `1000000000`))
	t.Run("any", enqTrips[any](map[string]any{"a": "b"}, `{"a":"b"}`))
}

func TestEnqueue_InvalidPayload_ListsFieldsByTheirJSONNames(t *testing.T) {
	t.Parallel()
	type address struct {
		Zip string `json:"zip_code" validate:"len=5,numeric"`
	}
	type order struct {
		Email   string   `json:"email" validate:"required,email"`
		Count   int      `validate:"min=1"`
		Address address  `json:"address"`
		Lines   []string `json:"lines" validate:"dive,max=3"`
	}
	fake, task := &enqFake{}, tasks.New(enqDone[order])
	enqApp(t, tasks.Config{Transport: fake}, task)
	_, err := task.Enqueue(t.Context(), order{Email: "no", Address: address{"1"}, Lines: []string{"abc", "abcd"}})
	invalid, ok := errors.AsType[*tasks.ValidationError](err)
	if !ok {
		t.Fatalf("got %v, want a *ValidationError", err)
	}
	want := []tasks.FieldError{
		{Field: "Count", Rule: "min", Param: "1"}, {Field: "address.zip_code", Rule: "len", Param: "5"},
		{Field: "email", Rule: "email"}, {Field: "lines[1]", Rule: "max", Param: "3"},
	}
	if !reflect.DeepEqual(invalid.Fields, want) {
		t.Errorf("fields are %v, want %v", invalid.Fields, want)
	}
	enqSays(t, err, "tasks: order:", "email fails rule email", "address.zip_code fails rule len=5")
	if fake.calls != 0 {
		t.Error("an invalid payload was sent")
	}
}

type (
	enqRange        struct{ From, To int }
	enqRangePointer struct{ From, To int }
)

var errEnqOrder = errors.New("from is after to")

func (r enqRange) Validate() error {
	if r.From > r.To {
		return errEnqOrder
	}
	return nil
}

func (r *enqRangePointer) Validate() error { return enqRange(*r).Validate() }

// enqInvalid enqueues a payload that breaks a rule.
func enqInvalid[T any](p T, says string, cause error) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		fake, task := &enqFake{}, tasks.New(enqDone[T], tasks.WithName("invalid"))
		enqApp(t, tasks.Config{Transport: fake}, task)
		_, err := task.Enqueue(t.Context(), p)
		if _, ok := errors.AsType[*tasks.ValidationError](err); !ok {
			t.Fatalf("Enqueue: %v, want a *ValidationError", err)
		}
		enqSays(t, err, says)
		if cause != nil && !errors.Is(err, cause) {
			t.Errorf("%v does not match %v", err, cause)
		}
		if err := task.Run(t.Context(), p); err == nil {
			t.Error("Run takes it")
		}
		if fake.calls != 0 {
			t.Error("it was sent")
		}
	}
}

func TestEnqueue_InvalidPayload_OfAnyKind(t *testing.T) {
	t.Parallel()
	var none *enqMail
	t.Run("struct", enqInvalid(enqMail{}, "to fails rule required", nil))
	t.Run("pointer", enqInvalid(&enqMail{}, "to fails rule required", nil))
	t.Run("nil pointer", enqInvalid(none, "nil", nil))
	t.Run("nil behind a pointer", enqInvalid(&none, "nil", nil))
	t.Run("slice", enqInvalid([]enqMail{{To: "a"}, {}}, "[1].to fails rule required", nil))
	t.Run("map", enqInvalid(map[string]enqMail{"k": {}}, "[...].to fails rule required", nil))
	t.Run("Validate", enqInvalid(enqRange{2, 1}, "from is after to", errEnqOrder))
	t.Run("Validate on a pointer receiver", enqInvalid(enqRangePointer{2, 1}, "from is after to", errEnqOrder))
	t.Run("Validate of an element", enqInvalid([]enqRange{{1, 2}, {2, 1}}, "from is after to", errEnqOrder))
}

func TestEnqueue_NilInsideAList_FailsThatOneAlone(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[*enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	results := task.EnqueueAll(t.Context(), []*enqMail{{To: "a"}, nil, {To: "b"}})
	for i, r := range results {
		if failed := r.Err != nil; failed != (i == 1) {
			t.Errorf("payload %d: %v", i, r.Err)
		}
	}
}

func TestEnqueue_CustomValidator_KnowsItsOwnRules(t *testing.T) {
	t.Parallel()
	type coupon struct {
		Code string `json:"code" validate:"coupon"`
	}
	rules := validator.New()
	if err := rules.RegisterValidation("coupon", func(fl validator.FieldLevel) bool { return strings.HasPrefix(fl.Field().String(), "C-") }); err != nil {
		t.Fatal(err)
	}
	fake, task := &enqFake{}, tasks.New(enqDone[coupon])
	enqApp(t, tasks.Config{Transport: fake, Validator: rules}, task)
	if _, err := task.Enqueue(t.Context(), coupon{"X"}); err == nil {
		t.Error("a coupon against the rule was enqueued")
	}
	enqMust(task.Enqueue(t.Context(), coupon{"C-1"}))(t)

	plain := enqApp(t, tasks.Config{Transport: &enqFake{}})
	enqSays(t, plain.Register(tasks.New(enqDone[coupon])), `task "coupon"`, "coupon")
}

func TestEnqueue_NotEncodable_IsTheCallersError(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[float64], tasks.WithName("number"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	_, err := task.Enqueue(t.Context(), math.NaN())
	enqSays(t, err, "tasks: number:", "NaN")
	if fake.calls != 0 {
		t.Error("it was sent")
	}
}

func TestEnqueue_Size_IsCheckedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[string], tasks.WithName("text"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), strings.Repeat("x", 1<<20-2000)))(t)
	_, err := task.Enqueue(t.Context(), strings.Repeat("x", 1<<20))
	if !errors.Is(err, tasks.ErrTooLarge) || transport.KindOf(err) != transport.KindTooLarge {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	enqSays(t, err, "tasks: text:", "over the limit of 1048569", "reference")
	fake.only(t)
}
