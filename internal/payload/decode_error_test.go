package payload_test

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// secret is in payloads that do not decode, and must never be in an error's text.
const secret = "5ec2e7"

// mute refuses everything with an error of version 2 that says nothing.
type mute struct{}

func (*mute) UnmarshalJSON([]byte) error { return &jsonv2.SemanticError{} }

func TestDecode_Undecodable_SaysWhereAndWhatWasWanted(t *testing.T) {
	type nested struct {
		Items []struct {
			Qty  int8      `json:"qty"`
			At   time.Time `json:"at"`
			Tint textKey   `json:"tint"`
			Odd  picky     `json:"odd"`
			Q    uint      `json:"q,omitempty"`
		} `json:"items"`
		By    map[int]string `json:"by"`
		Bytes []byte         `json:"bytes"`
		Mute  mute           `json:"mute"`
		Func  func()         `json:"func"`
	}
	type stringly struct {
		N int         `json:"n,string"`
		M json.Number `json:"m"`
	}
	tests := map[string]struct {
		data   string
		ptr    any
		strict bool
		want   string
	}{
		"nothing":                {``, new(nested), false, "it is empty (offset 0)"},
		"white space":            {" \n", new(nested), false, "it is empty (offset 2)"},
		"cut off":                {`{"items":[`, new(nested), false, "unexpected end of JSON input (offset 10)"},
		"trailing bytes":         {`{} x`, new(nested), false, "invalid character 'x' after top-level value (offset 4)"},
		"trailing bytes, strict": {`{} x`, new(nested), true, "invalid character 'x' after top-level value (offset 4)"},
		"two values":             {`{}{}`, new(nested), false, "invalid character '{' after top-level value (offset 3)"},
		"NaN":                    {`{"price": NaN, "quantity": 4}`, new(nested), false, "invalid character 'N' looking for beginning of value (offset 11)"},
		"Infinity":               {`{"price": -Infinity}`, new(nested), false, "invalid character 'I' in numeric literal (offset 12)"},
		"too deep":               {strings.Repeat("[", 10001), new(any), false, "invalid character '[' exceeded max depth (offset 10001)"},
		"wrong at the top":       {`"` + secret + `"`, new(nested), false, "want payload_test.nested, got string (offset 0)"},
		"wrong kind":             {`{"items":[{},{"qty":"` + secret + `"}]}`, new(nested), false, "items[1].qty: want int8, got string (offset 20)"},
		"object for array":       {`{"items":{"a":"` + secret + `"}}`, new(nested), false, "items: want array, got object (offset 9)"},
		"array for object":       {`{"items":[["` + secret + `"]]}`, new(nested), false, "items[0]: want object, got array (offset 10)"},
		"boolean for a time":     {`{"items":[{"at":true}]}`, new(nested), false, "items[0].at: want time.Time, got boolean (offset 16)"},
		"number too large":       {`{"items":[{"qty":5270}]}`, new(nested), false, "items[0].qty: int8 cannot hold this number (offset 17)"},
		"fraction":               {`{"items":[{"qty":5.27}]}`, new(nested), false, "items[0].qty: int8 cannot hold this number (offset 17)"},
		"negative":               {`{"items":[{"q":-527}]}`, new(nested), false, "items[0].q: uint cannot hold this number (offset 15)"},
		"not a time":             {`{"items":[{"at":"` + secret + `"}]}`, new(nested), false, "items[0].at: time.Time does not take this string (offset 16)"},
		"refused by its text":    {`{"items":[{"tint":"bad ` + secret + `"}]}`, new(nested), false, "items[0].tint: payload_test.textKey does not take this string (offset 18)"},
		"refused by its JSON":    {`{"items":[{"odd":"` + secret + `"}]}`, new(nested), false, "items[0].odd: payload_test.picky does not take this string (offset 17)"},
		"refused without a word": {`{"mute":"` + secret + `"}`, new(nested), false, "mute: it does not fit the type (offset 8)"},
		"map key":                {`{"by":{"x":"y"}}`, new(nested), false, "by[...]: int does not take this string (offset 7)"},
		"not base64":             {`{"bytes":"!` + secret + `"}`, new(nested), false, "bytes: []uint8 does not take this string (offset 9)"},
		"undecodable type":       {`{"func":{}}`, new(nested), false, "func: nothing decodes to func() (offset 8)"},
		"unknown field, strict":  {`{"items":[{"qty":1,"color":"` + secret + `"}]}`, new(nested), true, "items[0].color: there is no such field (offset 19)"},
		"stringly":               {`{"n":"` + secret + `"}`, new(stringly), false, "n: int does not take this string (offset 5)"},
		"stringly wrong kind":    {`{"n":[]}`, new(stringly), false, "n: want int, got array (offset 5)"},
		"stringly unknown":       {`{"m":"1","o":2}`, new(stringly), true, "o: there is no such field (offset 9)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan, err := payload.PlanFor(reflect.TypeOf(tt.ptr).Elem())
			if err != nil {
				t.Fatal(err)
			}
			codec := payload.JSON{Strict: tt.strict}
			got := plan.Decode(codec, []byte(tt.data), tt.ptr)
			if want := "payload is not valid json: " + tt.want; got == nil || got.Error() != want {
				t.Errorf("\n got %v,\nwant %v", got, want)
			}
			if _, ok := errors.AsType[*payload.DecodeError](got); !ok {
				t.Errorf("%T is no *DecodeError", got)
			}
			if strings.Contains(got.Error(), secret) {
				t.Errorf("%v gives the secret away", got)
			}
			if direct := codec.Unmarshal([]byte(tt.data), tt.ptr); direct.Error() != got.Error() {
				t.Errorf("Unmarshal says %v", direct)
			}
		})
	}
}

func TestDecode_Undecodable_KeepsTheCause(t *testing.T) {
	var v struct {
		N int
		P picky
	}
	plan, err := payload.PlanFor(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Decode(payload.JSON{}, []byte(`{`), &v); !causedBy[*json.SyntaxError](err) {
		t.Errorf("no syntax error behind %v", err)
	}
	if err := plan.Decode(payload.JSON{}, []byte(`{"N":""}`), &v); !causedBy[*json.UnmarshalTypeError](err) {
		t.Errorf("no type error behind %v", err)
	}
	if err := plan.Decode(payload.JSON{}, []byte(`{"P":1}`), &v); !errors.Is(err, errPicky) {
		t.Errorf("the method's error is not behind %v", err)
	}
}

func causedBy[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestDecode_NamesInPaths_StayOnOneShortLine(t *testing.T) {
	plan := planFor[leaf](t)
	var v leaf
	for name, want := range map[string]string{
		`a\nb`:                    `"a\nb"`,
		strings.Repeat("k", 1000): strings.Repeat("k", 200) + "...",
		"~/.[2]":                  "~/.[2]",
	} {
		err := plan.Decode(payload.JSON{Strict: true}, []byte(`{"`+name+`":true}`), &v)
		if d, ok := errors.AsType[*payload.DecodeError](err); !ok || d.Field != want {
			t.Errorf("got %v, want field %s", err, want)
		}
	}
}

// insider decodes itself, by a decoder that tells of places inside.
type insider struct{}

func (*insider) UnmarshalJSON(b []byte) error { return jsonv2.Unmarshal(b, new(map[string]int)) }

func TestDecode_KeysOfMaps_StayOutOfPaths(t *testing.T) {
	type keyed struct {
		leaf
		By      map[string]*keyed         `json:"by"`
		Lists   [][]map[string][]leaf     `json:"lists"`
		Counts  map[textKey]map[int]uint8 `json:"counts"`
		Any     any                       `json:"any"`
		Insider insider                   `json:"insider"`
		Again   versioned                 `json:"again"`
	}
	tests := map[string]struct {
		data   string
		ptr    any
		strict bool
		want   string
	}{
		"the payload":          {`{"5ec2e7":true}`, new(map[string]int), false, "[...]"},
		"a field":              {`{"by":{"5ec2e7":1}}`, new(keyed), false, "by[...]"},
		"a number":             {`{"counts":{"5":{"527":"5ec2e7"}}}`, new(keyed), false, "counts[...][...]"},
		"digits":               {`{"5270":true}`, new(map[string]int), false, "[...]"},
		"a pointer's field":    {`{"by":{"5ec2e7":{"by":{"5ec2e7":{"b":"5ec2e7"}}}}}`, new(*keyed), false, "by[...].by[...].b"},
		"with indices":         {`{"lists":[[],[{"a":[]},{"5ec2e7":[{},{"b":""}]}]]}`, new(keyed), false, "lists[1][1][...][1].b"},
		"a name in other case": {`{"BY":{"5ec2e7":{"B":"x"}}}`, new(keyed), false, "BY[...].B"},
		"unknown below":        {`{"by":{"5ec2e7":{"color":1}}}`, new(keyed), true, "by[...].color"},
		"in an interface":      {`{"any":{"5ec2e7":[1e999]}}`, new(keyed), false, "any"},
		"the payload as such":  {`{"5ec2e7":1e999}`, new(any), false, ""},
		"in a type of its own": {`{"insider":{"5ec2e7":""}}`, new(keyed), false, "insider"},
		"of embedded":          {`{"a":{"5ec2e7":1}}`, new(keyed), false, "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := payload.JSON{Strict: tt.strict}.Unmarshal([]byte(tt.data), tt.ptr)
			if d, ok := errors.AsType[*payload.DecodeError](err); !ok || d.Field != tt.want {
				t.Errorf("got %v, want field %q", err, tt.want)
			}
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%v gives the secret away", err)
			}
		})
	}
}

func TestUnmarshal_NowhereToDecodeTo_IsAnError(t *testing.T) {
	for _, v := range []any{nil, 1, (*int)(nil)} {
		err := payload.JSON{}.Unmarshal([]byte(`1`), v)
		if err == nil || !strings.HasSuffix(err.Error(), "is no pointer to decode to") {
			t.Errorf("%T: got %v", v, err)
		}
	}
}

// grumpy is a codec that decodes nothing.
type grumpy struct{ err error }

func (grumpy) Name() string                  { return "grumpy" }
func (grumpy) Marshal(any) ([]byte, error)   { return nil, nil }
func (g grumpy) Unmarshal([]byte, any) error { return g.err }

func TestDecode_OtherCodecs_WrapsTheirErrorsOnce(t *testing.T) {
	var v int
	plan := planFor[int](t)
	err := plan.Decode(grumpy{io.ErrUnexpectedEOF}, nil, &v)
	if err == nil || err.Error() != "payload is not valid grumpy: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	own := &payload.DecodeError{Codec: "grumpy", Field: "a", Offset: 3, Reason: "no"}
	if err := plan.Decode(grumpy{own}, nil, &v); err != error(own) {
		t.Errorf("got %v", err)
	}
	if err := plan.Decode(grumpy{}, nil, &v); err != nil {
		t.Errorf("got %v", err)
	}
}
