package oidc_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

func TestKeys_ManyFirstRequests_AreOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(late(time.Second, serves(google())))
		auth := newAuth(t, server.client())
		began := time.Now()
		var all sync.WaitGroup
		token := google().token(nil)
		for range 100 {
			all.Go(func() { mustLetIn(t, auth, token) })
		}
		all.Wait()
		if n, took := server.times(), time.Since(began); n != 1 || took != time.Second {
			t.Errorf("%d fetches, in %s, want one in a second", n, took)
		}
	})
}

func TestKeys_AreKeptAsLongAsTheirServerSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		want   time.Duration
	}{
		{"max-age", []string{"Cache-Control", "public, max-age=21600, must-revalidate, no-transform"}, 6 * time.Hour},
		{"max-age less age", []string{"Cache-Control", "max-age=21600", "Age", "3600"}, 5 * time.Hour},
		{"in capitals, quoted, in a second header", []string{"Cache-Control", "public", "Cache-Control", `Max-Age="7200"`}, 2 * time.Hour},
		{"nothing", nil, time.Hour},
		{"nothing about age", []string{"Cache-Control", "public"}, time.Hour},
		{"nonsense", []string{"Cache-Control", "max-age=soon", "Age", "-3"}, time.Hour},
		{"a negative one", []string{"Cache-Control", "max-age=-1"}, time.Hour},
		{"none", []string{"Cache-Control", "max-age=0"}, time.Minute},
		{"less than its age", []string{"Cache-Control", "max-age=600", "Age", "601"}, time.Minute},
		{"not at all", []string{"Cache-Control", "no-store, max-age=3600"}, time.Minute},
		{"only if asked again", []string{"Cache-Control", "max-age=3600, no-cache"}, time.Minute},
		{"a year", []string{"Cache-Control", "max-age=31536000"}, 24 * time.Hour},
		{"beyond numbers", []string{"Cache-Control", "max-age=99999999999999999999"}, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newKeyServer(says(http.StatusOK, jwks(google().jwk()), c.header...))
				auth := newAuth(t, server.client())
				mustLetIn(t, auth, google().token(nil))
				time.Sleep(c.want - time.Second)
				mustLetIn(t, auth, google().token(nil))
				synctest.Wait()
				if n := server.times(); n != 1 {
					t.Errorf("%d fetches a second before %s", n, c.want)
				}
				time.Sleep(time.Second)
				mustLetIn(t, auth, google().token(nil))
				synctest.Wait()
				if n := server.times(); n != 2 {
					t.Errorf("%d fetches after %s, want 2", n, c.want)
				}
			})
		})
	}
}

func TestKeys_GoneStale_ServeWhileNewOnesAreFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		mustLetIn(t, auth, google().token(nil))
		server.set(late(4*time.Second, serves(google())))
		time.Sleep(2 * time.Hour)
		began, token := time.Now(), google().token(nil)
		for range 100 {
			mustLetIn(t, auth, token)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("requests waited for %s", took)
		}
		time.Sleep(5 * time.Second)
		if n := server.times(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

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

func TestKeyServer_InTroubleAtFirst_NobodyIsLetIn_AndThenAgain(t *testing.T) {
	for name, answer := range trouble() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, l := newKeyServer(answer), &logs{}
				auth := newAuth(t, server.client(), oidc.Logger(l.logger()))
				began := time.Now()
				mustRefuse(t, auth, google().token(nil), oidc.ReasonNoKeys)
				mustRefuse(t, auth, google().token(nil), oidc.ReasonNoKeys)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				synctest.Wait()
				if said := l.taken(); strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "nobody is let in") {
					t.Errorf("logged %s", said)
				}
				server.set(serves(google()))
				time.Sleep(time.Second)
				mustLetIn(t, auth, google().token(nil))
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

func TestKeyServer_InTroubleLater_OldKeysServeForADay(t *testing.T) {
	for name, answer := range trouble() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, l := newKeyServer(serves(google())), &logs{}
				auth := newAuth(t, server.client(), oidc.Logger(l.logger()))
				mustLetIn(t, auth, google().token(nil))
				server.set(answer)
				time.Sleep(time.Hour) // max-age
				for range 24 {
					began := time.Now()
					mustLetIn(t, auth, google().token(nil))
					mustRefuse(t, auth, stranger().token(nil), oidc.ReasonSignature)
					if took := time.Since(began); took != 0 {
						t.Errorf("a good token waited for %s", took)
					}
					time.Sleep(time.Hour - time.Second)
					mustLetIn(t, auth, google().token(nil))
					time.Sleep(time.Second)
				}
				if said := l.taken(); !strings.Contains(said, "level=WARN") || strings.Contains(said, "level=ERROR") {
					t.Errorf("logged %s", said)
				}
				mustRefuse(t, auth, google().token(nil), oidc.ReasonNoKeys)
				server.set(serves(google()))
				time.Sleep(30 * time.Second)
				mustLetIn(t, auth, google().token(nil))
			})
		})
	}
}

func TestKeyServer_Down_IsAskedEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		server := newKeyServer(func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(began))
			return nil, errors.New("connection refused")
		})
		auth, token := newAuth(t, server.client()), google().token(nil)
		for time.Since(began) < 100*time.Second {
			mustRefuse(t, auth, token, oidc.ReasonNoKeys)
			time.Sleep(100 * time.Millisecond)
		}
		want := "[0s 1s 3s 7s 15s 31s 1m1s 1m31s]"
		if got := fmt.Sprint(at); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestKeyServer_GoodAndOddKeysTogether_TheGoodOnesServe(t *testing.T) {
	server := newKeyServer(says(http.StatusOK, `{"keys":[null,{"kty":"XYZ"},`+strings.TrimPrefix(jwks(google().jwk(), stranger().jwk()), `{"keys":[`)))
	auth := newAuth(t, server.client())
	mustLetIn(t, auth, google().token(nil))
	mustRefuse(t, auth, stranger().token(nil), oidc.ReasonSignature) // of two with one id the first holds
}

func TestKeys_FloodOfUnknownOnes_NeitherHammersNorBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		good := google().token(nil)
		mustLetIn(t, auth, good)
		server.set(late(4*time.Second, serves(google())))
		began := time.Now()
		var all sync.WaitGroup
		for i := range 500 {
			token := part(google().header(map[string]any{"kid": fmt.Sprint("made-up-", i)})) + "." + part(goodClaims(nil)) + ".AAAA"
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				mustRefuse(t, auth, token, oidc.ReasonKey)
				before := time.Now()
				mustLetIn(t, auth, good)
				if waited := time.Since(before); waited != 0 {
					t.Errorf("a good token waited for %s", waited)
				}
			})
		}
		all.Wait()
		if n, took := server.times(), time.Since(began); n > 6 || took > time.Minute {
			t.Errorf("%d fetches in %s, want one in 10 s", n, took)
		}
	})
}

func TestKeys_CallerWhoLeaves_TakesNothingFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(late(3*time.Second, serves(google())))
		auth := newAuth(t, server.client())
		gone := errors.New("the caller has gone")
		ctx, leave := context.WithCancelCause(t.Context())
		var all sync.WaitGroup
		token := google().token(nil)
		all.Go(func() {
			began := time.Now()
			err := auth.Authenticate(request("Bearer " + token).WithContext(ctx))
			if reasonOf(t, err) != oidc.ReasonNoKeys || !errors.Is(err, gone) || time.Since(began) != time.Second {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
		time.Sleep(time.Second)
		all.Go(func() { mustLetIn(t, auth, token) })
		leave(gone)
		all.Wait()
		if n := server.times(); n != 1 {
			t.Errorf("%d fetches, want one", n)
		}
	})
}

func TestKeys_RotatedInMidTraffic_NoGoodRequestIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(late(100*time.Millisecond, serves(google())))
		auth := newAuth(t, server.client())
		withdrawn := google().token(nil)
		mustLetIn(t, auth, withdrawn)
		mustLetIn(t, auth, withdrawn) // remembered
		time.Sleep(10 * time.Minute)

		server.set(late(100*time.Millisecond, serves(rotated(), google())))
		var all sync.WaitGroup
		both := []string{google().token(nil), rotated().token(nil)}
		for i := range 200 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				mustLetIn(t, auth, both[i%2])
			})
		}
		all.Wait()
		if n := server.times(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}

		server.set(serves(rotated()))
		time.Sleep(2 * time.Hour)
		mustLetIn(t, auth, rotated().token(nil)) // has the keys fetched
		synctest.Wait()
		mustLetIn(t, auth, rotated().token(nil))
		mustRefuse(t, auth, google().token(nil), oidc.ReasonKey)
		mustRefuse(t, auth, withdrawn, oidc.ReasonKey)
	})
}

func TestAuthenticate_TokenSeenBefore_IsCheckedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		token := google().token(nil)
		mustLetIn(t, auth, token)
		time.Sleep(time.Hour + 9*time.Second)
		mustLetIn(t, auth, token) // and the keys are fetched
		synctest.Wait()
		mustLetIn(t, auth, token)
		time.Sleep(time.Second)
		mustRefuse(t, auth, token, oidc.ReasonExpired)
	})
}

func TestAuthenticate_TokenSeenBefore_KeyReplacedUnderItsID_IsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		token := google().token(map[string]any{"exp": time.Now().Add(3 * time.Hour).Unix()})
		mustLetIn(t, auth, token)
		server.set(serves(stranger()))
		time.Sleep(time.Hour)
		mustLetIn(t, auth, token)
		synctest.Wait()
		mustRefuse(t, auth, token, oidc.ReasonSignature)
	})
}
