package oidc

import (
	"errors"
	"slices"
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

const (
	maxLifetime = 24 * time.Hour // of a token. Google's live for one
	lastSecond  = 253402300799   // of the year 9999, beyond which times are no times
)

// claims are what a token says, as far as it matters here. Times are in seconds since 1970; nil: absent.
type claims struct {
	Issuer        string `json:"iss"`
	Audience      string `json:"aud"` // a list does not read
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Expires       *int64 `json:"exp"`
	IssuedAt      *int64 `json:"iat"`
	NotBefore     *int64 `json:"nbf"`
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
	expires, err := timeOf("exp", c.Expires)
	if err != nil {
		return err
	}
	issued, err := timeOf("iat", c.IssuedAt)
	if err != nil {
		return err
	}
	show := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case !now.Before(expires.Add(r.leeway)):
		return differs(ReasonExpired, "exp", show(expires), "after "+show(now))
	case issued.After(now.Add(r.leeway)):
		return differs(ReasonEarly, "iat", show(issued), "until "+show(now))
	case expires.Sub(issued) > maxLifetime:
		return differs(ReasonLifetime, "exp", show(expires), "until "+show(issued.Add(maxLifetime)))
	}
	if c.NotBefore == nil {
		return nil
	}
	begins, err := timeOf("nbf", c.NotBefore)
	if err != nil {
		return err
	}
	if begins.After(now.Add(r.leeway)) {
		return differs(ReasonEarly, "nbf", show(begins), "until "+show(now))
	}
	return nil
}

func timeOf(claim string, seconds *int64) (time.Time, error) {
	switch {
	case seconds == nil:
		return time.Time{}, refuse(ReasonMalformed, claim, errors.New("there is none"))
	case *seconds <= 0 || *seconds > lastSecond:
		return time.Time{}, refuse(ReasonMalformed, claim, errors.New("it is no time"))
	}
	return time.Unix(*seconds, 0), nil
}
