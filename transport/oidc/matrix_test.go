package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

// case of the token matrix.
type matrixCase struct {
	name          string
	authorization []string
	status        int
	reason        oidc.Reason // in the log; "": it is let in
}

func TestTokenMatrix(t *testing.T) {
	google, stranger := google(), stranger()
	var elsewhere atomic.Int64 // who asks where a token points to
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, jwks(stranger.jwk()))
	}))
	t.Cleanup(trap.Close)
	server := newKeyServer(serves(google))
	e := newEndpoint(t, newAuth(t, server.client()))
	e.serve(t, 4<<20)
	for _, c := range slices.Concat(goodOnes(google), badHeaders(google.sign), badAlgorithms(google), badKeys(google, stranger, trap.URL), badShapes(google),
		badClaims(google.sign), doubtfulClaims(google)) {
		t.Run(c.name, func(t *testing.T) { e.check(t, c) })
	}
	if elsewhere.Load() != 0 {
		t.Error("a token had its say in where keys come from")
	}
	if n := server.times(); n > 1+3 { // once at first, and for each key that does not exist
		t.Errorf("the keys were fetched %d times", n)
	}
}

func bearer(token string) []string { return []string{"Bearer " + token} }

func goodOnes(google signer) []matrixCase {
	with := func(claims map[string]any) []string { return bearer(google.token(claims)) }
	soon := time.Now().Add(3 * time.Second).Unix()
	return []matrixCase{
		{"valid", with(nil), 200, ""},
		{"valid, issuer without a scheme", with(map[string]any{"iss": "accounts.google.com"}), 200, ""},
		{"valid, a clock that is a little ahead", with(map[string]any{"iat": soon, "nbf": soon}), 200, ""},
		{"valid, expired a moment ago", with(map[string]any{"exp": time.Now().Add(-3 * time.Second).Unix(), "iat": time.Now().Add(-time.Hour).Unix()}), 200, ""},
		{"valid, without iat", with(map[string]any{"iat": nil}), 200, ""},
		{"valid for ten years", with(map[string]any{"exp": time.Now().AddDate(10, 0, 0).Unix()}), 200, ""},
		{"valid, with fractions of seconds", with(map[string]any{"exp": float64(soon) + 3600.25, "iat": float64(soon) - 3600.75, "nbf": float64(soon) - 0.5}), 200, ""},
		{"valid, without typ", bearer(google.sign(google.header(map[string]any{"typ": nil}), goodClaims(nil))), 200, ""},
		{"valid, typ in small letters", bearer(google.sign(google.header(map[string]any{"typ": "jwt"}), goodClaims(nil))), 200, ""},
		{"lower-case scheme", []string{"bearer " + google.token(nil)}, 200, ""},
		{"upper-case scheme", []string{"BEARER " + google.token(nil)}, 200, ""},
	}
}

// signing makes a token of a header and claims, such as signer.sign.
type signing func(header, claims any) string

// token is a good one with some claims replaced.
func (sign signing) token(replaced map[string]any) string {
	return sign(google().header(nil), goodClaims(replaced))
}

func badHeaders(sign signing) []matrixCase {
	good := sign.token(nil)
	return []matrixCase{
		{"no token", nil, 401, oidc.ReasonMissing},
		{"empty header", []string{""}, 401, oidc.ReasonMissing},
		{"another scheme", []string{"Basic " + good}, 401, oidc.ReasonMissing},
		{"no scheme", []string{good}, 401, oidc.ReasonMissing},
		{"two Authorization headers", []string{"Bearer " + good, "Bearer " + good}, 401, oidc.ReasonMalformed},
		{"two Authorization headers, one of another scheme", []string{"Bearer " + good, "Basic abc"}, 401, oidc.ReasonMalformed},
		{"scheme alone", []string{"Bearer"}, 401, oidc.ReasonMalformed},
		{"two spaces", []string{"Bearer  " + good}, 401, oidc.ReasonMalformed},
		{"junk behind", []string{"Bearer " + good + " x"}, 401, oidc.ReasonMalformed},
		{"junk behind a comma", []string{"Bearer " + good + ", Bearer " + good}, 401, oidc.ReasonMalformed},
		{"quoted", []string{`Bearer "` + good + `"`}, 401, oidc.ReasonMalformed},
		{"1 MB token", []string{"Bearer " + good + strings.Repeat("A", 1<<20)}, 401, oidc.ReasonMalformed},
		{"token of 17 KB, whole", bearer(sign.token(map[string]any{"padding": strings.Repeat("x", 17<<10)})), 401, oidc.ReasonMalformed},
	}
}

func badAlgorithms(google signer) []matrixCase {
	text := func(alg string) string {
		return part(google.header(map[string]any{"alg": alg})) + "." + part(goodClaims(nil))
	}
	rsaSigned := func(alg string) []string {
		return bearer(google.sign(google.header(map[string]any{"alg": alg}), goodClaims(nil)))
	}
	hs256 := func(secret []byte) []string {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text("HS256")))
		return bearer(text("HS256") + "." + part(mac.Sum(nil)))
	}
	spki, err := x509.MarshalPKIXPublicKey(&google.key.PublicKey)
	if err != nil {
		panic(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256([]byte(text("ES256")))
	r, s, err := ecdsa.Sign(rand.Reader, curve, sum[:])
	if err != nil {
		panic(err)
	}
	es256 := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	sum512 := sha512.Sum512([]byte(text("RS512")))
	rs512, err := rsa.SignPKCS1v15(nil, google.key, crypto.SHA512, sum512[:])
	if err != nil {
		panic(err)
	}
	sum = sha256.Sum256([]byte(text("PS256")))
	ps256, err := rsa.SignPSS(rand.Reader, google.key, crypto.SHA256, sum[:], nil)
	if err != nil {
		panic(err)
	}
	return []matrixCase{
		{"alg none, no signature", bearer(text("none") + "."), 401, oidc.ReasonMalformed},
		{"alg none, a good signature", rsaSigned("none"), 401, oidc.ReasonAlgorithm},
		{"alg nOnE", rsaSigned("nOnE"), 401, oidc.ReasonAlgorithm},
		{"alg empty", rsaSigned(""), 401, oidc.ReasonAlgorithm},
		{"alg missing", bearer(google.sign(google.header(map[string]any{"alg": nil}), goodClaims(nil))), 401, oidc.ReasonAlgorithm},
		{"alg in small letters", rsaSigned("rs256"), 401, oidc.ReasonAlgorithm},
		{"alg twice", bearer(google.sign([]byte(`{"alg":"none","alg":"RS256","kid":"key-1"}`), goodClaims(nil))), 401, oidc.ReasonMalformed},
		{"alg and ALG", bearer(google.sign([]byte(`{"alg":"none","ALG":"RS256","kid":"key-1"}`), goodClaims(nil))), 401, oidc.ReasonAlgorithm},
		{"alg of another type", bearer(google.sign(google.header(map[string]any{"alg": []string{"RS256"}}), goodClaims(nil))), 401, oidc.ReasonAlgorithm},
		{"HS256 with the public key as secret, PEM", hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), 401, oidc.ReasonAlgorithm},
		{"HS256 with the public key as secret, DER", hs256(spki), 401, oidc.ReasonAlgorithm},
		{"HS256 with the public key as secret, modulus", hs256(google.key.N.Bytes()), 401, oidc.ReasonAlgorithm},
		{"ES256", bearer(text("ES256") + "." + part(es256)), 401, oidc.ReasonAlgorithm},
		{"ES256 with a short signature", bearer(text("ES256") + ".AAAA"), 401, oidc.ReasonAlgorithm},
		{"RS512 with the right key", bearer(text("RS512") + "." + part(rs512)), 401, oidc.ReasonAlgorithm},
		{"PS256 with the right key", bearer(text("PS256") + "." + part(ps256)), 401, oidc.ReasonAlgorithm},
		{"PS256's signature called RS256", bearer(text("RS256") + "." + part(ps256)), 401, oidc.ReasonSignature},
	}
}

func badKeys(google, stranger signer, trap string) []matrixCase {
	header := func(by signer, name string, value any) []string {
		return bearer(by.sign(google.header(map[string]any{name: value}), goodClaims(nil)))
	}
	return []matrixCase{
		{"another key under the same id", bearer(stranger.token(nil)), 401, oidc.ReasonSignature},
		{"a key that does not exist", header(google, "kid", "key-9"), 401, oidc.ReasonKey},
		{"a key id that would split a log line", header(google, "kid", "key\nlevel=INFO msg=\"all is well\""), 401, oidc.ReasonKey},
		{"a key id like a path", header(google, "kid", "../../dev/null"), 401, oidc.ReasonKey},
		{"kid missing", header(google, "kid", nil), 401, oidc.ReasonMalformed},
		{"kid empty", header(google, "kid", ""), 401, oidc.ReasonMalformed},
		{"kid null", bearer(google.sign([]byte(`{"alg":"RS256","kid":null}`), goodClaims(nil))), 401, oidc.ReasonMalformed},
		{"kid a number", header(google, "kid", 1), 401, oidc.ReasonMalformed},
		{"jwk: it brings the stranger's key", header(stranger, "jwk", stranger.jwk()), 401, oidc.ReasonMalformed},
		{"jwk, and the right signature", header(google, "jwk", google.jwk()), 401, oidc.ReasonMalformed},
		{"jku pointing elsewhere", header(stranger, "jku", trap), 401, oidc.ReasonMalformed},
		{"jku, and the right signature", header(google, "jku", trap), 401, oidc.ReasonMalformed},
		{"x5u pointing elsewhere", header(stranger, "x5u", trap), 401, oidc.ReasonMalformed},
		{"x5c that is none", header(google, "x5c", []string{"AAAA"}), 401, oidc.ReasonMalformed},
		{"crit header", header(google, "crit", []string{"exp"}), 401, oidc.ReasonMalformed},
		{"crit header that the library knows", bearer(google.sign(google.header(map[string]any{"crit": []string{"b64"}, "b64": true}), goodClaims(nil))), 401, oidc.ReasonMalformed},
		{"b64 header", header(google, "b64", false), 401, oidc.ReasonMalformed},
		{"typ of another kind", header(google, "typ", "at+jwt"), 401, oidc.ReasonMalformed},
		{"typ of another type", header(google, "typ", []string{"JWT"}), 401, oidc.ReasonMalformed},
	}
}

func badShapes(google signer) []matrixCase {
	good := google.token(nil)
	parts := strings.Split(good, ".")
	head, claims, signature := parts[0], parts[1], parts[2]
	evil := part(goodClaims(map[string]any{"email": "eve@example.com", "aud": audience}))
	lastBit := func(s string) string { // the same bytes, written otherwise
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])|1])
	}
	odd := mustJSON(goodClaims(nil))
	for len(odd)%3 == 0 { // a length with no bits to spare
		odd = append(odd, ' ')
	}
	return []matrixCase{
		{"no token at all", bearer("open sesame"), 401, oidc.ReasonMalformed},
		{"tampered payload", bearer(head + "." + evil + "." + signature), 401, oidc.ReasonSignature},
		{"tampered header", bearer(part(map[string]any{"alg": "RS256", "kid": "key-1", "typ": "JWT", "x": 1}) + "." + claims + "." + signature), 401, oidc.ReasonSignature},
		{"tampered signature", bearer(head + "." + claims + "." + "AAAA" + signature[4:]), 401, oidc.ReasonSignature},
		{"truncated by a letter", bearer(good[:len(good)-1]), 401, oidc.ReasonMalformed},
		{"truncated by two bytes", bearer(good[:len(good)-2]), 401, oidc.ReasonSignature},
		{"truncated at the signature", bearer(head + "." + claims + "."), 401, oidc.ReasonMalformed},
		{"truncated to two parts", bearer(head + "." + claims), 401, oidc.ReasonMalformed},
		{"truncated to one part", bearer(head), 401, oidc.ReasonMalformed},
		{"two dots", bearer(".."), 401, oidc.ReasonMalformed},
		{"padded", bearer(good + "="), 401, oidc.ReasonMalformed},
		{"in base64 of the other alphabet", bearer(strings.ReplaceAll(good, "_", "/") + "+"), 401, oidc.ReasonMalformed},
		{"payload with bits to spare", bearer(lastBitOf(google, part(odd), lastBit)), 401, oidc.ReasonMalformed},
		{"signature with bits to spare", bearer(head + "." + claims + "." + lastBit(signature)), 401, oidc.ReasonMalformed},
		{"encrypted: five parts", bearer(head + "." + claims + "." + signature + ".AAAA.AAAA"), 401, oidc.ReasonMalformed},
		{"nested: a token in a token", bearer(google.sign(google.header(map[string]any{"cty": "JWT"}), []byte(good))), 401, oidc.ReasonMalformed},
		{"in the JSON form", []string{`Bearer {"protected":"` + head + `","payload":"` + claims + `","signature":"` + signature + `"}`}, 401, oidc.ReasonMalformed},
		{"header null", bearer(google.sign([]byte("null"), goodClaims(nil))), 401, oidc.ReasonMalformed},
		{"header a list", bearer(google.sign([]byte("[]"), goodClaims(nil))), 401, oidc.ReasonMalformed},
		{"the signature that Cloud Run leaves", bearer(head + "." + claims + ".SIGNATURE_REMOVED_BY_GOOGLE"), 401, oidc.ReasonSignature},
	}
}

// lastBitOf signs a payload and then writes it otherwise.
func lastBitOf(google signer, payload string, change func(string) string) string {
	text := part(google.header(nil)) + "." + payload
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, google.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return part(google.header(nil)) + "." + change(payload) + "." + part(signature)
}

func badClaims(sign signing) []matrixCase {
	with := func(name string, value any) []string { return bearer(sign.token(map[string]any{name: value})) }
	raw := func(text string) []string { return bearer(sign(google().header(nil), []byte(text))) }
	// extended is a good set with text before its end.
	extended := func(text string) []string {
		good := string(mustJSON(goodClaims(nil)))
		return raw(good[:len(good)-1] + text + "}")
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	return []matrixCase{
		{"expired", with("exp", in(-time.Minute)), 401, oidc.ReasonExpired},
		{"exp missing", with("exp", nil), 401, oidc.ReasonMalformed},
		{"exp 0", with("exp", 0), 401, oidc.ReasonMalformed},
		{"exp beyond all time", with("exp", uint64(1<<63-1)), 401, oidc.ReasonMalformed},
		{"exp a number too large", raw(`{"exp":1e400}`), 401, oidc.ReasonMalformed},
		{"exp as text", with("exp", "4102444800"), 401, oidc.ReasonMalformed},
		{"exp null", raw(`{"exp":null}`), 401, oidc.ReasonMalformed},
		{"exp below 0", with("exp", -1.5), 401, oidc.ReasonMalformed},
		{"exp that is no number", raw(`{"exp":NaN}`), 401, oidc.ReasonMalformed},
		{"expired by a fraction of a second", with("exp", float64(in(-time.Minute))+0.5), 401, oidc.ReasonExpired},
		{"not yet valid: nbf", with("nbf", in(time.Minute)), 401, oidc.ReasonEarly},
		{"nbf is no time", with("nbf", -5), 401, oidc.ReasonMalformed},
		{"not yet valid: iat", with("iat", in(time.Minute)), 401, oidc.ReasonEarly},
		{"not yet valid: iat, in a fraction of a second", with("iat", float64(in(time.Minute))+0.5), 401, oidc.ReasonEarly},
		{"nbf as text", with("nbf", "1732415400"), 401, oidc.ReasonMalformed},
		{"nbf null", extended(`,"nbf":null`), 401, oidc.ReasonMalformed},
		{"iat as text", with("iat", "1732415400"), 401, oidc.ReasonMalformed},
		{"iat true", with("iat", true), 401, oidc.ReasonMalformed},
		{"iat a list", with("iat", []int{1732415400}), 401, oidc.ReasonMalformed},
		{"iat null", raw(`{"iat":null}`), 401, oidc.ReasonMalformed},
		{"iat 0", with("iat", 0), 401, oidc.ReasonMalformed},
		{"iat a number too large", raw(`{"iat":1e400}`), 401, oidc.ReasonMalformed},
		{"another audience", with("aud", "https://other.example.com"), 401, oidc.ReasonAudience},
		{"the audience with a path", with("aud", audience+"/_tasks"), 401, oidc.ReasonAudience},
		{"the audience with a slash", with("aud", audience+"/"), 401, oidc.ReasonAudience},
		{"the audience in other letters", with("aud", strings.ToUpper(audience)), 401, oidc.ReasonAudience},
		{"no audience", with("aud", nil), 401, oidc.ReasonAudience},
		{"audience empty", with("aud", ""), 401, oidc.ReasonAudience},
		{"audience null", raw(`{"iss":"accounts.google.com","aud":null}`), 401, oidc.ReasonAudience},
		{"audience a list", with("aud", []string{audience}), 401, oidc.ReasonMalformed},
		{"audience a list of two", with("aud", []string{audience, "https://other.example.com"}), 401, oidc.ReasonMalformed},
		{"audience a number", with("aud", 7), 401, oidc.ReasonMalformed},
		{"another issuer", with("iss", "https://issuer.example.com"), 401, oidc.ReasonIssuer},
		{"issuer by http", with("iss", "http://accounts.google.com"), 401, oidc.ReasonIssuer},
		{"issuer with a slash", with("iss", "https://accounts.google.com/"), 401, oidc.ReasonIssuer},
		{"issuer that goes on", with("iss", "https://accounts.google.com.evil.example"), 401, oidc.ReasonIssuer},
		{"no issuer", with("iss", nil), 401, oidc.ReasonIssuer},
		{"issuer a list", with("iss", []string{"accounts.google.com"}), 401, oidc.ReasonMalformed},
		{"unverified email", with("email_verified", false), 401, oidc.ReasonUnverified},
		{"email verified by a word", with("email_verified", "true"), 401, oidc.ReasonMalformed},
		{"email verified by a number", with("email_verified", 1), 401, oidc.ReasonMalformed},
		{"email verified by null", raw(`{"email_verified":null}`), 401, oidc.ReasonIssuer},
		{"nothing said of the email", with("email_verified", nil), 401, oidc.ReasonUnverified},
		{"no email", with("email", nil), 401, oidc.ReasonUnverified},
		{"email a list", with("email", []string{account}), 401, oidc.ReasonMalformed},
		{"other account", with("email", "eve@my-project.iam.gserviceaccount.com"), 403, oidc.ReasonAccount},
		{"the account in other letters", with("email", strings.ToUpper(account)), 403, oidc.ReasonAccount},
		{"the account with a space", with("email", account+" "), 403, oidc.ReasonAccount},
		{"an account that would split a log line", with("email", "eve@example.com\nlevel=INFO"), 403, oidc.ReasonAccount},
		{"email in another spelling of the name", bearer(sign.token(map[string]any{"email": nil, "Email": account})), 401, oidc.ReasonUnverified},
		{"duplicate claims: email", extended(`,"email":"` + account + `"`), 401, oidc.ReasonMalformed},
		{"duplicate claims: aud", extended(`,"aud":"https://other.example.com"`), 401, oidc.ReasonMalformed},
		{"duplicate claims: one that does not matter", extended(`,"x":1,"x":2`), 401, oidc.ReasonMalformed},
		{"claims null", raw("null"), 401, oidc.ReasonIssuer},
		{"claims a list", raw("[]"), 401, oidc.ReasonMalformed},
		{"claims a number", raw("7"), 401, oidc.ReasonMalformed},
		{"claims and something behind", raw(string(mustJSON(goodClaims(nil))) + "{}"), 401, oidc.ReasonMalformed},
		{"claims that are no UTF-8", extended(",\"x\":\"\xff\""), 401, oidc.ReasonMalformed},
		{"claims with a NUL", extended(",\"x\":\"\x00\""), 401, oidc.ReasonMalformed},
	}
}

// doubtfulClaims are good by our rules, and not by those of the library.
func doubtfulClaims(google signer) []matrixCase {
	with := func(name string, value any) []string { return bearer(google.token(map[string]any{name: value})) }
	return []matrixCase{
		{"claims that the library doubts", with("sub", 7), 401, oidc.ReasonMalformed},
		{"claims of claims", with("_claim_names", map[string]string{"email": "x"}), 401, oidc.ReasonMalformed},
	}
}

func TestTokenMatrix_ServerAsItComes_RefusesHugeHeaderItself(t *testing.T) {
	server := newKeyServer(serves(google()))
	e := newEndpoint(t, newAuth(t, server.client()))
	e.serve(t, 0)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { // the server hangs up before it has read all
		_, _ = io.WriteString(conn, "POST /_tasks/tasks/Welcome HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+strings.Repeat("A", 2<<20)+"\r\n\r\n")
	}()
	answer := make([]byte, len("HTTP/1.1 431"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 431" || e.runs.Load() != 0 {
		t.Errorf("answered with %q, %v and ran %d tasks", answer, err, e.runs.Load())
	}
}
