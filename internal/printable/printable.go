// Package printable makes text from outside fit for logs and errors.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// How many bytes are shown of a text, and of a name, of which the longest has to be found again: a task's id may have 500.
const (
	mostText = 200
	mostName = 1 << 10
)

// Text is s as it stands if all of it prints, and quoted in Go's syntax if not: no newline, escape sequence or invalid
// UTF-8 is left in it. What is longer than 200 bytes is cut off, and ends with "...".
func Text(s string) string {
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + "..."
	}
	return Escape(s)
}

// Name is Text for what names something, of which it shows 1 KiB if all of it prints.
func Name(s string) string {
	if len(s) <= mostName && Escape(s) == s {
		return s
	}
	return Text(s)
}

// Escape is Text, whatever the length.
func Escape(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			if !prints(s[i:]) {
				return strconv.Quote(s)
			}
			return s
		}
	}
	return s
}

func prints(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}
