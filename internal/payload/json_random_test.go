package payload_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// TestJSON_RandomDocuments_DecodeAsEncodingJSON makes up documents that nearly fit each type, which byte-wise fuzzing
// seldom comes to.
func TestJSON_RandomDocuments_DecodeAsEncodingJSON(t *testing.T) {
	for _, typ := range jsonTypes {
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			data := []byte(document(r, typ, 4))
			compareDecoding(t, typ, data, payload.JSON{}, json.Unmarshal)
			compareDecoding(t, typ, data, payload.JSON{Strict: true}, unmarshalStrictly)
		}
	}
}

// fragments fit some type or none.
var fragments = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `12.50`, `1e2`, `1E400`, `128`, `256`, `99999999999999999999`, `""`, `"a"`, `"null"`,
	`"true"`, `"1"`, `"-1"`, `"1.5"`, `"+1"`, `"01"`, `"NaN"`, `"\"q\""`, `"AQI="`, `"AQI"`, `"_-_-"`, `"A\nQI="`, `"é\ud800"`, "\"\xff\"",
	`"2026-01-02T03:04:05Z"`, `"2026-01-02T3:04:05Z"`, `"2026-01-02T03:04:05.999999999+01:30"`, `"10.0.0.1"`, `"bad"`, `"5s"`, `[]`, `{}`,
	`[null]`, `[1,2,3,4,5]`, `{"a":1}`, `{"A":null}`, `{"":{}}`, ` [ 1 , "a" ] `, `NaN`, `01`, `[1,]`, `{"a":1,}`, `nul`,
}

func document(r *rand.Rand, t reflect.Type, depth int) string {
	if depth == 0 || r.IntN(5) == 0 {
		return fragments[r.IntN(len(fragments))]
	}
	switch t.Kind() {
	case reflect.Pointer:
		return document(r, t.Elem(), depth)
	case reflect.Slice, reflect.Array:
		elems := make([]string, r.IntN(4))
		for i := range elems {
			elems[i] = document(r, t.Elem(), depth-1)
		}
		return "[" + strings.Join(elems, ",") + "]"
	case reflect.Map:
		members := make([]string, r.IntN(4))
		for i := range members {
			members[i] = key(r) + ":" + document(r, t.Elem(), depth-1)
		}
		return "{" + strings.Join(members, ",") + "}"
	case reflect.Struct:
		fields := reflect.VisibleFields(t)
		members := make([]string, r.IntN(5))
		for i := range members {
			if len(fields) == 0 || r.IntN(12) == 0 {
				members[i] = key(r) + ":" + document(r, t, depth-1)
				continue
			}
			f := fields[r.IntN(len(fields))]
			members[i] = fmt.Sprintf("%q:%s", memberName(r, f), document(r, f.Type, depth-1))
		}
		return "{" + strings.Join(members, ",") + "}"
	case reflect.Bool:
		return []string{"true", "false", "null"}[r.IntN(3)]
	case reflect.String:
		return fmt.Sprintf("%q", fragments[r.IntN(35)])
	case reflect.Interface:
		return fragments[r.IntN(len(fragments))]
	}
	return fmt.Sprint(r.IntN(600) - 300)
}

func key(r *rand.Rand) string {
	return []string{`"a"`, `"A"`, `""`, `"1"`, `"-7"`, `"256"`, `"01"`, `"bad"`, `"::1"`, `"x\u0000"`, "\"\xfe\"", `"k"`}[r.IntN(12)]
}

func memberName(r *rand.Rand, f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		name = f.Name
	}
	switch r.IntN(6) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToLower(name)
	}
	return name
}
