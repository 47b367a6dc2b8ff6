package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/payload"
)

func TestJSON_Marshal_WritesWhatEncodingJSONWrites(t *testing.T) {
	n := 7
	for _, v := range []any{
		nil, true, "<&>\u2028\xff", 1e21, []byte("hi"), []int(nil), map[string]int(nil), map[int]string{2: "b", 1: "a"},
		scalars{Float64: 1.0, Named: "red", Wait: time.Second}, &pointers{String: new(string)}, collections{Small: [4]byte{1}},
		quoted{Int: 5, Ptr: &n}, embedding{leaf: leaf{A: "x", B: 1}}, names{Exact: "e", hidden: "h"}, methods{Upper: "u", TextP: &textKey{"t"}},
		times{At: placed}, json.RawMessage(`{"a": 1}`), *smallPayload(), largePayload(),
	} {
		want, wantErr := json.Marshal(v)
		got, err := payload.JSON{}.Marshal(v)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%T: got %s, %v; want %s, %v", v, got, err, want, wantErr)
		}
	}
}

func TestJSON_Marshal_WhatJSONCannotHold_NamesTheType(t *testing.T) {
	loop := &recursive{}
	loop.Parent = loop
	for want, v := range map[string]any{
		"payload of type payload_test.scalars cannot be encoded: json: unsupported value: NaN":                                                scalars{Float64: math.NaN()},
		"payload of type payload_test.scalars cannot be encoded: json: unsupported value: +Inf":                                               scalars{Any: math.Inf(1)},
		"payload of type chan int cannot be encoded: json: unsupported type: chan int":                                                        make(chan int),
		"payload of type *payload_test.recursive cannot be encoded: json: unsupported value: encountered a cycle via *payload_test.recursive": loop,
	} {
		_, err := payload.JSON{}.Marshal(v)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, err := payload.JSON{}.Marshal(math.NaN())
	if _, ok := errors.AsType[*json.UnsupportedValueError](err); !ok {
		t.Errorf("the cause is out of reach in %#v", err)
	}
}

func TestJSON_RoundTrip_KeepsThePayload(t *testing.T) {
	data, err := payload.JSON{}.Marshal(largePayload())
	if err != nil {
		t.Fatal(err)
	}
	var got order
	if err := planFor[order](t).Decode(payload.JSON{}, data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, largePayload()) {
		t.Errorf("got %+v", got)
	}
}

func TestDecode_TolerantOfWhatEncodingJSONTolerates(t *testing.T) {
	tests := map[string]struct {
		data string
		want any
	}{
		"white space around":      {" \n{\"a\":\"x\"}\t ", leaf{A: "x"}},
		"unknown fields":          {`{"zz":{"b":[1]},"a":"x"}`, leaf{A: "x"}},
		"names in any case":       {`{"A":"x","B":2}`, leaf{"x", 2}},
		"names twice: the last":   {`{"a":"x","a":"y"}`, leaf{A: "y"}},
		"null leaves a field":     {`{"a":null}`, leaf{}},
		"null for the payload":    {`null`, leaf{}},
		"invalid UTF-8 replaced":  {"{\"a\":\"\xff\\ud800\"}", leaf{A: "\ufffd\ufffd"}},
		"durations in ns":         {`{"Wait":5000000000}`, scalars{Wait: 5 * time.Second}},
		"numbers as float64":      {`{"Any":[1,{"a":2}]}`, scalars{Any: []any{1.0, map[string]any{"a": 2.0}}}},
		"bytes in base64":         {`{"Bytes":"aGk=","Array":[1,2,3,4]}`, collections{Bytes: []byte("hi"), Array: [3]int{1, 2, 3}}},
		"numbers in strings":      {`{"int":"5","Ptr":null}`, quoted{Int: 5}},
		"json.Number":             {`{"Number":12.50}`, numbers{Number: "12.50"}},
		"embedded structs":        {`{"id":"i","Note":"n","named":{"X":1}}`, embedding{Base: Base{ID: "i"}, Extra: &Extra{Note: "n"}, Named: Named{X: 1}}},
		"keys through their text": {`{"ByText":{"k":1}}`, collections{ByText: map[textKey]int{{"<k>"}: 1}}},
		"time in escapes":         {`{"at":"2026-01-02T03:04:05.678\u005a"}`, times{At: placed}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := reflect.New(reflect.TypeOf(tt.want))
			plan, err := payload.PlanFor(got.Type().Elem())
			if err != nil {
				t.Fatal(err)
			}
			if err := plan.Decode(payload.JSON{}, []byte(tt.data), got.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Elem().Interface(), tt.want) {
				t.Errorf("got %+v, want %+v", got.Elem(), tt.want)
			}
		})
	}
}

// TestDecode_BufferReused_PayloadStays overwrites the input after decoding, as callers that pool their buffers do.
func TestDecode_BufferReused_PayloadStays(t *testing.T) {
	documents := map[reflect.Type]string{
		reflect.TypeFor[collections]():     `{"Bytes":"aGVsbG8=","Strings":["some text","x"],"Map":{"key":"value"},"ByText":{"k":1},"ByAddr":{"::1%eth0":"x"},"Maps":{"a":{"b":["c"]}}}`,
		reflect.TypeFor[methods]():         `{"Upper":"some text","Text":"t","Picky":{"x":"some text"},"Raw":[1,"some text"],"Values":{"key":"value"}}`,
		reflect.TypeFor[pointers]():        `{"String":"some text","Raw":{"a":"b"},"Any":{"some":"text"}}`,
		reflect.TypeFor[numbers]():         `{"Number":12.50,"Many":[1,"2"],"By":{"3":4}}`,
		reflect.TypeFor[quoted]():          `{"String":"\"some text\"","Text":"t"}`,
		reflect.TypeFor[order]():           string(encoded(t, largePayload())),
		reflect.TypeFor[any]():             `{"some":["text",{"a":"b"}]}`,
		reflect.TypeFor[json.Number]():     `"12.50"`,
		reflect.TypeFor[[]byte]():          `"aGVsbG8="`,
		reflect.TypeFor[string]():          `"some text of more than a few bytes"`,
		reflect.TypeFor[json.RawMessage](): `{"some":"text"}`,
	}
	for typ, document := range documents {
		plan, err := payload.PlanFor(typ)
		if err != nil {
			t.Fatal(err)
		}
		for _, strict := range []bool{false, true} {
			data, got, want := []byte(document), reflect.New(typ), reflect.New(typ)
			if err := plan.Decode(payload.JSON{Strict: strict}, data, got.Interface()); err != nil {
				t.Fatal(err)
			}
			for i := range data {
				data[i] = '#'
			}
			if err := json.Unmarshal([]byte(document), want.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("%v became %+v", typ, got.Elem())
			}
		}
	}
}

func TestDecode_OrdinaryPayload_AllocatesHalfOfEncodingJSON(t *testing.T) {
	data, plan := encoded(t, smallPayload()), planFor[welcome](t)
	allocs := func(decode func(v *welcome) error) float64 {
		return testing.AllocsPerRun(100, func() {
			if err := decode(new(welcome)); err != nil {
				t.Fatal(err)
			}
		})
	}
	ours := allocs(func(v *welcome) error { return plan.Decode(payload.JSON{}, data, v) })
	theirs := allocs(func(v *welcome) error { return json.Unmarshal(data, v) })
	if ours > theirs/2 {
		t.Errorf("%v allocations, encoding/json has %v", ours, theirs)
	}
}
