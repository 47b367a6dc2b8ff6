// Package printable makes text from outside fit for logs and errors.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// most is how many bytes of a text are shown.
const most = 200

// Text is s as it stands if all of it prints, and quoted in Go's syntax if not: no newline, escape sequence or invalid
// UTF-8 is left in it. What is longer than 200 bytes is cut off, and ends with "...".
func Text(s string) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return Escape(s)
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
