package oidc_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

// BenchmarkAuthenticate checks tokens with keys that are there: one that was seen before, ever new ones; and beside them
// the library alone, which checks less, and RSA alone.
func BenchmarkAuthenticate(b *testing.B) {
	google := google()
	server := newKeyServer(serves(google))
	auth := newAuth(b, server.client())
	tokens := make([]string, 2048) // more than are remembered
	for i := range tokens {
		tokens[i] = google.token(map[string]any{"n": i})
	}
	r := request()
	b.Run("seen", func(b *testing.B) {
		b.ReportAllocs()
		r.Header["Authorization"] = bearer(tokens[0])
		for b.Loop() {
			if err := auth.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		auth := newAuth(b, server.client()) // which knows no token
		mustLetIn(b, auth, google.token(nil))
		for i := 0; b.Loop(); i++ {
			r.Header["Authorization"] = bearer(tokens[i%len(tokens)])
			if err := auth.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		keys := &gooidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&google.key.PublicKey}}
		v := gooidc.NewVerifier("https://accounts.google.com", keys, &gooidc.Config{ClientID: audience})
		for b.Loop() {
			if _, err := v.Verify(b.Context(), tokens[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rsa", func(b *testing.B) {
		b.ReportAllocs()
		sum := sha256.Sum256([]byte("a text"))
		signature, err := rsa.SignPKCS1v15(nil, google.key, crypto.SHA256, sum[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&google.key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkServeHTTP is a push from request to answer, without an authenticator and with one, the token seen before.
func BenchmarkServeHTTP(b *testing.B) {
	google := google()
	server := newKeyServer(serves(google))
	unverified, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), oidc.ServiceAccount(account))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		auth        tasks.Authenticator
	}{
		{"open", google.token(nil), nil},
		{"authenticated", google.token(nil), newAuth(b, server.client())},
		{"behind_cloud_run", strings.TrimPrefix(handOn(mustJSON(goodClaims(nil))), "Bearer "), unverified},
	} {
		b.Run(c.name, func(b *testing.B) {
			app, err := tasks.NewApp(tasks.Config{Transport: memory.New(), Endpoint: audience + "/_tasks", Authenticator: c.auth})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = app.Shutdown(context.Background()) }()
			if err := app.Register(tasks.New(func(context.Context, welcome) error { return nil }, tasks.WithName("Welcome"))); err != nil {
				b.Fatal(err)
			}
			body := strings.NewReader("")
			r := httptest.NewRequest(http.MethodPost, "/_tasks/tasks/Welcome", body)
			r.Header["Authorization"] = bearer(c.token)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(`{"user_id":7}`)
				w.Body.Reset()
				app.ServeHTTP(w, r)
			}
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "executed") {
				b.Fatalf("answered with %d: %s", w.Code, w.Body)
			}
		})
	}
}
