package emulator

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// completeHeaders checks the headers of a task and adds the User-Agent, which is stored with it. Names stay as
// they are written.
func completeHeaders(r *cloudtaskspb.HttpRequest) error {
	size, odd := 0, false
	for name, value := range r.Headers {
		if !isToken(name) {
			return invalid("HttpRequest.headers: %q is not a valid header name.", name)
		}
		if !isFieldValue(value) {
			return invalid("HttpRequest.headers: the value of %q holds a control character.", name)
		}
		size += len(name) + len(value)
		odd = odd || textproto.CanonicalMIMEHeaderKey(name) != name
	}
	if size >= maxHeaders {
		return invalid("HttpRequest.headers must be less than 80KB in size.")
	}
	if odd {
		dropSpellings(r.Headers)
	}
	if r.Headers == nil {
		r.Headers = make(map[string]string, 1)
	}
	r.Headers[userAgentHeader] = userAgent
	return nil
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
