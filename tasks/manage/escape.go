package manage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLine is how many characters of a line of text are printed.
const maxLine = 2000

// oneLine makes s safe to print: line breaks become "; ", what else is not printable is escaped as Go would, and of
// what is very long the rest is only counted.
func oneLine(s string) string { return clip(escape(s), maxLine, "... (%d characters more)") }

// escape is oneLine without an end.
func escape(s string) string {
	s = strings.TrimSpace(s)
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\n' && strings.HasSuffix(b.String(), "; "): // an empty line
		case r == '\n':
			b.WriteString("; ")
		case r == '\r' && strings.HasPrefix(s, "\r\n"):
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// clip cuts what is longer than most characters. more says so; it may hold %d for how many are left out.
func clip(s string, most int, more string) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + strings.Replace(more, "%d", strconv.Itoa(len(runes)-most), 1)
}

// jsonText is v as an indented document that is safe to print.
func jsonText(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return printableJSON(b.String()), nil
}

// printableJSON escapes what encoding/json leaves in strings, and terminals may act on.
func printableJSON(s string) string {
	safe := func(r rune) bool { return r == '\n' || strconv.IsPrint(r) }
	if !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case safe(r):
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
