package filter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/filter"
)

// FuzzParse: nothing panics, an error lies within the filter and on one line, and what a filter prints parses to
// the same meaning.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", " ", `attributes:k`, `-attributes:"k.l" AND attributes.a != "\u307f"`, `NOT (NOT attributes:a)`,
		`attributes:a AND (attributes:b OR hasPrefix(attributes.c, "\xe3\201\277\'"))`, `(attributes.-a = "x\\")`,
		`attributes.a = 'x'`, `attributes:a AND attributes:b OR attributes:c`, "attributes:a\n\xff",
	} {
		f.Add(s, "k", "v")
	}
	f.Fuzz(func(t *testing.T, s, key, value string) {
		parsed, err := filter.Parse(s)
		if err != nil {
			var at *filter.Error
			if !errors.As(err, &at) || at.Pos < 0 || at.Pos > len(s) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("Parse(%q): %#v", s, err)
			}
			return
		}
		printed := parsed.String()
		if len(printed) > filter.MaxLength {
			return
		}
		again, err := filter.Parse(printed)
		if err != nil || again.String() != printed {
			t.Fatalf("%q prints %q, which parses to %v, %v", s, printed, again, err)
		}
		for _, a := range []attrs{nil, {key: value}, {"a": "x"}, {"b": ""}, {"a": "", "b": "", "c": "み'"}, {"k": value, "a": key}} {
			if parsed.Match(a) != again.Match(a) {
				t.Fatalf("%q matches %v: %v, printed as %q: %v", s, a, parsed.Match(a), printed, again.Match(a))
			}
		}
	})
}
