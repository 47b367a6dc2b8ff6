package printable_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/printable"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"order", "order"},
		{`a "quoted" back\slash`, `a "quoted" back\slash`},
		{"café ☕", "café ☕"},
		{"a\nb", `"a\nb"`},
		{"a\r\nlevel=ERROR", `"a\r\nlevel=ERROR"`},
		{"\x1b[31mred", `"\x1b[31mred"`},
		{"\u009b31mred", `"\u009b31mred"`},
		{"\u202egnp.exe", `"\u202egnp.exe"`},
		{"\xff", `"\xff"`},
		{"\x00", `"\x00"`},
		{"\u2028", `"\u2028"`},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{strings.Repeat("x", 201), strings.Repeat("x", 200) + "..."},
		{strings.Repeat("x", 199) + "é", strings.Repeat("x", 199) + "..."},
		{strings.Repeat("\n", 300), strconv.Quote(strings.Repeat("\n", 200) + "...")},
	} {
		if got := printable.Text(c.in); got != c.want {
			t.Errorf("%q is shown as %s, want %s", c.in, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("order")
	f.Add("a\x1b[31m\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable.Text(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !strconv.IsPrint(r) }) || len(got) > 1000 {
			t.Errorf("%q is shown as %q", s, got)
		}
	})
}

func TestName_ShowsMore(t *testing.T) {
	t.Parallel()
	if id := strings.Repeat("x", 1024); printable.Name(id) != id || printable.Name(id+"x") != printable.Text(id) || printable.Name(id[1:]+"\n") != printable.Text(id) {
		t.Error("a name of 1 KiB is not shown, or more of it is, or what does not print")
	}
}
