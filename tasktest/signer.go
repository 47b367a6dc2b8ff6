package tasktest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Signer signs tokens like those that Google's platform puts on deliveries, for tests of an endpoint that checks them.
// Each has a key of its own: a token of another Signer's is one of a stranger. It is made by [NewSigner], and is safe
// for concurrent use.
//
//	signer := tasktest.NewSigner(t)
//	auth, err := oidc.New(oidc.Audience(audience), oidc.ServiceAccount(email), oidc.HTTPClient(signer.Client()))
//	rec := tasktest.NewWith(t, tasks.Config{Endpoint: audience + "/_tasks", Authenticator: auth}, SendWelcome)
//	token := signer.Token(tasktest.Claims{Audience: audience, Email: email})
//	res := tasktest.Run(t, SendWelcome, Welcome{}, tasktest.With(rec), tasktest.WithToken(token)) // or Deliver, of a message
type Signer struct {
	t   testing.TB
	key *rsa.PrivateKey
	id  string
}

// signerKeyBits is what Google's keys have.
const signerKeyBits = 2048

// NewSigner makes a signer with a new key, which takes some tenths of a second: make one for all the cases of a table.
// [Signer] shows it at work.
func NewSigner(t testing.TB) *Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, signerKeyBits)
	if err != nil {
		t.Fatalf("tasktest: the signer's key: %v", err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	return &Signer{t: t, key: key, id: hex.EncodeToString(sum[:20])}
}

// Claims are what a token says. Those left out are what Google's would say, but for Audience and Email, which the
// endpoint has a list of.
type Claims struct {
	Audience   string    // aud: whom the token is made for, such as "https://shop.example.com"
	Email      string    // email: of the service account that calls
	Unverified bool      // email_verified is false
	Issuer     string    // iss. Default: "https://accounts.google.com"
	IssuedAt   time.Time // iat. Default: now
	Expires    time.Time // exp. Default: an hour after IssuedAt

	Other map[string]any // further claims, or others in place of those above, of any type; nil leaves a claim out
}

// Token signs c by RS256.
func (s *Signer) Token(c Claims) string {
	s.t.Helper()
	if c.IssuedAt.IsZero() {
		c.IssuedAt = time.Now()
	}
	if c.Expires.IsZero() {
		c.Expires = c.IssuedAt.Add(time.Hour)
	}
	all := map[string]any{
		"iss": or(c.Issuer, "https://accounts.google.com"), "aud": c.Audience, "sub": "112233445566778899001", "azp": "112233445566778899001",
		"email": c.Email, "email_verified": !c.Unverified, "iat": c.IssuedAt.Unix(), "exp": c.Expires.Unix(),
	}
	maps.Copy(all, c.Other)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })

	text := s.part(map[string]string{"alg": "RS256", "kid": s.id, "typ": "JWT"}) + "." + s.part(all)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		s.t.Fatalf("tasktest: sign a token: %v", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (s *Signer) part(v any) string {
	s.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatalf("tasktest: Claims.Other does not encode: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Client is an HTTP client for oidc.HTTPClient. Without a network, it finds the signer's key at any address.
func (s *Signer) Client() *http.Client { return &http.Client{Transport: signerTransport{s}} }

// ServeHTTP answers with the signer's key as a JWK set, as Google's key server does: for oidc.KeysURL, where what is
// tested is a process of its own.
func (s *Signer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": s.id, "n": number(s.key.N), "e": number(big.NewInt(int64(s.key.E))),
	}}}) // the reader may have gone
}

type signerTransport struct{ *Signer }

// RoundTrip answers in place of a server.
func (s signerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
		return nil, errors.New("tasktest: a signer's client fetches keys, and sends nothing")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

// WithToken makes the delivery of a task or of a message carry a token, as one of [Signer.Token], in its Authorization header.
func WithToken(token string) RunOption { return WithHeader("Authorization", "Bearer "+token) }
