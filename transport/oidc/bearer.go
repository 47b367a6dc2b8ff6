package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxToken is the most that an Authorization header may hold. Google's tokens take about 1 KB.
const maxToken = 16 << 10

// bearer returns the token of a request, whatever it is. The scheme is Bearer in any case of letters, as RFC 9110 has
// it; one space follows, and the token.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", refuse(ReasonMissing, "", errors.New("there is no Authorization header"))
	case len(values) > 1:
		return "", refuse(ReasonMalformed, "", fmt.Errorf("there are %d Authorization headers", len(values)))
	case len(values[0]) > maxToken:
		return "", refuse(ReasonMalformed, "", fmt.Errorf("the Authorization header has %d bytes, at most %d", len(values[0]), maxToken))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", refuse(ReasonMissing, "", errors.New("the Authorization header is not of the scheme Bearer"))
	}
	return token, nil
}

// checkShape wants three parts in base64url, each written as its signer wrote it; what Cloud Run puts in the place of a
// signature can be read as that too.
func checkShape(token string) error {
	head, rest, _ := strings.Cut(token, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	if !canonical(head) || !canonical(claims) || !canonical(signature) {
		return refuse(ReasonMalformed, "", errors.New("want a token of three parts in base64url, as its signer wrote them"))
	}
	return nil
}

// canonical reports whether s is base64url as an encoder writes it. There are other ways to write the same bytes, which
// decoders take: a token must have one form only.
func canonical(s string) bool {
	for i := range len(s) {
		if value(s[i]) < 0 {
			return false
		}
	}
	switch len(s) % 4 {
	case 2: // the last letter has four bits to spare
		return value(s[len(s)-1])&0b1111 == 0
	case 3: // or two
		return value(s[len(s)-1])&0b11 == 0
	case 1: // no length that there is
		return false
	}
	return s != ""
}

// value is what a letter of base64url stands for, -1 for others.
func value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '-':
		return 62
	case c == '_':
		return 63
	default:
		return -1
	}
}
