package payload_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/internal/payload"
)

type welcome struct {
	UserID int64     `json:"user_id" validate:"required"`
	Email  string    `json:"email" validate:"required,email"`
	Locale string    `json:"locale" validate:"required,len=5"`
	Tags   []string  `json:"tags" validate:"max=8,dive,required"`
	At     time.Time `json:"at" validate:"required"`
}

type order struct {
	ID      string            `json:"id" validate:"required"`
	Email   string            `json:"email" validate:"required,email"`
	Address address           `json:"address"`
	Placed  time.Time         `json:"placed" validate:"required"`
	Meta    map[string]string `json:"meta"`
	Items   []item            `json:"items" validate:"required,dive"`
}

type address struct {
	Street string `json:"street"`
	City   string `json:"city"`
	Zip    string `json:"zip" validate:"required"`
}

type item struct {
	SKU    string            `json:"sku" validate:"required"`
	Name   string            `json:"name" validate:"required,max=80"`
	Qty    int               `json:"qty" validate:"min=1"`
	Price  float64           `json:"price" validate:"gte=0"`
	Attrs  map[string]string `json:"attrs"`
	Labels []string          `json:"labels"`
}

var placed = time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC)

// smallPayload is 118 bytes of JSON.
func smallPayload() *welcome {
	return &welcome{UserID: 4711, Email: "someone@example.com", Locale: "en_GB", Tags: []string{"new", "trial"}, At: placed}
}

// largePayload is 20 KB of JSON.
func largePayload() *order {
	o := &order{ID: "ord-1", Email: "someone@example.com", Address: address{"1 Long Road", "Town", "12345"}, Placed: placed,
		Meta: make(map[string]string)}
	for i := range 20 {
		o.Meta[fmt.Sprint("key-", i)] = "a value of some length"
	}
	for i := range 143 {
		o.Items = append(o.Items, item{fmt.Sprint("sku-", i), "A thing with a name", i + 1, 9.95,
			map[string]string{"colour": "red", "size": fmt.Sprint("XL-", i)}, []string{"new", "sale"}})
	}
	return o
}

// Each benchmark has encoding/json, with the validator where we validate, beside ours. The least of 120 short runs
// each, on a busy AMD EPYC with Go 1.26.8, json v1.27.2 and validator v10.30.6:
//
//	                       small                           20KB
//	encode                 504 ns,  2 allocs               79 us,  758 allocs
//	  version 2            420 ns,  1         0.83        112 us,  595         1.41
//	decode                1474 ns, 12                     277 us, 2234
//	  version 2            885 ns,  3         0.60        192 us, 1174         0.69
//	  ours                 707 ns,  3         0.48        167 us, 1174         0.60
//	validate              1315 ns, 15                      57 us, 1015
//	  ours                 115 ns,  0         0.09          7 us,    0         0.13
//	decode and validate   3186 ns, 27                     343 us, 3249
//	  ours                 952 ns,  3         0.30        174 us, 1174         0.51
//	  ours, a custom one  2528 ns, 18         0.79        227 us, 2189         0.66
func BenchmarkJSON_Encode(b *testing.B) {
	benchmarkEncode(b, "small", smallPayload())
	benchmarkEncode(b, "20KB", largePayload())
}

func BenchmarkJSON_Decode(b *testing.B) {
	benchmarkDecode[welcome](b, "small", smallPayload())
	benchmarkDecode[order](b, "20KB", largePayload())
}

func BenchmarkValidate(b *testing.B) {
	benchmarkValidate(b, "small", smallPayload())
	benchmarkValidate(b, "20KB", largePayload())
}

func BenchmarkDecodeAndValidate(b *testing.B) {
	benchmarkDecodeAndValidate[welcome](b, "small", smallPayload())
	benchmarkDecodeAndValidate[order](b, "20KB", largePayload())
}

func benchmarkEncode(b *testing.B, size string, v any) {
	bench(b, size+"/encodingjson", func() error { _, err := json.Marshal(v); return err })
	bench(b, size+"/version2", func() error { _, err := jsonv2.Marshal(v, jsonv1.DefaultOptionsV1()); return err })
	bench(b, size+"/ours", func() error { _, err := payload.JSON{}.Marshal(v); return err })
}

func benchmarkDecode[T any](b *testing.B, size string, v *T) {
	data, plan := encoded(b, v), planFor[T](b)
	bench(b, size+"/encodingjson", func() error { var v T; return json.Unmarshal(data, &v) })
	bench(b, size+"/version2", func() error { var v T; return jsonv2.Unmarshal(data, &v, jsonv1.DefaultOptionsV1()) })
	bench(b, size+"/ours", func() error { var v T; return plan.Decode(payload.JSON{}, data, &v) })
}

func benchmarkValidate[T any](b *testing.B, size string, v *T) {
	plan, ours, theirs := planFor[T](b), payload.NewValidator(nil), validator.New(validator.WithRequiredStructEnabled())
	custom := payload.NewValidator(theirs)
	bench(b, size+"/validator", func() error { return theirs.Struct(v) })
	bench(b, size+"/custom", func() error { return custom.Validate(plan, v) })
	bench(b, size+"/ours", func() error { return ours.Validate(plan, v) })
}

func benchmarkDecodeAndValidate[T any](b *testing.B, size string, v *T) {
	data, plan := encoded(b, v), planFor[T](b)
	ours, theirs := payload.NewValidator(nil), validator.New(validator.WithRequiredStructEnabled())
	custom := payload.NewValidator(theirs)
	bench(b, size+"/encodingjson+validator", func() error {
		var v T
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		return theirs.Struct(&v)
	})
	through := func(val *payload.Validator) func() error {
		return func() error {
			var v T
			if err := plan.Decode(payload.JSON{}, data, &v); err != nil {
				return err
			}
			return val.Validate(plan, &v)
		}
	}
	bench(b, size+"/custom", through(custom))
	bench(b, size+"/ours", through(ours))
}

func bench(b *testing.B, name string, f func() error) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func encoded(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func planFor[T any](tb testing.TB) *payload.Plan {
	tb.Helper()
	plan, err := payload.PlanFor(reflect.TypeFor[T]())
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}
