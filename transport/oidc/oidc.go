package oidc

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"time"
)

// DefaultKeysURL is where Google's keys are, as a JWK set.
const DefaultKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

// Authenticator decides whether a request may deliver. It implements tasks.Authenticator. The zero value lets nobody
// in.
type Authenticator struct {
	rules    rules
	verifier *verifier // nil: signatures are Cloud Run's to check
	seen     seen
}

// New makes an Authenticator that checks all of a token: signature, times and claims. It is right wherever anyone can
// reach the endpoint.
//
// It needs an [Audience] and a [ServiceAccount] at least; the error names everything that is missing or wrong. Keys
// are not fetched before the first token comes.
func New(opts ...Option) (*Authenticator, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	return &Authenticator{rules: s.rules, verifier: newVerifier(s)}, nil
}

// UnverifiedBehindCloudRun makes an Authenticator that DOES NOT CHECK SIGNATURES. IT IS NO CHECK AT ALL, unless Cloud
// Run stands in front and demands authentication: anyone can write a token that it takes.
//
// It is for services deployed with --no-allow-unauthenticated, and for no others. Cloud Run has verified each token
// then and hands it on with SIGNATURE_REMOVED_BY_GOOGLE for a signature, so that there is nothing left to verify. This
// looks at the rest: issuer, audience, times and account, as [New] does. A token that still has a signature is
// refused, since nobody has checked it; and so is a request with the header X-Serverless-Authorization, because Cloud
// Run checks that one alone and leaves Authorization as the caller wrote it.
func UnverifiedBehindCloudRun(opts ...ClaimOption) (*Authenticator, error) {
	all := make([]Option, len(opts))
	for i, o := range opts {
		all[i] = o
	}
	s, err := newSettings(all)
	if err != nil {
		return nil, err
	}
	return &Authenticator{rules: s.rules}, nil
}

// Authenticate returns nil for a request that carries a good token of an account that is allowed, else an *[Error]. It
// matches transport.ErrForbidden where the token is good, and of another account.
//
// It may wait for keys, 10 s at most and no longer than the request's context allows.
func (a *Authenticator) Authenticate(r *http.Request) error {
	if a == nil || len(a.rules.audiences) == 0 {
		return errors.New("oidc: this Authenticator was not made by New: it lets nobody in")
	}
	token, err := bearer(r.Header)
	if err != nil {
		return err
	}
	if a.verifier == nil {
		return a.authenticateUnverified(r.Header, token)
	}
	hash := sha256.Sum256([]byte(token))
	if known, ok := a.seen.get(hash); ok {
		key, err := a.verifier.keys.get(r.Context(), known.keyID)
		if err != nil {
			return err
		}
		if key == known.key { // by which it would be verified again
			return a.rules.check(known.claims, time.Now())
		}
	}
	v, err := a.verifier.verify(r.Context(), token)
	if err != nil {
		return err
	}
	if err := a.rules.check(v.claims, time.Now()); err != nil {
		return err
	}
	if v.doubt != nil {
		return refuse(ReasonMalformed, "", v.doubt)
	}
	a.seen.put(hash, v.verified, time.Now()) // of those only that are let in: nobody else can fill it
	return nil
}

// Accepts reports whether tokens made for that audience can be let in: whether it is one of those that [Audience] was
// given, letter for letter. An App whose Config.Audience is another warns of it, since the tokens on its own deliveries
// are refused. An Authenticator that lets nobody in accepts none.
func (a *Authenticator) Accepts(audience string) bool {
	return a != nil && slices.Contains(a.rules.audiences, audience)
}

// serverlessAuthorization is the header that Cloud Run checks in place of Authorization, where both are sent.
const serverlessAuthorization = "X-Serverless-Authorization"

func (a *Authenticator) authenticateUnverified(h http.Header, token string) error {
	if len(h.Values(serverlessAuthorization)) > 0 {
		return refuse(ReasonSignature, serverlessAuthorization, errors.New("it is what Cloud Run has checked, and not Authorization"))
	}
	c, err := readRemoved(token)
	if err != nil {
		return err
	}
	return a.rules.check(c, time.Now())
}
