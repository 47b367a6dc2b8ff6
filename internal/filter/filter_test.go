package filter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/filter"
)

type attrs = map[string]string

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter string
		yes    []attrs
		no     []attrs
	}{
		{"", []attrs{nil, {"k": "v"}}, nil},
		{`attributes:k`, []attrs{{"k": "v"}, {"k": ""}}, []attrs{nil, {"K": "v"}, {"kk": "v"}}},
		{`attributes.k = "v"`, []attrs{{"k": "v"}}, []attrs{nil, {"k": "V"}, {"k": "vv"}, {"k": ""}}},
		{`attributes.k = ""`, []attrs{{"k": ""}}, []attrs{nil, {"k": "v"}}},
		{`attributes.k != "v"`, []attrs{nil, {"k": "w"}, {"other": "v"}}, []attrs{{"k": "v"}}},
		{`hasPrefix(attributes.k, "co")`, []attrs{{"k": "co"}, {"k": "com"}}, []attrs{nil, {"k": "c"}, {"k": "Com"}}},
		{`hasPrefix(attributes.k, "")`, []attrs{{"k": ""}, {"k": "x"}}, []attrs{nil}},
		{`NOT attributes:k`, []attrs{nil}, []attrs{{"k": "v"}}},
		{`-attributes:k`, []attrs{nil}, []attrs{{"k": "v"}}},
		{`NOT (attributes:k)`, []attrs{nil}, []attrs{{"k": "v"}}},
		{`NOT(NOT(attributes:k))`, []attrs{{"k": "v"}}, []attrs{nil}},
		{`NOT hasPrefix(attributes.k, "co")`, []attrs{nil, {"k": "x"}}, []attrs{{"k": "com"}}},
		{`attributes:a AND attributes:b AND attributes:c`, []attrs{{"a": "", "b": "", "c": ""}}, []attrs{nil, {"a": "", "b": ""}, {"b": "", "c": ""}}},
		{`attributes:a OR attributes:b OR attributes:c`, []attrs{{"a": ""}, {"b": ""}, {"c": ""}}, []attrs{nil, {"d": ""}}},
		{`NOT attributes:a AND attributes:b`, []attrs{{"b": ""}}, []attrs{nil, {"a": ""}, {"a": "", "b": ""}}},
		{`attributes:a AND -attributes:b`, []attrs{{"a": ""}}, []attrs{nil, {"b": ""}, {"a": "", "b": ""}}},
		{`NOT (attributes:a OR attributes:b)`, []attrs{nil, {"c": ""}}, []attrs{{"a": ""}, {"b": ""}}},
		{`attributes:a AND (attributes:b OR attributes:c)`, []attrs{{"a": "", "c": ""}, {"a": "", "b": ""}}, []attrs{{"a": ""}, {"b": "", "c": ""}}},
		{`(attributes:a AND attributes:b) OR attributes:c`, []attrs{{"a": "", "b": ""}, {"c": ""}}, []attrs{{"a": ""}, {"b": ""}}},
		{"\t( attributes : k\nAND attributes . k = \"v\" )\r\n", []attrs{{"k": "v"}}, []attrs{{"k": "w"}}},
		{`attributes:"iana.org/language_tag"`, []attrs{{"iana.org/language_tag": "en"}}, []attrs{nil}},
		{`attributes."a b" = "c d"`, []attrs{{"a b": "c d"}}, []attrs{{"a": "c"}}},
		{`hasPrefix(attributes."a.b", "c")`, []attrs{{"a.b": "cd"}}, []attrs{{"a": "c"}}},
		{`attributes:ce-type AND attributes.-x_1 = "y"`, []attrs{{"ce-type": "", "-x_1": "y"}}, []attrs{{"ce-type": ""}}},
		{`attributes:AND AND attributes:NOT`, []attrs{{"AND": "", "NOT": ""}}, []attrs{{"AND": ""}}},
		{`attributes:attributes`, []attrs{{"attributes": ""}}, []attrs{nil}},
		{`attributes:2`, []attrs{{"2": ""}}, []attrs{nil}},
		{`attributes:"\u307F\u3093\u306A"`, []attrs{{"みんな": ""}}, []attrs{nil}},
		{`attributes:"みんな"`, []attrs{{"みんな": ""}}, []attrs{nil}},
		{`attributes.k = "\"\\\'\a\b\f\n\r\t\v"`, []attrs{{"k": "\"\\'\a\b\f\n\r\t\v"}}, nil},
		{`attributes.k = "\x41\102\U0001F600\xe3\201\277"`, []attrs{{"k": "AB😀み"}}, nil},
		{`attributes.k = "it's (a) AND -b"`, []attrs{{"k": "it's (a) AND -b"}}, nil},
	} {
		f, err := filter.Parse(c.filter)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.filter, err)
			continue
		}
		for _, a := range c.yes {
			if !f.Match(a) {
				t.Errorf("%q does not match %v", c.filter, a)
			}
		}
		for _, a := range c.no {
			if f.Match(a) {
				t.Errorf("%q matches %v", c.filter, a)
			}
		}
	}
}

func TestParse_Refused_SaysWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter string
		pos    int
		reason string // contained
	}{
		{" ", 1, "expected a condition"},
		{"bogus", 0, `expected a condition (attributes:key, attributes.key = "value", hasPrefix), not "bogus"`},
		{`attributes:a AND attributes:b OR attributes:c`, 30, "not mixed without parentheses"},
		{`attributes:a OR attributes:b AND attributes:c`, 29, "not mixed without parentheses"},
		{`attributes:a attributes:b`, 13, `expected AND, OR or the end, not "attributes"`},
		{`attributes:a and attributes:b`, 13, "operators are in upper case: AND"},
		{`attributes:a or attributes:b`, 13, "operators are in upper case: OR"},
		{`not attributes:a`, 0, "operators are in upper case: NOT"},
		{`NOT NOT attributes:a`, 4, "negation of a negation"},
		{`--attributes:a`, 1, "negation of a negation"},
		{`attributes:a AND`, 16, "expected a condition"},
		{`NOT`, 3, "expected a condition"},
		{`AND attributes:a`, 0, "expected a condition"},
		{`"com" = attributes.name`, 0, "a condition begins with attributes, not with a string"},
		{`attributes.name = attributes.website`, 18, "expected a string in double quotes"},
		{`attributes.name = com`, 18, `expected a string in double quotes, not "com"`},
		{`attributes.name = 'com'`, 18, "strings stand in double quotes"},
		{`attributes.name = "com" AND ("net" OR "org")`, 29, "not with a string"},
		{`attributes.name == "com"`, 17, `expected a string in double quotes, not "="`},
		{`attributes.name`, 15, "attributes:name asks whether it is there"},
		{`attributes.name : "com"`, 16, "expected = or !="},
		{`attributes.name > "com"`, 16, `unexpected '>'`},
		{`attributes.name ! "com"`, 16, `unexpected '!'`},
		{`attributes.a.b = "c"`, 12, "a key with a dot stands in double quotes"},
		{`attributes:a.b`, 12, "a key with a dot stands in double quotes"},
		{`attributes`, 10, "expected \".\" or \":\" and a key"},
		{`attributes = "x"`, 11, "expected \".\" or \":\" and a key"},
		{`attributes:`, 11, "expected a key, not the end"},
		{`attributes:""`, 11, "the key is empty"},
		{`attributes.(a) = "b"`, 11, `expected a key, not "("`},
		{`attributes:\u307F`, 11, "escapes belong in a string"},
		{`attributes:みんな`, 11, "belongs in a string in double quotes"},
		{"attributes:\xff", 11, "not UTF-8"},
		{`labels.a = "x"`, 0, "expected a condition"},
		{`hasSuffix(attributes.a, "x")`, 0, "expected a condition"},
		{`HASPREFIX(attributes.a, "x")`, 0, "expected a condition"},
		{`hasPrefix attributes.a`, 10, `expected "(", not "attributes"`},
		{`hasPrefix("x", attributes.a)`, 10, "expected attributes.key"},
		{`hasPrefix(attributes:a, "x")`, 20, `expected "." or ":"`},
		{`hasPrefix(attributes.a "x")`, 23, `expected ",", not the string "x"`},
		{`hasPrefix(attributes.a, b)`, 24, "expected a string"},
		{`hasPrefix(attributes.a, "x"`, 27, `expected ")", not the end`},
		{`hasPrefix(attributes.a)`, 22, `expected ","`},
		{`(attributes:a`, 13, "a closing parenthesis is missing"},
		{`(attributes:a attributes:b)`, 14, "expected AND, OR or the end"},
		{`attributes:a)`, 12, `expected AND, OR or the end, not ")"`},
		{`()`, 1, "expected a condition"},
		{`attributes.a = "b`, 15, "a double quote is missing"},
		{`attributes.a = "b\"`, 15, "a double quote is missing"},
		{`attributes.a = "b\`, 17, "no such escape"},
		{`attributes.a = "\q"`, 16, "no such escape"},
		{`attributes.a = "\ud800"`, 16, "no such escape"},
		{`attributes.a = "\xff"`, 15, "the string is not UTF-8"},
		{"attributes.a = \"b\nc\"", 17, "is written as an escape"},
		{strings.Repeat("(", 128) + strings.Repeat(")", 128), 128, "expected a condition"},
		{`attributes.a = "` + strings.Repeat("x", 240) + `"`, 256, "the filter has 257 bytes, at most 256"},
	} {
		_, err := filter.Parse(c.filter)
		var at *filter.Error
		switch {
		case !errors.As(err, &at):
			t.Errorf("Parse(%q) = %v, want an *Error", c.filter, err)
		case at.Pos != c.pos || !strings.Contains(at.Reason, c.reason) || at.Filter != c.filter:
			t.Errorf("Parse(%q): at %d %q, want at %d %q", c.filter, at.Pos, at.Reason, c.pos, c.reason)
		}
	}
}

func TestParse_LongestFilter_IsTaken(t *testing.T) {
	t.Parallel()
	s := `attributes.a = "` + strings.Repeat("x", 239) + `"`
	if f, err := filter.Parse(s); err != nil || !f.Match(attrs{"a": strings.Repeat("x", 239)}) {
		t.Errorf("a filter of %d bytes: %v", len(s), err)
	}
	nested := strings.Repeat("(", 122) + "attributes:k" + strings.Repeat(")", 122)
	if f, err := filter.Parse(nested); err != nil || !f.Match(attrs{"k": ""}) {
		t.Errorf("%d bytes of parentheses: %v", len(nested), err)
	}
}

func TestError_IsOneLineWithTheText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		`attributes.k = v`: "filter: at 15: expected a string in double quotes, not \"v\": `attributes.k = ` ^ `v`",
		`attributes:one AND attributes:two AND and attributes:three AND attributes:four`: "filter: at 38: expected a condition (attributes:key, attributes.key = \"value\", hasPrefix), " +
			"not \"and\": `... AND attributes:two AND ` ^ `and attributes:three AND...`",
		"attributes:a\n,": `filter: at 13: expected AND, OR or the end, not ",": "attributes:a\n" ^ ` + "`,`",
		`attributes:"ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ"x`: "filter: at 43: expected AND, OR or the end, not \"x\": `...ÄÄÄÄÄÄÄÄÄÄÄ\"` ^ `x`",
	} {
		if _, err := filter.Parse(s); err == nil || err.Error() != want {
			t.Errorf("Parse(%q):\n got %v\nwant %s", s, err, want)
		}
	}
}

func TestString_IsPlain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                              "",
		`((attributes : "k"))`:          `attributes:k`,
		`-attributes:a`:                 `NOT attributes:a`,
		`attributes."a.b"="\x41\n"`:     `attributes."a.b" = "A\n"`,
		`attributes."é" != "é"`:         `attributes."é" != "é"`,
		`hasPrefix( attributes.a ,"b")`: `hasPrefix(attributes.a, "b")`,
		`NOT ((attributes:a) OR (attributes:b AND -attributes:c))`: `NOT (attributes:a OR (attributes:b AND NOT attributes:c))`,
		`NOT (NOT attributes:a)`:                                   `NOT (NOT attributes:a)`,
	} {
		f, err := filter.Parse(s)
		if err != nil || f.String() != want {
			t.Errorf("Parse(%q).String() = %q, %v, want %q", s, f, err, want)
		}
	}
}
