package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
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
