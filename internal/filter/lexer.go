package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is what a token is: one of the marks below, or the mark itself: "(", ")", ",", ".", ":", "=", "!=", "-".
type kind string

const (
	end  kind = "the end"
	word kind = "a word"
	text kind = "a string"
)

type token struct {
	kind kind
	pos  int
	text string // of a word as it is, of a string what it means
}

// String names the token in an error.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end"
	case word:
		return strconv.Quote(t.text)
	case text:
		return "the string " + strconv.Quote(t.text)
	}
	return strconv.Quote(string(t.kind))
}

type lexer struct {
	src string
	pos int
}

// next reads a token. With key set an unquoted attribute key is a word, which may begin with a hyphen or a digit.
func (l *lexer) next(key bool) (token, error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: end, pos: start}, nil
	}
	switch c := l.src[start]; {
	case c == '"':
		return l.text()
	case keyByte(c) && (key || c != '-'):
		for l.pos < len(l.src) && keyByte(l.src[l.pos]) {
			l.pos++
		}
		return token{kind: word, pos: start, text: l.src[start:l.pos]}, nil
	case strings.HasPrefix(l.src[start:], "!="):
		l.pos += 2
		return token{kind: "!=", pos: start}, nil
	case strings.IndexByte("(),.:=-", c) >= 0:
		l.pos++
		return token{kind: kind(l.src[start:l.pos]), pos: start}, nil
	case c == '\'':
		return token{}, l.fail(start, "strings stand in double quotes")
	}
	r, size := utf8.DecodeRuneInString(l.src[start:])
	switch {
	case r == utf8.RuneError && size == 1:
		return token{}, l.fail(start, "the filter is not UTF-8")
	case r == '\\':
		return token{}, l.fail(start, "escapes belong in a string in double quotes")
	case r > 0x7f:
		return token{}, l.fail(start, fmt.Sprintf("%q belongs in a string in double quotes", r))
	}
	return token{}, l.fail(start, fmt.Sprintf("unexpected %q", r))
}

// text reads a string in double quotes.
func (l *lexer) text() (token, error) {
	start := l.pos
	var b strings.Builder
	for l.pos++; l.pos < len(l.src); {
		switch c := l.src[l.pos]; {
		case c == '"':
			l.pos++
			if !utf8.ValidString(b.String()) {
				return token{}, l.fail(start, "the string is not UTF-8")
			}
			return token{kind: text, pos: start, text: b.String()}, nil
		case c == '\\':
			if err := l.escape(&b); err != nil {
				return token{}, err
			}
		case c < ' ' || c == 0x7f:
			return token{}, l.fail(l.pos, fmt.Sprintf("%q in a string is written as an escape", c))
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return token{}, l.fail(start, "the string has no end: a double quote is missing")
}

// escape reads one escape sequence, which begins at pos.
func (l *lexer) escape(b *strings.Builder) error {
	rest := l.src[l.pos:]
	if strings.HasPrefix(rest, `\'`) { // strconv takes it in single quotes only
		b.WriteByte('\'')
		l.pos += 2
		return nil
	}
	r, multibyte, tail, err := strconv.UnquoteChar(rest, '"')
	if err != nil {
		return l.fail(l.pos, `no such escape: known are \\ \" \' \a \b \f \n \r \t \v \ooo \xhh \uhhhh \Uhhhhhhhh`)
	}
	if multibyte {
		b.WriteRune(r)
	} else {
		b.WriteByte(byte(r)) // \x and octal are bytes
	}
	l.pos += len(rest) - len(tail)
	return nil
}

func (l *lexer) fail(pos int, reason string) error {
	return &Error{Filter: l.src, Pos: pos, Reason: reason}
}

// keyByte reports whether c may stand in a key without quotes.
func keyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
