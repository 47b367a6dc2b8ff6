package oidc_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

const (
	audience = "https://shop.example.com"
	account  = "tasks@my-project.iam.gserviceaccount.com"
)

// signer holds a key, and signs whatever it is told to.
type signer struct {
	key *rsa.PrivateKey
	id  string
}

// Making keys takes long, and no test changes one.
var keys = sync.OnceValue(func() (made [4]*rsa.PrivateKey) {
	for i := range made {
		made[i] = makeKey(2048)
	}
	return made
})

func makeKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func google() signer   { return signer{keys()[0], "key-1"} }
func rotated() signer  { return signer{keys()[1], "key-2"} }
func third() signer    { return signer{keys()[3], "key-3"} }
func stranger() signer { return signer{keys()[2], "key-1"} } // who names Google's key

// goodClaims are those of a token as Cloud Tasks carries it, with some replaced; nil leaves one out.
func goodClaims(replaced map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": "https://accounts.google.com", "aud": audience, "email": account, "email_verified": true,
		"sub": "112233445566778899001", "azp": "112233445566778899001", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(c, replaced)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (s signer) header(replaced map[string]any) map[string]any {
	h := map[string]any{"alg": "RS256", "kid": s.id, "typ": "JWT"}
	maps.Copy(h, replaced)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return h
}

// part encodes a value as JSON, a text as it is.
func part(v any) string {
	b, ok := v.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(v); err != nil {
			panic(err)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// sign signs by RS256, whatever the header says.
func (s signer) sign(header, claims any) string {
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + part(signature)
}

// token is a good one with some claims replaced.
func (s signer) token(replaced map[string]any) string {
	return s.sign(s.header(nil), goodClaims(replaced))
}

// jwk is the public key.
func (s signer) jwk() map[string]any {
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": s.id, "n": number(s.key.N), "e": number(big.NewInt(int64(s.key.E)))}
}

// jwks is a set of keys.
func jwks(set ...map[string]any) string {
	b, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// keyServer answers for the key server, without a network.
type keyServer struct {
	mu     sync.Mutex
	asked  int
	urls   []string
	answer func(*http.Request) (*http.Response, error)
}

func newKeyServer(answer func(*http.Request) (*http.Response, error)) *keyServer {
	return &keyServer{answer: answer}
}

// serves answers with the keys of signers.
func serves(signers ...signer) func(*http.Request) (*http.Response, error) {
	var set []map[string]any
	for _, s := range signers {
		set = append(set, s.jwk())
	}
	return says(http.StatusOK, jwks(set...), "Cache-Control", "public, max-age=3600")
}

// says answers with a text; header holds names and values in turn.
func says(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Add(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

// late answers after a time, unless the request ends before.
func late(after time.Duration, answer func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(after):
			return answer(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	s.urls = append(s.urls, r.URL.String())
	answer := s.answer
	s.mu.Unlock()
	return answer(r)
}

func (s *keyServer) set(answer func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *keyServer) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *keyServer) client() oidc.Option { return oidc.HTTPClient(&http.Client{Transport: s}) }

// newAuth makes an Authenticator for audience and account.
func newAuth(t testing.TB, opts ...oidc.Option) *oidc.Authenticator {
	t.Helper()
	auth, err := oidc.New(append([]oidc.Option{oidc.Audience(audience), oidc.ServiceAccount(account), oidc.Logger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// request carries values of Authorization.
func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/_tasks/tasks/Welcome", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

// reasonOf is why a request was refused, "" where it was not.
func reasonOf(t testing.TB, err error) oidc.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		t.Fatalf("%v is no *oidc.Error", err)
	}
	return refused.Reason
}

// mustLetIn and mustRefuse try a token.
func mustLetIn(t testing.TB, auth *oidc.Authenticator, token string) {
	t.Helper()
	if err := auth.Authenticate(request("Bearer " + token)); err != nil {
		t.Errorf("a good token was refused: %v", err)
	}
}

func mustRefuse(t testing.TB, auth *oidc.Authenticator, token string, want oidc.Reason) {
	t.Helper()
	if got := reasonOf(t, auth.Authenticate(request("Bearer "+token))); got != want {
		t.Errorf("refused for %q, want %q", got, want)
	}
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) taken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
