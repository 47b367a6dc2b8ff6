package oidc_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

// handedOn makes a token as Cloud Run hands it on when it has verified it.
func handedOn(header, claims any) string {
	return part(header) + "." + part(claims) + ".SIGNATURE_REMOVED_BY_GOOGLE"
}

func TestTokenMatrix_UnverifiedBehindCloudRun_ChecksAllButTheSignature(t *testing.T) {
	auth, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), oidc.ServiceAccount(account))
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(t, auth)
	e.serve(t, 4<<20)
	google := google()
	header := func(name string, value any) []string {
		return bearer(handedOn(google.header(map[string]any{name: value}), goodClaims(nil)))
	}
	good, whole := signing(handedOn).token(nil), google.token(nil)
	for _, c := range slices.Concat([]matrixCase{
		{"valid", bearer(good), 200, ""},
		{"valid, lower-case scheme", []string{"bearer " + good}, 200, ""},
		{"valid, issuer without a scheme", bearer(signing(handedOn).token(map[string]any{"iss": "accounts.google.com"})), 200, ""},
		{"valid, whatever key it names", header("kid", "key-9"), 200, ""},
		{"valid, without iat, with fractions", bearer(signing(handedOn).token(map[string]any{"iat": nil, "exp": float64(time.Now().Unix()) + 60.5})), 200, ""},
		{"a signature that is still there", bearer(whole), 401, oidc.ReasonSignature},
		{"a stranger's signature", bearer(stranger().token(nil)), 401, oidc.ReasonSignature},
		{"a signature that ends alike", bearer(whole + "SIGNATURE_REMOVED_BY_GOOGLE"), 401, oidc.ReasonMalformed},
		{"a signature written over it", bearer(good + "AA"), 401, oidc.ReasonMalformed},
		{"a mark in small letters", bearer(part(google.header(nil)) + "." + part(goodClaims(nil)) + ".signature_removed_by_google"), 401, oidc.ReasonMalformed},
		{"no signature", bearer(part(google.header(nil)) + "." + part(goodClaims(nil)) + "."), 401, oidc.ReasonMalformed},
		{"truncated by a letter", bearer(good[:len(good)-1]), 401, oidc.ReasonMalformed},
		{"truncated by three", bearer(good[:len(good)-3]), 401, oidc.ReasonSignature},
		{"two parts", bearer(part(goodClaims(nil)) + ".SIGNATURE_REMOVED_BY_GOOGLE"), 401, oidc.ReasonMalformed},
		{"four parts", bearer(good + ".SIGNATURE_REMOVED_BY_GOOGLE"), 401, oidc.ReasonMalformed},
		{"alg none", header("alg", "none"), 401, oidc.ReasonAlgorithm},
		{"alg HS256", header("alg", "HS256"), 401, oidc.ReasonAlgorithm},
		{"alg ES256", header("alg", "ES256"), 401, oidc.ReasonAlgorithm},
		{"alg missing", header("alg", nil), 401, oidc.ReasonAlgorithm},
		{"jwk", header("jwk", stranger().jwk()), 401, oidc.ReasonMalformed},
		{"jku", header("jku", "https://evil.example.com"), 401, oidc.ReasonMalformed},
		{"crit", header("crit", []string{"x"}), 401, oidc.ReasonMalformed},
		{"typ of another kind", header("typ", "at+jwt"), 401, oidc.ReasonMalformed},
		{"header null", bearer(handedOn([]byte("null"), goodClaims(nil))), 401, oidc.ReasonMalformed},
	}, badHeaders(handedOn), badClaims(handedOn)) {
		t.Run(c.name, func(t *testing.T) { e.check(t, c) })
	}
	t.Run("the header that Cloud Run checks instead", func(t *testing.T) {
		const instead = "X-Serverless-Authorization"
		refused := matrixCase{authorization: bearer(good), status: http.StatusUnauthorized, reason: oidc.ReasonSignature}
		e.check(t, refused, instead, "Bearer of somebody who may invoke the service")
		e.check(t, refused, instead, "")
	})
}
