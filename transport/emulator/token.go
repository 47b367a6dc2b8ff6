package emulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// issuer is who makes the tokens of Google's service accounts, and says so of ours.
const issuer = "https://accounts.google.com"

const (
	tokenLifetime = time.Hour
	tokenReuse    = 5 * time.Minute // a task carries a token no older than that
	mostTokens    = 1000            // kept for reuse
	keyBits       = 2048
	keyPrefix     = "emulator-" // of key ids: verifiers in package oidc know by it what they lack
)

// tokens makes the tokens that tasks, pushes and jobs carry. Its key is made when the first is needed.
type tokens struct {
	now   func() time.Time
	store *store
	log   *slog.Logger

	served   atomic.Bool // there is a handler for the key
	unserved sync.Once   // to tell that there was none

	mu    sync.Mutex
	key   *signingKey
	known map[tokenFor]madeToken
}

type tokenFor struct {
	kind         authKind
	email, scope string
}

type madeToken struct {
	text string
	made time.Time
}

// signingKey is a private key with its id.
type signingKey struct {
	*rsa.PrivateKey
	id  string
	der []byte
}

func newTokens(now func() time.Time, s *store, log *slog.Logger) *tokens {
	return &tokens{now: now, store: s, log: log, known: make(map[tokenFor]madeToken)}
}

// token returns the value of an Authorization header, without "Bearer ".
func (t *tokens) token(kind authKind, email, scope string) (string, error) {
	text, err := t.text(kind, email, scope)
	if err == nil && kind == oidcAuth && !t.served.Load() {
		t.unserved.Do(func() {
			t.log.Info("nothing serves the key of the OIDC tokens: a service that verifies them answers 401", "account", email, "audience", scope,
				"help", "tasks-emulator -http-port 8124, or Emulator.Handler; its URL is for oidc.KeysURL in the service")
		})
	}
	return text, err
}

func (t *tokens) text(kind authKind, email, scope string) (string, error) {
	what := tokenFor{kind, email, scope}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if made, ok := t.known[what]; ok && now.Sub(made.made) < tokenReuse {
		return made.text, nil
	}
	text := "ya29.c." + rand.Text() + rand.Text() // opaque, as an access token is
	if kind == oidcAuth {
		var err error
		if text, err = t.identity(email, scope, now); err != nil {
			return "", err
		}
	}
	if len(t.known) == mostTokens {
		clear(t.known)
	}
	t.known[what] = madeToken{text, now}
	return text, nil
}

// identity makes a token that says that email is calling audience. t.mu is held.
func (t *tokens) identity(email, audience string, now time.Time) (string, error) {
	key, err := t.signingKey()
	if err != nil {
		return "", err
	}
	subject := accountID(email)
	head, err := encodePart(map[string]any{"alg": "RS256", "kid": key.id, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := encodePart(map[string]any{
		"iss": issuer, "aud": audience, "sub": subject, "azp": subject, "email": email, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(head + "." + claims))
	signature, err := rsa.SignPKCS1v15(nil, key.PrivateKey, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return head + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encodePart(v map[string]any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// accountID is the number of a service account: 21 digits, the same for the same account.
func accountID(email string) string {
	sum := sha256.Sum256([]byte(email))
	n := binary.BigEndian.Uint64(sum[:])
	digits := fmt.Sprintf("%020d", n)
	return "1" + digits
}

// public returns the key that tokens are verified with.
func (t *tokens) public() (*signingKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signingKey()
}

// signingKey returns the key, which it makes the first time. t.mu is held.
func (t *tokens) signingKey() (*signingKey, error) {
	if t.key != nil {
		return t.key, nil
	}
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make a key for tokens: %w", err)
	}
	if t.key, err = newSigningKey(private); err != nil {
		return nil, err
	}
	t.store.append(append(newRecord(keyRecord), t.key.der...))
	return t.key, nil
}

func newSigningKey(private *rsa.PrivateKey) (*signingKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make a key for tokens: %w", err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	return &signingKey{private, keyPrefix + hex.EncodeToString(sum[:20]), der}, nil
}

// restore takes over the key of a data file, so that verifiers which remember it go on.
func (t *tokens) restore(der []byte) error {
	if len(der) == 0 {
		return nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return fmt.Errorf("the key for tokens in the data file: %w", errRecord)
	}
	t.key, err = newSigningKey(private)
	return err
}

// savedKey is the key for the data file, nil if there is none yet.
func (t *tokens) savedKey() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key == nil {
		return nil
	}
	return t.key.der
}
