package emulator

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

// completeHeaders checks the headers of a task or a job, which the service calls field, and adds the User-Agent, which
// is stored with them. Names stay as they are written.
func completeHeaders(field string, headers map[string]string, agent string) (map[string]string, error) {
	size, odd := 0, false
	for name, value := range headers {
		if !isToken(name) {
			return nil, invalid("%s: %q is not a valid header name.", field, name)
		}
		if !isFieldValue(value) {
			return nil, invalid("%s: the value of %q holds a control character.", field, name)
		}
		size += len(name) + len(value)
		odd = odd || textproto.CanonicalMIMEHeaderKey(name) != name
	}
	if size >= maxHeaders {
		return nil, invalid("%s must be less than 80KB in size.", field)
	}
	if odd {
		dropSpellings(headers)
	}
	if headers == nil {
		headers = make(map[string]string, 1)
	}
	headers[userAgentHeader] = agent
	return headers, nil
}

// dropSpellings leaves one header of those that differ in spelling only, the first in order of bytes, and none
// that is a User-Agent.
func dropSpellings(headers map[string]string) {
	seen := map[string]bool{userAgentHeader: true}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if seen[canonical] {
			delete(headers, name)
		}
		seen[canonical] = true
	}
}

// isToken recognizes what RFC 9110 allows as a field's name.
func isToken(s string) bool {
	return isID(s, len(s), "!#$%&'*+-.^_`|~")
}

// isFieldValue refuses what would split a header.
func isFieldValue(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
