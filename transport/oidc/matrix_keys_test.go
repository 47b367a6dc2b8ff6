package oidc_test

import (
	"crypto/rsa"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

// trouble is what can be wrong with a key server.
func trouble() map[string]func(*http.Request) (*http.Response, error) {
	small, other := signer{smallKey(), "key-1"}, google().jwk()
	change := func(name string, value any) map[string]any {
		k := google().jwk()
		k[name] = value
		return k
	}
	delete(other, "kid")
	broken := func(body io.Reader) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
		}
	}
	return map[string]func(*http.Request) (*http.Response, error){
		"down":                   down,
		"slow":                   late(time.Hour, serves(google())),
		"broken off":             broken(iotest.ErrReader(io.ErrUnexpectedEOF)),
		"panics":                 func(*http.Request) (*http.Response, error) { panic("a client of somebody's") },
		"500":                    says(http.StatusInternalServerError, jwks(google().jwk())),
		"404":                    says(http.StatusNotFound, "not found"),
		"204":                    says(http.StatusNoContent, ""),
		"redirect to elsewhere":  says(http.StatusFound, "", "Location", "https://evil.example.com/certs"),
		"redirect with keys":     says(http.StatusMovedPermanently, jwks(stranger().jwk()), "Location", "/certs"),
		"nothing":                says(http.StatusOK, ""),
		"garbage":                says(http.StatusOK, "\x00\x01\x02"),
		"HTML":                   says(http.StatusOK, "<html><body>Sign in to the network</body></html>", "Content-Type", "text/html"),
		"null":                   says(http.StatusOK, "null"),
		"a list":                 says(http.StatusOK, "[]"),
		"an empty set":           says(http.StatusOK, `{"keys":[]}`),
		"a set of nothing":       says(http.StatusOK, `{"keys":[null, 7, "x", {}]}`),
		"an error in JSON":       says(http.StatusOK, `{"error":{"code":503}}`),
		"cut off":                says(http.StatusOK, jwks(google().jwk())[:200]),
		"gigantic":               says(http.StatusOK, jwks(google().jwk())+strings.Repeat(" ", 2<<20)),
		"endless":                broken(endless{}),
		"a key of 1024 bits":     says(http.StatusOK, jwks(small.jwk())),
		"a key of 16384 bits":    says(http.StatusOK, jwks(change("n", part(append([]byte{0x80}, make([]byte, 2047)...))))),
		"a key without id":       says(http.StatusOK, jwks(other)),
		"a key to encrypt with":  says(http.StatusOK, jwks(change("use", "enc"))),
		"a key of RS512":         says(http.StatusOK, jwks(change("alg", "RS512"))),
		"a private key":          says(http.StatusOK, jwks(change("d", part([]byte{1})))),
		"a key without modulus":  says(http.StatusOK, jwks(change("n", nil))),
		"a curve":                says(http.StatusOK, `{"keys":[{"kty":"EC","crv":"P-256","kid":"key-1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`),
		"a secret":               says(http.StatusOK, jwks(map[string]any{"kty": "oct", "kid": "key-1", "k": part([]byte("secret"))})),
		"an unheard-of key type": says(http.StatusOK, jwks(map[string]any{"kty": "XYZ", "kid": "key-1"})),
	}
}

var smallKey = sync.OnceValue(func() *rsa.PrivateKey { return makeKey(1024) })

// endless never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	return copy(b, strings.Repeat(" ", 32<<10)), nil
}

func TestTokenMatrix_KeyServerInTroubleAtFirst_NobodyIsLetIn_AndThenAgain(t *testing.T) {
	for name, answer := range trouble() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, l := newKeyServer(answer), &logs{}
				e := newEndpoint(t, newAuth(t, server.client(), oidc.Logger(l.logger())))
				began := time.Now()
				e.mustRefuse(t, google().token(nil), oidc.ReasonNoKeys)
				e.mustRefuse(t, google().token(nil), oidc.ReasonNoKeys)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				synctest.Wait()
				if said := l.taken(); strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "nobody is let in") {
					t.Errorf("logged %s", said)
				}
				server.set(serves(google()))
				time.Sleep(time.Second)
				e.mustRun(t, google().token(nil))
				synctest.Wait()
				if said := l.taken(); !strings.Contains(said, "level=INFO") || !strings.Contains(said, "fetched again") {
					t.Errorf("logged %s", said)
				}
				if n := server.times(); n != 2 {
					t.Errorf("%d fetches, want 2", n)
				}
			})
		})
	}
}

func TestTokenMatrix_KeyServerInTroubleLater_OldKeysServeForADay(t *testing.T) {
	for name, answer := range trouble() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, l := newKeyServer(serves(google())), &logs{}
				e := newEndpoint(t, newAuth(t, server.client(), oidc.Logger(l.logger())))
				e.mustRun(t, google().token(nil))
				server.set(answer)
				time.Sleep(time.Hour) // max-age
				for range 24 {
					began := time.Now()
					e.mustRun(t, google().token(nil))
					e.mustRefuse(t, stranger().token(nil), oidc.ReasonSignature)
					if took := time.Since(began); took != 0 {
						t.Errorf("a good token waited for %s", took)
					}
					time.Sleep(time.Hour - time.Second)
					e.mustRun(t, google().token(nil))
					time.Sleep(time.Second)
				}
				if said := l.taken(); !strings.Contains(said, "level=WARN") || strings.Contains(said, "level=ERROR") {
					t.Errorf("logged %s", said)
				}
				e.mustRefuse(t, google().token(nil), oidc.ReasonNoKeys)
				server.set(serves(google()))
				time.Sleep(30 * time.Second)
				e.mustRun(t, google().token(nil))
			})
		})
	}
}

func TestTokenMatrix_KeyServerLying_SignsForNobodyElse(t *testing.T) {
	e := newEndpoint(t, newAuth(t, newKeyServer(serves(stranger())).client()))
	e.mustRefuse(t, google().token(nil), oidc.ReasonSignature)
	e.mustRefuse(t, rotated().token(nil), oidc.ReasonKey)
}

func TestTokenMatrix_KeysRotatedAtOnce_AndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		e := newEndpoint(t, newAuth(t, server.client()))
		e.mustRun(t, google().token(nil))
		server.set(serves(rotated(), google()))
		e.mustRun(t, rotated().token(nil))
		e.mustRun(t, google().token(nil))
		server.set(serves(third(), rotated()))
		e.mustRun(t, third().token(nil))
		e.mustRefuse(t, google().token(nil), oidc.ReasonKey)
		if n := server.times(); n != 1+3 {
			t.Errorf("%d fetches, want one at first and one for each key that was not there", n)
		}
		server.set(serves(google(), third(), rotated()))
		time.Sleep(10*time.Second - time.Nanosecond)
		e.mustRefuse(t, google().token(nil), oidc.ReasonKey)
		time.Sleep(time.Nanosecond)
		e.mustRun(t, google().token(nil))
		if n := server.times(); n != 1+3+1 {
			t.Errorf("%d fetches, want one more after 10 s", n)
		}
	})
}

// Keys rotate while many push: once after a while, and once more while the keys of before are on their way.
func TestTokenMatrix_KeysRotatedInMidTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := func(signers ...signer) func(*http.Request) (*http.Response, error) {
			return late(300*time.Millisecond, serves(signers...))
		}
		server := newKeyServer(answers(google()))
		e := newEndpoint(t, newAuth(t, server.client()))
		current := atomic.Pointer[signer]{}
		rotate := func(to signer, signers ...signer) {
			server.set(answers(append(signers, to)...))
			current.Store(&to)
		}
		rotate(google())
		var all sync.WaitGroup
		var good atomic.Int64
		for worker := range 8 {
			all.Go(func() {
				time.Sleep(time.Duration(worker) * 170 * time.Millisecond) // the last comes while keys are on their way
				for i := range 30 {
					claims := map[string]any{"n": worker*100 + i}
					if got := e.push(t, bearer(current.Load().token(claims))); got != answered(http.StatusOK) {
						t.Errorf("a good token was answered with %+v", got)
					}
					good.Add(1)
					claims["email"] = "eve@example.com"
					if got := e.push(t, bearer(current.Load().token(claims))); got != answered(http.StatusForbidden) {
						t.Errorf("another account was answered with %+v", got)
					}
					if got := e.push(t, bearer(stranger().token(nil))); got != answered(http.StatusUnauthorized) {
						t.Errorf("a stranger's token was answered with %+v", got)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Second)
		rotate(rotated(), google())
		time.Sleep(150 * time.Millisecond)
		rotate(third(), rotated(), google())
		all.Wait()
		if ran := e.runs.Load(); ran != good.Load() {
			t.Errorf("%d tasks ran, want %d", ran, good.Load())
		}
		if n := server.times(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}
