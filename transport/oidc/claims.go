package oidc

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The forms of Google's name as an issuer.
const (
	issuer       = "https://accounts.google.com"
	issuerNoHTTP = "accounts.google.com"
)

// claims are what a token says, as far as it matters here.
type claims struct {
	Issuer        string      `json:"iss"`
	Audience      string      `json:"aud"` // a list does not read
	Email         string      `json:"email"`
	EmailVerified bool        `json:"email_verified"`
	Expires       numericDate `json:"exp"`
	IssuedAt      numericDate `json:"iat"`
	NotBefore     numericDate `json:"nbf"`
}

// numericDate is a time as RFC 7519 has it: a number of seconds since 1970, which may have a fraction. The zero value:
// the claim is absent.
type numericDate struct{ time.Time }

// lastSecond is of the year 9999, beyond which times are no times.
const lastSecond = 253402300799

var errNoTime = errors.New("it is no time: want a number of seconds since 1970")

// UnmarshalJSON takes numbers above 0 only, and neither a quoted one nor null.
func (d *numericDate) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(seconds > 0 && seconds <= lastSecond) {
		return errNoTime
	}
	whole := int64(seconds)
	d.Time = time.Unix(whole, int64((seconds-float64(whole))*1e9))
	return nil
}

// readClaims reads a token's payload. Names count in their own spelling only, none may stand there twice, and each has
// the type that it should have: what two readers might read in two ways is not read at all.
func readClaims(payload []byte) (claims, error) {
	var c claims
	err := json.Unmarshal(payload, &c)
	if err == nil {
		return c, nil
	}
	var at jsontext.Pointer
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at = e.JSONPointer
		if errors.Is(err, errNoTime) {
			err = errNoTime
		}
	} else if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.JSONPointer
	}
	return claims{}, refuse(ReasonMalformed, strings.TrimPrefix(string(at), "/"), err)
}

// rules are what claims must say.
type rules struct {
	audiences, accounts []string
	leeway              time.Duration
}

// check looks at whose token it is last: only to who carries a good one is it told that he is known, and not allowed.
func (r *rules) check(c claims, now time.Time) error {
	if c.Issuer != issuer && c.Issuer != issuerNoHTTP {
		return differs(ReasonIssuer, "iss", c.Issuer, issuer)
	}
	if !slices.Contains(r.audiences, c.Audience) {
		return differs(ReasonAudience, "aud", c.Audience, r.audiences...)
	}
	if err := r.checkTimes(c, now); err != nil {
		return err
	}
	if !c.EmailVerified {
		return refuse(ReasonUnverified, "email_verified", errors.New("it is not true"))
	}
	if c.Email == "" {
		return refuse(ReasonUnverified, "email", errors.New("there is none"))
	}
	if !slices.Contains(r.accounts, c.Email) {
		return differs(ReasonAccount, "email", c.Email, r.accounts...)
	}
	return nil
}

func (r *rules) checkTimes(c claims, now time.Time) error {
	show := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case c.Expires.IsZero():
		return refuse(ReasonMalformed, "exp", errors.New("there is none"))
	case !now.Before(c.Expires.Add(r.leeway)):
		return differs(ReasonExpired, "exp", show(c.Expires.Time), "after "+show(now))
	case c.IssuedAt.After(now.Add(r.leeway)):
		return differs(ReasonEarly, "iat", show(c.IssuedAt.Time), "until "+show(now))
	case c.NotBefore.After(now.Add(r.leeway)):
		return differs(ReasonEarly, "nbf", show(c.NotBefore.Time), "until "+show(now))
	}
	return nil
}
