package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/payload"
)

var jsonSeeds = []string{
	``, ` `, `null`, `true`, `0`, `-0`, `1e3`, `1.0`, `-1`, `255`, `256`, `1e400`, `01`, `.5`, `1.`, `"x"`, `[]`, `{}`, `[null]`, `[[]]`,
	`NaN`, `Infinity`, `-Infinity`, `{"Float64":NaN}`, `nul`, `tru`, `"`, `[`, `{`, `{"a"`, `{"a":`, `{"a":1`, `[1,]`, `{"a":1,}`, `{} x`, `{}{}`, "{}\n\t \r", "\ufeff{}",
	"\"\xff\"", "\"a\xffb\xc3\"", `"\ud800"`, `"\ud800\udc00"`, `"\ud83d\u0061"`, `"\u00e9\n\/"`, `"\x"`, "\"\x01\"", `"\uDEAD"`, "{\"\xff\":1,\"a\xfe\":2}",
	`{"Bool":true,"Int":1,"Int8":-128,"int_64":9223372036854775807,"Uint":1,"Uint8":255,"Float32":1.5,"Float64":1e308,"String":"s","Named":"red","Number":"12","Wait":5000000000,"Any":{"a":[1,2.5,null,true,"x",{}]}}`,
	`{"bool":true,"INT":1,"iNt_64":3,"number":12.50,"any":"x","wait":1.5}`, `{"Number":""}`, `{"Number":"x"}`, `{"Number":null}`, `{"Number":1e5,"Float32":1e39}`, `{"Number":true}`,
	`{"Int":"1"}`, `{"Int":1.0}`, `{"Int":1e2}`, `{"Int":true}`, `{"Int":[]}`, `{"Int":null}`, `{"Int8":128}`, `{"Uint":-1}`, `{"Uint8":256,"Int":2}`, `{"String":1}`, `{"Bool":"true"}`,
	`{"Int":1,"Int":2,"int":3}`, `{"Any":1,"Any":{"a":1},"any":{"b":2}}`, `{"Wait":"5s"}`,
	`{"Bool":null,"Int":7,"String":"s","Time":"2026-01-02T03:04:05Z","Self":{"Int":1,"Self":{}},"Any":1,"Raw":{"a": 1 }}`, `{"Self":{"Int":1},"Self":{"String":"s"}}`, `{"Self":{"Int":1},"Self":null}`, `{"Raw":null,"Any":null}`,
	`{"Bytes":"aGVsbG8=","Array":[1,2],"Small":[1,2,3,4],"Strings":["a",null,"b"],"Nested":[[1],[],null],"Structs":[{"a":"x"},{"B":1}],"Pointers":[null,{"b":2}],"Map":{"a":"b","a":"c"},"ByInt":{"1":{},"-2":{"a":"y"}},"ByUint8":{"7":true},"ByText":{"k":1},"ByAddr":{"10.0.0.1":"x"},"Maps":{"a":{"b":1}},"Octets":"AQI="}`,
	`{"Array":[1,2,3,4,5]}`, `{"Array":[]}`, `{"Array":null}`, `{"Small":"AQIDBA=="}`, `{"Bytes":[1,2]}`, `{"Bytes":[256]}`, `{"Bytes":"a"}`, `{"Bytes":"aGVs\nbG8="}`, `{"Bytes":"aGVsbG8"}`, `{"Bytes":"_-_-"}`, `{"Bytes":null}`, `{"Bytes":""}`, `{"Octets":[1,2]}`, `{"Octets":"!!"}`,
	`{"ByInt":{"x":{}}}`, `{"ByInt":{"1.5":{}}}`, `{"ByInt":{"99999999999999999999":{}}}`, `{"ByUint8":{"256":true}}`, `{"ByUint8":{"-1":true}}`, `{"ByInt":{" 1":{}}}`, `{"ByInt":{"+1":{}}}`, `{"ByInt":{"01":{}}}`, `{"ByText":{"bad":1}}`, `{"ByAddr":{"nope":"x"}}`, `{"ByAddr":{"":"x"}}`,
	`{"Strings":["a","b"],"Strings":["c"]}`, `{"Structs":[{"a":"x","b":1}],"Structs":[{"b":2}]}`, `{"Map":{"a":"1"},"Map":{"b":"2"}}`, `{"Map":{"a":"1"},"Map":null}`, `{"ByInt":{"1":{"a":"x"}},"ByInt":{"1":{"b":2}}}`, `{"Maps":{"a":{"x":1}},"Maps":{"a":{"y":2}}}`, `{"Pointers":[{"a":"x"}],"Pointers":[{"b":2}]}`,
	`{"Bool":"true","int":"12","Uint8":"7","Float":"1.5","String":"\"s\"","Ptr":"3","Slice":[1],"Struct":{"a":"x"},"Any":"1","Text":"t","Wait":"5"}`, `{"Bool":true,"int":12}`, `{"int":"x"}`, `{"int":""}`, `{"int":" 1"}`, `{"int":"1 "}`, `{"int":null}`, `{"int":"null"}`, `{"Bool":"null"}`, `{"Bool":"x"}`, `{"String":"s"}`, `{"String":"null"}`, `{"String":"\"\\u00e9\""}`, `{"String":"\"a\" "}`, `{"Ptr":null}`, `{"Ptr":"null"}`, `{"Ptr":3}`, `{"Float":"NaN"}`, `{"Float":"1e400"}`, `{"Float":"0x1p2"}`, `{"int":"01"}`, `{"int":"+1"}`, `{"int":"1_0"}`, `{"Uint8":"256"}`, `{"Wait":5}`, `{"Slice":["1"]}`, `{"Any":1}`,
	`{"a":"x","b":3,"id":"i","Note":"n","Clash":1,"named":{"X":1},"color":"red","a2":"y"}`, `{"leaf":{"a":"x"}}`, `{"Base":{"id":"x"}}`, `{"Extra":null}`, `{"Note":null}`, `{"C":1,"a":"x"}`, `{"C":1,"a":null}`, `{"a":1}`,
	`{"exact":"1","EXACT":"2","Exact":"3","eXact":"4","snake_case":"a","SNAKE_CASE":"b","snakecase":"c","snake-case":"d","-":"e","Ignored":"f","s":"g","S":"h","ſ":"i","k":"j","K":"l","\u212a":"m","a.b/c~d$%&":"n","Bad":"o","a\"b":"p","Empty":"q","hidden":"r","twice":"s","Twice1":"t"}`,
	`{"Inline":{"a":"x"},"a":"y","zero":"2026-01-02T03:04:05Z","spaced":"s","rest":{"x":1},"Quoted":"q","'quoted'":"r","quoted":"s","complete":"\"c\"","other":1}`,
	`{"at":"2026-01-02T03:04:05.123456789+02:00","ats":["2026-01-02T03:04:05Z"],"Wait":1,"URL":{"Host":"x"},"IP":"::1","Big":123456789012345678901234567890,"BigP":null}`, `{"at":null}`, `{"at":""}`, `{"at":"2026-01-02"}`, `{"at":"2026-01-02T3:04:05Z"}`, `{"at":"2026-01-02T03:04:05,5Z"}`, `{"at":"2026-01-02T24:00:00Z"}`, `{"at":"2026-01-02T03:04:05+24:00"}`, `{"at":"2026-01-02T03:04:05\u005a"}`, `{"at":1}`, `{"at":"2026-02-30T03:04:05Z"}`, `{"IP":""}`, `{"IP":1}`, `{"IP":null}`, `{"Big":"1"}`, `{"Big":1.5}`, `{"BigP":1}`,
	`"2026-01-02T03:04:05Z"`, `"aGVsbG8="`, `[{"a":"x"},{"a":"y"},{"a":"z"}]`, `[{"a":"x"}]`, `{"red":{"a":"x"},"blue":null}`, `{"1":"x","2":"y"}`, `[{"a":[{"a":"x","b":1}]}]`, `128`, `-128`, `1e2`, `"12"`, `12.50`, `1E400`,
	`{"Upper":"x","UpperP":{"a": [1 , 2]},"Text":"t","TextP":"u","Picky":{"x":1},"Raw":[1, 2 ],"Values":{"a":1,"b":null},"Keys":{"k":1},"Slice":[{},{"a":1}],"Iface":null}`, `{"Upper":null,"UpperP":null,"Text":null,"TextP":null,"Raw":null,"Picky":null}`, `{"Picky":1}`, `{"Picky":1,"Upper":2}`, `{"Text":"bad"}`, `{"Text":1}`, `{"Text":{}}`, `{"TextP":""}`, `{"Iface":1}`, `{"Iface":{}}`, `{"Func":null}`, `{"Func":1}`, `{"Chan":null}`, `{"Chan":{}}`, `{"Cplx":1}`, `{"Cplx":null}`, `{"Slice":[null]}`, `{"Values":{"a":1},"Values":{"a":2}}`, `{"Picky":1}}`, `{"Picky":1,`,
	`{"Name":"r","Children":[{"Name":"c","Children":[]},{"Parent":{"Name":"p"}}],"ByName":{"x":{"Name":"y"},"z":null},"Parent":null}`, `{"Items":[{"a":"x"}],"Next":{"Items":[],"Next":null}}`,
	`[1,"a",null,true,{"x":[]}]`, `{"a":{"a":{"a":[[[[{"a":1}]]]]}}}`, `{"":1}`, `{"a":1,"a":{"b":2},"a":[3]}`,
}

// FuzzJSON_DecodesAsEncodingJSON decodes each input into each type, by the codec and by encoding/json: both refuse
// it, or both make the same of it.
func FuzzJSON_DecodesAsEncodingJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, typ := range jsonTypes {
			compareDecoding(t, typ, data, payload.JSON{}, json.Unmarshal)
			compareDecoding(t, typ, data, payload.JSON{Strict: true}, unmarshalStrictly)
		}
	})
}

func compareDecoding(t *testing.T, typ reflect.Type, data []byte, codec payload.JSON, std func([]byte, any) error) {
	t.Helper()
	got, want := reflect.New(typ), reflect.New(typ)
	given := bytes.Clone(data)
	gotErr, wantErr := codec.Unmarshal(data, got.Interface()), std(data, want.Interface())
	if !bytes.Equal(data, given) {
		t.Fatalf("decoding changed its input")
	}
	if timeErr, ok := errors.AsType[*time.ParseError](wantErr); ok && gotErr == nil && strings.Contains(timeErr.Value, `\`) {
		return // documented: a time in escapes is a time
	}
	switch {
	case (gotErr == nil) != (wantErr == nil):
		t.Errorf("%+v, %v from %q:\n got error %v,\nwant error %v", codec, typ, data, gotErr, wantErr)
	case gotErr != nil && !got.Elem().IsZero():
		t.Errorf("%+v, %v from %q: left %+v behind an error", codec, typ, data, got.Elem())
	case gotErr == nil && !reflect.DeepEqual(got.Interface(), want.Interface()):
		t.Errorf("%+v, %v from %q:\n got %+v,\nwant %+v", codec, typ, data, got.Elem(), want.Elem())
	}
}

// unmarshalStrictly is how strict decoding is done with encoding/json.
func unmarshalStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return io.ErrUnexpectedEOF
	}
	return nil
}
