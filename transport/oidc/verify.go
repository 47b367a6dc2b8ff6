package oidc

import (
	"context"
	"crypto/rsa"
	"errors"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// verifier verifies signatures.
type verifier struct {
	keys   *keySet
	config gooidc.Config
}

func newVerifier(s settings) *verifier {
	return &verifier{
		keys: newKeySet(s),
		config: gooidc.Config{
			SupportedSigningAlgs: []string{gooidc.RS256},
			SkipClientIDCheck:    true, // it knows one audience, and takes lists
			SkipExpiryCheck:      true, // it has no leeway for exp, and one of its own for nbf
		},
	}
}

// verified is a token whose signature fits.
type verified struct {
	keyID  string
	key    *rsa.PublicKey
	claims claims
}

// verification is a token on its way through the library.
type verification struct {
	verified
	doubt error // what the library has against the claims; nil: nothing

	jws     *jose.JSONWebSignature
	payload []byte // nil: the signature does not fit
}

// verify returns the token, its signature verified, its claims read and not yet checked.
func (v *verifier) verify(ctx context.Context, token string) (*verification, error) {
	jws, err := parse(token)
	if err != nil {
		return nil, err
	}
	t := &verification{jws: jws}
	t.keyID = jws.Signatures[0].Protected.KeyID
	if t.keyID == "" {
		return nil, refuse(ReasonMalformed, "kid", errors.New("there is none"))
	}
	if t.key, err = v.keys.get(ctx, t.keyID); err != nil {
		return nil, v.advise(err, t)
	}
	_, t.doubt = gooidc.NewVerifier(issuer, t, &v.config).Verify(ctx, token)
	if t.payload == nil {
		return nil, refuse(ReasonSignature, "", t.doubt)
	}
	t.claims, err = readClaims(t.payload)
	return t, err
}

// VerifySignature makes it the set of keys that fit the token: one. The library asks for it with the token that it
// has parsed itself.
func (t *verification) VerifySignature(context.Context, string) ([]byte, error) {
	payload, err := t.jws.Verify(t.key)
	t.payload = payload
	return payload, err
}

// parse takes a token apart and says by its header whether it may be looked at further. No key has a part in it.
func parse(token string) (*jose.JSONWebSignature, error) {
	if err := checkShape(token); err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if e, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok {
		return nil, differs(ReasonAlgorithm, "alg", string(e.Got), string(jose.RS256))
	}
	if err != nil {
		return nil, refuse(ReasonMalformed, "", err)
	}
	header := jws.Signatures[0].Protected
	if header.JSONWebKey != nil {
		return nil, refuse(ReasonMalformed, "jwk", errors.New("the token brings its own key"))
	}
	for name := range header.ExtraHeaders {
		switch name {
		case "jku", "x5u":
			return nil, refuse(ReasonMalformed, string(name), errors.New("the token says where its key is"))
		case "crit", "b64":
			return nil, refuse(ReasonMalformed, string(name), errors.New("the token demands extensions"))
		}
	}
	if typ, ok := header.ExtraHeaders[jose.HeaderType]; ok {
		if s, _ := typ.(string); !strings.EqualFold(s, "JWT") {
			return nil, differs(ReasonMalformed, string(jose.HeaderType), s, "JWT")
		}
	}
	return jws, nil
}

// removed is what Cloud Run puts in the place of a signature that it has verified.
const removed = "SIGNATURE_REMOVED_BY_GOOGLE"

// readRemoved reads the claims of a token without a signature.
func readRemoved(token string) (claims, error) {
	jws, err := parse(token)
	if err != nil {
		return claims{}, err
	}
	if !strings.HasSuffix(token, "."+removed) {
		return claims{}, refuse(ReasonSignature, "", errors.New("it is not "+removed+": Cloud Run has not checked this token;"+
			" where anyone can reach the service, use oidc.New"))
	}
	return readClaims(jws.UnsafePayloadWithoutVerification())
}
