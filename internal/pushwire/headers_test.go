package pushwire_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/pushwire"
)

const key = "_http_headers"

func TestInjectHeaders_IntoAnObject(t *testing.T) {
	t.Parallel()
	h := map[string]string{"traceparent": "00-1", "X-Tenant-ID": "ac\"me"}
	const in = `"_http_headers":{"X-Tenant-ID":"ac\"me","traceparent":"00-1"}`
	for name, c := range map[string]struct{ data, want string }{
		"empty":                {`{}`, `{` + in + `}`},
		"empty, with space":    {" {\n} ", `{` + in + `}`},
		"one member":           {`{"a":1}`, `{"a":1,` + in + `}`},
		"white space":          {" \t{ \"a\" : 1 \r\n}\n", `{ "a" : 1,` + in + `}`},
		"the key deeper down":  {`{"a":{"_http_headers":1}}`, `{"a":{"_http_headers":1},` + in + `}`},
		"the key as a value":   {`{"a":"_http_headers"}`, `{"a":"_http_headers",` + in + `}`},
		"a longer key":         {`{"_http_headers2":1}`, `{"_http_headers2":1,` + in + `}`},
		"duplicates, not ours": {`{"a":1,"a":2}`, `{"a":1,"a":2,` + in + `}`},
	} {
		for _, trusted := range []bool{true, false} {
			data := []byte(c.data)
			got, ok := pushwire.InjectHeaders(data, key, h, trusted)
			if !ok || string(got) != c.want {
				t.Errorf("%s, trusted %t: %s, %t, want %s", name, trusted, got, ok, c.want)
			}
			if string(data) != c.data {
				t.Errorf("%s: data was changed to %s", name, data)
			}
		}
	}
}

func TestInjectHeaders_ElsewhereNot(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing": "", "white space": "  ", "a list": `[{}]`, "a string": `"{}"`, "null": "null", "a brace": "{",
		"the key is there": `{"_http_headers": 1}`, "the key is there, escaped": `{"a": 1, "\u005fhttp_headers": {}}`,
		"the key is there twice": `{"_http_headers": 1, "_http_headers": 2}`,
	} {
		for _, trusted := range []bool{true, false} {
			if got, ok := pushwire.InjectHeaders([]byte(data), key, map[string]string{"a": "b"}, trusted); ok || got != nil {
				t.Errorf("%s, trusted %t: %s", name, trusted, got)
			}
		}
	}
	for name, data := range map[string]string{
		"NaN": `{"a": NaN}`, "truncated inside": `{"a": {"b": }`, "two objects": `{} {}`, "no value": `{"a"}`, "a trailing comma": `{"a": 1,}`, "no name": `{1: 2}`,
		"single quotes": `{'a': 1}`, "not JSON's space": "{\u00a0}", "a bare name": `{a: 1}`, "a broken escape": `{"\x": 1}`,
	} {
		if got, ok := pushwire.InjectHeaders([]byte(data), key, map[string]string{"a": "b"}, false); ok || got != nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSetHeaders_ReplacesThoseOfItsNames(t *testing.T) {
	t.Parallel()
	h, drop := map[string]string{"traceparent": "00-2"}, []string{"traceparent", "tracestate"}
	const in = `"_http_headers":{"traceparent":"00-2"}`
	for name, c := range map[string]struct{ data, want string }{
		"none yet":            {`{"a":1}`, `{"a":1,` + in + `}`},
		"the key deeper down": {`{"a":{"_http_headers":1}}`, `{"a":{"_http_headers":1},` + in + `}`},
		"one":                 {`{"a":1,"_http_headers":{"traceparent":"00-1"}}`, `{"a":1,` + in + `}`},
		"others, as written":  {`{"_http_headers": {"X-T\u0065nant" : "a\u00e9" , "Traceparent": "00-1"}, "a": 1}`, `{"_http_headers":{"X-T\u0065nant":"a\u00e9","traceparent":"00-2"}, "a": 1}`},
		"one without a value": {`{"_http_headers":{"TRACESTATE":"a=b","trac\u0065parent":7,"n":null}}`, `{"_http_headers":{"n":null,"traceparent":"00-2"}}`},
		"empty":               {`{"_http_headers":{}}`, `{` + in + `}`},
		"null":                {`{"_http_headers":null}`, `{` + in + `}`},
	} {
		data := []byte(c.data)
		for _, trusted := range []bool{true, false} {
			got, ok := pushwire.SetHeaders(data, key, h, drop, trusted)
			if !ok || string(got) != c.want {
				t.Errorf("%s, trusted %t: %s, %t, want %s", name, trusted, got, ok, c.want)
			}
		}
		if string(data) != c.data {
			t.Errorf("%s: data was changed to %s", name, data)
		}
	}
}

func TestSetHeaders_ElsewhereNot(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing": "", "a list": `["_http_headers"]`, "a string": `"_http_headers"`, "another thing there": `{"_http_headers": 1}`, "a list there": `{"_http_headers": []}`,
		"truncated": `{"_http_headers": {"a": "b"}`, "truncated in it": `{"_http_headers": {"a": }}`, "two objects": `{"_http_headers": {}} {}`,
	} {
		if got, ok := pushwire.SetHeaders([]byte(data), key, map[string]string{"a": "b"}, nil, false); ok || got != nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestExtractHeaders_OutOfAnObject(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data string
		want map[string]string
		rest string
	}{
		"alone":                     {`{"_http_headers": {"traceparent": "00-1"}}`, map[string]string{"Traceparent": "00-1"}, `{}`},
		"first":                     {`{"_http_headers": {"a": "1"}, "b": 2}`, map[string]string{"A": "1"}, `{ "b": 2}`},
		"last":                      {`{"b": 2, "_http_headers": {"a": "1"}}`, map[string]string{"A": "1"}, `{"b": 2}`},
		"between":                   {`{"a": 1, "_http_headers": {"x-y": "1"}, "b": 2}`, map[string]string{"X-Y": "1"}, `{"a": 1, "b": 2}`},
		"white space":               {" {\n \"_http_headers\"\t:\r\n {\"a\" : \"1\"} \n} ", map[string]string{"A": "1"}, " { \n} "},
		"an escaped key":            {`{"\u005fhttp\u005Fheaders": {"a": "1"}, "b": 2}`, map[string]string{"A": "1"}, `{ "b": 2}`},
		"empty":                     {`{"_http_headers": {}, "b": 2}`, map[string]string{}, `{ "b": 2}`},
		"null":                      {`{"_http_headers": null}`, map[string]string{}, `{}`},
		"not all strings":           {`{"_http_headers": {"a": 1, "b": null, "c": ["x"], "d": {"e": "f"}, "g": true, "h": "x"}}`, map[string]string{"H": "x"}, `{}`},
		"escapes in a value":        {`{"_http_headers": {"a": "\u00e9\n\"{"}}`, map[string]string{"A": "é\n\"{"}, `{}`},
		"not UTF-8":                 {"{\"_http_headers\": {\"a\": \"x\xff\", \"b\": \"y\"}}", map[string]string{"B": "y"}, `{}`},
		"one name, twice":           {`{"_http_headers": {"x-y": "1", "X-Y": "2"}}`, map[string]string{"X-Y": "2"}, `{}`},
		"twice, the last no string": {`{"_http_headers": {"a": "1", "A": 2}}`, map[string]string{"A": "1"}, `{}`},
		"the key deeper, before":    {`{"b": {"_http_headers": {"a": "wrong"}}, "_http_headers": {"a": "1"}}`, map[string]string{"A": "1"}, `{"b": {"_http_headers": {"a": "wrong"}}}`},
		"the key twice":             {`{"_http_headers": {"a": "1"}, "_http_headers": {"a": "2"}}`, map[string]string{"A": "1"}, `{ "_http_headers": {"a": "2"}}`},
		"data not UTF-8":            {"{\"b\": \"\xff\", \"_http_headers\": {\"a\": \"1\"}}", map[string]string{"A": "1"}, "{\"b\": \"\xff\"}"},
		"a value with a colon":      {`{"b:\":": ":", "_http_headers": {"a:": "1:2"}}`, map[string]string{"a:": "1:2"}, `{"b:\":": ":"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := []byte(c.data)
			got, rest := pushwire.ExtractHeaders(data, key)
			if got == nil || !maps.Equal(got, c.want) || string(rest) != c.rest {
				t.Errorf("%v, %q, want %v, %q", got, rest, c.want, c.rest)
			}
			if string(data) != c.data {
				t.Errorf("data was changed to %s", data)
			}
		})
	}
}

func TestExtractHeaders_WithoutThem_DataStaysAsItIs(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing": "", "another object": `{"a": 1}`, "binary": "\x00\xff", "the key alone": key, "a list": `["_http_headers"]`, "a string": `"_http_headers"`,
		"the key as a value": `{"a": "_http_headers"}`, "deeper down": `{"a": {"_http_headers": {"b": "c"}}}`, "in a list of objects": `[{"_http_headers": {"a": "b"}}]`,
		"a list there": `{"_http_headers": ["a"]}`, "a string there": `{"_http_headers": "a: b"}`, "a number there": `{"_http_headers": 7}`,
		"truncated": `{"_http_headers": {"a": "b"}`, "truncated in it": `{"_http_headers": {"a": "b`, "truncated before the value": `{"_http_headers"`, "NaN": `{"_http_headers": {"a": "b"}, "c": NaN}`,
		"garbage behind": `{"_http_headers": {"a": "b"}} x`, "escapes without it": `{"a": "\u00e9"}`, "too deep": strings.Repeat(`{"_http_headers":`, 20_000),
		"a broken name behind": `{"_http_headers": {"a": "b"}, "\x": 1}`,
	} {
		if h, got := pushwire.ExtractHeaders([]byte(data), key); h != nil || string(got) != data {
			t.Errorf("%s: %v, %q", name, h, got)
		}
	}
}

func TestExtractHeaders_FindsKeysThatTheirWriterEscapes(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a<b&c>", "häder", `quo"ted`, `back\slash`, "sla/sh", "tab\t", "\u2028", "x"} {
		data, ok := pushwire.InjectHeaders([]byte(`{"b": 1}`), key, map[string]string{"A": "1"}, false)
		if !ok {
			t.Errorf("%q: not injected", key)
			continue
		}
		if h, rest := pushwire.ExtractHeaders(data, key); h["A"] != "1" || string(rest) != `{"b": 1}` {
			t.Errorf("%q: %v, %s out of %s", key, h, rest, data)
		}
		if again, ok := pushwire.InjectHeaders(data, key, map[string]string{"A": "2"}, true); ok {
			t.Errorf("%q: injected twice: %s", key, again)
		}
	}
	if h, _ := pushwire.ExtractHeaders([]byte(`{"sla\/sh": {"a": "1"}}`), "sla/sh"); h["A"] != "1" {
		t.Errorf("an escaped slash: %v", h)
	}
}

func TestHeaderAttribute_IsInLowerCase(t *testing.T) {
	t.Parallel()
	if got := pushwire.HeaderAttribute("X-Tenant-ID"); got != "http-x-tenant-id" {
		t.Errorf("it is %q", got)
	}
}
