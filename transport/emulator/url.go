package emulator

import "strings"

// encodeURL encodes what may not stand in a URL as it is: the service takes such URLs, a bad %-escape included.
func encodeURL(s string) string {
	clean := true
	for i := range len(s) {
		clean = clean && !mustEncode(s, i)
	}
	if clean {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; mustEncode(s, i) {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mustEncode(s string, i int) bool {
	switch c := s[i]; {
	case c <= ' ', c >= 0x7f:
		return true
	case c == '%':
		return i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])
	default:
		return strings.IndexByte("\"<>\\^`{|}", c) >= 0
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
