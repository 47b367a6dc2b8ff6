package oidc_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

// madeUp is a token by a key that does not exist.
func madeUp(n int) string {
	return part(google().header(map[string]any{"kid": fmt.Sprint("made-up-", n)})) + "." + part(goodClaims(nil)) + ".AAAA"
}

func TestKeys_TenThousandUnknownOnesInASecond_CauseAFewFetches(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"fast": serves(google()), "slow": late(700*time.Millisecond, serves(google())),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newKeyServer(answer)
				auth := newAuth(t, server.client())
				mustLetIn(t, auth, google().token(nil))
				_, rest, _ := strings.Cut(madeUp(0), ".")
				var all sync.WaitGroup
				for i := range 10_000 {
					token := part(google().header(map[string]any{"kid": fmt.Sprint("made-up-", i)})) + "." + rest
					all.Go(func() {
						time.Sleep(time.Duration(i) * 100 * time.Microsecond)
						mustRefuse(t, auth, token, oidc.ReasonKey)
					})
				}
				all.Wait()
				if n := server.times(); n != 1+3 {
					t.Errorf("%d fetches, want one at first and three more", n)
				}
			})
		})
	}
}

func TestKeys_UnknownOnesWhileServerIsDown_HeedBackoffAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		good := google().token(nil)
		mustLetIn(t, auth, good)
		server.set(down)
		for i := range 600 { // a minute: at 0, 1, 3, 10, 20 and 36 s
			mustRefuse(t, auth, madeUp(i), oidc.ReasonNoKeys)
			mustLetIn(t, auth, good)
			time.Sleep(100 * time.Millisecond)
		}
		if n := server.times(); n != 1+6 {
			t.Errorf("%d fetches, want 7", n)
		}
	})
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
		if n, took := server.times(), time.Since(began); n > 1+3+5 || took > time.Minute {
			t.Errorf("%d fetches in %s, want three, and one more in 10 s", n, took)
		}
	})
}

func TestKeys_FirstAndExpired_AreFetchedAtNoCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		fetched := 0
		want := func(more int, after string) {
			t.Helper()
			synctest.Wait()
			if n := server.times() - fetched; n != more {
				t.Errorf("%d fetches after %s, want %d", n, after, more)
			}
			fetched = server.times()
		}
		mustRefuse(t, auth, madeUp(0), oidc.ReasonKey)
		want(1, "the first token, by a key that does not exist")
		for i := range 10 {
			mustRefuse(t, auth, madeUp(i), oidc.ReasonKey)
		}
		want(3, "ten more of those")
		time.Sleep(time.Hour)
		mustLetIn(t, auth, google().token(nil))
		want(1, "an hour")
		for i := range 10 {
			mustRefuse(t, auth, madeUp(i), oidc.ReasonKey)
		}
		want(3, "that")
		time.Sleep(time.Hour)
		mustRefuse(t, auth, madeUp(0), oidc.ReasonKey)
		mustLetIn(t, auth, google().token(nil))
		want(1, "another hour, when one that does not exist has them fetched")
	})
}

// Whoever comes while keys are on their way may have a key that those do not have yet.
func TestKeys_NewWhileOthersAreOnTheirWay_AreFetchedNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(late(4*time.Second, serves(google())))
		auth := newAuth(t, server.client())
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() { mustLetIn(t, auth, google().token(nil)) })
		time.Sleep(time.Second)
		server.set(late(2*time.Second, serves(rotated())))
		token := rotated().token(nil)
		for range 10 {
			all.Go(func() { mustLetIn(t, auth, token) })
		}
		all.Go(func() { mustRefuse(t, auth, madeUp(0), oidc.ReasonKey) })
		all.Wait()
		if n, took := server.times(), time.Since(began); n != 2 || took != 6*time.Second {
			t.Errorf("%d fetches, in %s, want 2 in 6 s", n, took)
		}
	})
}

func TestKeys_WithdrawnOneOfTokenSeenBefore_IsLookedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(serves(google()))
		auth := newAuth(t, server.client())
		token := google().token(map[string]any{"exp": time.Now().Add(3 * time.Hour).Unix()})
		mustLetIn(t, auth, token)
		server.set(serves(rotated()))
		time.Sleep(time.Hour)
		mustLetIn(t, auth, token)
		synctest.Wait()
		before := server.times()
		mustRefuse(t, auth, token, oidc.ReasonKey)
		if n := server.times() - before; n != 1 {
			t.Errorf("%d fetches, want 1", n)
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
