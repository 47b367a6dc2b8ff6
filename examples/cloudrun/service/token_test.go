package service_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

const (
	account  = "shop-tasks@shop-project.iam.gserviceaccount.com"
	audience = "https://shop.example.com"
	endpoint = audience + "/_tasks"
)

// issuer stands in for Google: it signs tokens, and serves the key that verifies them.
type issuer struct {
	t     *testing.T
	key   *rsa.PrivateKey
	url   string       // of the keys
	asked atomic.Int64 // how often for the keys
}

const keyID = "key-1"

func newIssuer(t *testing.T) *issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key}
	certs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		w.Header().Set("Cache-Control", "max-age=3600")
		number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": keyID, "n": number(key.N), "e": number(big.NewInt(int64(key.E))),
		}}})
	}))
	t.Cleanup(certs.Close)
	i.url = certs.URL
	return i
}

// claims are those of a token as Cloud Tasks makes it, with some replaced.
func claims(replaced map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": "https://accounts.google.com", "aud": audience, "email": account, "email_verified": true,
		"sub": "117", "azp": "117", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(c, replaced)
	return c
}

// unsigned is a token up to its signature. What it is made of need not make sense.
func (i *issuer) unsigned(header, claims any) string {
	i.t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			i.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims)
}

// sign signs a token by RS256, whatever its header says.
func (i *issuer) sign(token string) string {
	i.t.Helper()
	sum := sha256.Sum256([]byte(token))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Fatal(err)
	}
	return token + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// token is a good one, with some claims replaced.
func (i *issuer) token(replaced map[string]any) string {
	i.t.Helper()
	return i.sign(i.unsigned(rs256(), claims(replaced)))
}

func rs256() map[string]any { return header("RS256") }

func header(alg string) map[string]any {
	return map[string]any{"alg": alg, "typ": "JWT", "kid": keyID}
}
