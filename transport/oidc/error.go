package oidc

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/transport"
)

// Error tells why a request was refused. Its text is for a log: it is one line, what came from the caller is quoted and
// cut, and the token is not in it.
type Error struct {
	Reason Reason // one of a small set: a label for a metric
	Claim  string // the claim, or the parameter of the token's header, that it is about; empty for none
	Err    error  // the cause; nil where the rest says it all

	got, want string
	advice    string // what helps, at the end
}

// Reason is a word for why a request was refused.
type Reason string

// The reasons. More may be added.
const (
	ReasonMissing    Reason = "no_token"         // there is no bearer token
	ReasonMalformed  Reason = "malformed"        // it is too long, or does not read as a token
	ReasonAlgorithm  Reason = "algorithm"        // it is not signed by RS256
	ReasonKey        Reason = "unknown_key"      // it is signed by no key that is known
	ReasonNoKeys     Reason = "keys_unavailable" // the keys could not be fetched: the token may be good
	ReasonSignature  Reason = "signature"        // the signature does not fit; or there is one where Cloud Run leaves none
	ReasonIssuer     Reason = "issuer"           // it is not Google's
	ReasonAudience   Reason = "audience"         // it was made for somebody else
	ReasonExpired    Reason = "expired"          // its time is over
	ReasonEarly      Reason = "not_yet_valid"    // its time has not begun: is the clock right?
	ReasonUnverified Reason = "unverified_email" // whose it is was not verified
	ReasonAccount    Reason = "other_account"    // it is good, and of an account that is not allowed
)

// refuse makes an Error without values.
func refuse(reason Reason, claim string, err error) *Error {
	return &Error{Reason: reason, Claim: claim, Err: err}
}

// differs makes an Error of a claim that is not what it should be.
func differs(reason Reason, claim, got string, want ...string) *Error {
	quoted := make([]string, len(want))
	for i, w := range want {
		quoted[i] = strconv.Quote(w)
	}
	return &Error{Reason: reason, Claim: claim, got: got, want: strings.Join(quoted, " or ")}
}

// Error reads like `oidc: audience: aud is "https://other.example.com", want "https://shop.example.com"`, with what is
// set.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("oidc: " + string(e.Reason))
	if e.Claim != "" {
		b.WriteString(": " + plain(e.Claim))
	}
	if e.want != "" {
		b.WriteString(" is " + quote(e.got) + ", want " + e.want)
	}
	if e.Err != nil {
		b.WriteString(": " + plain(e.Err.Error()))
	}
	if e.advice != "" {
		b.WriteString("; " + e.advice)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches transport.ErrForbidden for a good token of an account that is not allowed.
func (e *Error) Is(target error) bool {
	return target == transport.ErrForbidden && e.Reason == ReasonAccount
}

// maxShown is how much of one thing that a caller wrote is shown, in bytes.
const maxShown = 300

func quote(s string) string { return strconv.Quote(cut(s)) }

// plain is s where all of it can be printed, else quoted.
func plain(s string) string {
	s = cut(s)
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(s)
	}
	return s
}

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
