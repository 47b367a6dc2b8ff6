package oidc_test

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

var _ tasks.Authenticator = (*oidc.Authenticator)(nil)

func TestNew_NamesAllThatIsWrong(t *testing.T) {
	good := []oidc.Option{oidc.Audience(audience), oidc.ServiceAccount(account)}
	for _, c := range []struct {
		name  string
		opts  []oidc.Option
		wants []string // none: it succeeds
	}{
		{"nothing", nil, []string{"oidc.Audience(", "oidc.ServiceAccount("}},
		{"no account", good[:1], []string{"oidc.ServiceAccount("}},
		{"no audience", good[1:], []string{"oidc.Audience("}},
		{"options without values", []oidc.Option{oidc.Audience(), oidc.ServiceAccount()}, []string{"no audience", "no service account"}},
		{"empty ones", []oidc.Option{oidc.Audience(audience, ""), oidc.ServiceAccount("")}, []string{"Audience is given an empty text", `ServiceAccount("")`}},
		{"no address", []oidc.Option{good[0], oidc.ServiceAccount("tasks", "@x", "x@", "a b@x")}, []string{`"tasks"`, `"@x"`, `"x@"`, `"a b@x"`}},
		{"a leeway below 0", append(good, oidc.Leeway(-1)), []string{"Leeway(-1ns) is outside 0 to 5m0s"}},
		{"a leeway above 5 minutes", append(good, oidc.Leeway(5*time.Minute+1)), []string{"is outside 0 to 5m0s"}},
		{"a path in place of a URL", append(good, oidc.KeysURL("/oauth2/v3/certs")), []string{`KeysURL("/oauth2/v3/certs")`}},
		{"a URL of another kind", append(good, oidc.KeysURL("file:///etc/keys")), []string{"https://"}},
		{"what is no URL", append(good, oidc.KeysURL(":")), []string{`KeysURL(":")`}},
		{"a host and no scheme", append(good, oidc.KeysURL("localhost:8124")), []string{
			`oidc: KeysURL("localhost:8124"): want a URL with scheme and host: https://..., or http://localhost:8124/oauth2/v3/certs for the emulator`}},
		{"an address and no scheme", append(good, oidc.KeysURL("127.0.0.1:8124")), []string{"scheme and host", "http://localhost:8124/oauth2/v3/certs"}},
		{"a port and no host", append(good, oidc.KeysURL("http://:8124/oauth2/v3/certs")), []string{"scheme and host"}},
		{"plain HTTP over a network", append(good, oidc.KeysURL("http://10.0.0.5:8124")), []string{`oidc: KeysURL("http://10.0.0.5:8124"): over plain HTTP`, "https://", "localhost"}},
		{"an option that is nil", append(good, nil), []string{"option 3 is nil"}},
		{"all that may be", append(good, oidc.Leeway(5*time.Minute), oidc.Leeway(0), oidc.KeysURL("http://localhost:8124/oauth2/v3/certs"), oidc.HTTPClient(nil), oidc.Logger(nil)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth, err := oidc.New(c.opts...)
			if (err == nil) != (len(c.wants) == 0) || (auth == nil) != (err != nil) {
				t.Fatalf("New = %v, %v", auth, err)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("New = %v, want %s in it", err, want)
				}
			}
		})
	}
}

func TestAuthenticator_NotMadeByNew_LetsNobodyIn(t *testing.T) {
	token := google().token(map[string]any{"aud": "", "email": ""})
	for name, auth := range map[string]*oidc.Authenticator{"zero": {}, "nil": nil} {
		if err := auth.Authenticate(request("Bearer " + token)); err == nil || errors.Is(err, transport.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew_KeysURL_PlainHTTPStaysNear(t *testing.T) {
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "127.0.0.1": true, "127.8.9.1": true, "[::1]": true, "[::ffff:127.0.0.1]": true,
		"emulator": true, "tasks-emulator_1": true, "host.docker.internal": true,

		"10.0.0.5": false, "192.168.1.4": false, "0.0.0.0": false, "[::]": false, "[fe80::1%25lo]": false, "[2001:db8::1]": false,
		"167772165": false, "0x0a000005": false, // which is 10.0.0.5 to many
		"example.com": false, "keys.internal": false, "localhost.example.com": false, "emulator.": false,
	} {
		for scheme, ok := range map[string]bool{"http": ok, "https": true} {
			for _, port := range []string{"", ":8124"} {
				u := scheme + "://" + host + port + "/oauth2/v3/certs"
				_, err := oidc.New(oidc.Audience(audience), oidc.ServiceAccount(account), oidc.KeysURL(u))
				if (err == nil) != ok {
					t.Errorf("KeysURL(%q): %v, want it taken: %t", u, err, ok)
				}
			}
		}
	}
}

func TestAccepts_AudiencesThatWereGiven_AndNoOthers(t *testing.T) {
	several := oidc.Audience("https://api.example.com", "shop")
	unverified, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), several, oidc.ServiceAccount(account))
	if err != nil {
		t.Fatal(err)
	}
	server := newKeyServer(down)
	for _, auth := range []*oidc.Authenticator{newAuth(t, server.client(), several), unverified} {
		for _, yes := range []string{audience, "https://api.example.com", "shop"} {
			if !auth.Accepts(yes) {
				t.Errorf("%q is not accepted", yes)
			}
		}
		for _, no := range []string{"", audience + "/", audience + "/_tasks", strings.ToUpper(audience), "https://api.example.co", "shop ", "https://shop.example.com,shop"} {
			if auth.Accepts(no) {
				t.Errorf("%q is accepted", no)
			}
		}
	}
	for name, auth := range map[string]*oidc.Authenticator{"zero": {}, "nil": nil} {
		if auth.Accepts("") || auth.Accepts(audience) {
			t.Errorf("%s: it accepts what it does not let in", name)
		}
	}
	if server.times() != 0 {
		t.Error("keys were fetched for it")
	}
}

func TestAuthenticate_SeveralAudiencesAndAccounts_AnyServes(t *testing.T) {
	server := newKeyServer(serves(google()))
	auth := newAuth(t, server.client(), oidc.Audience("https://www.example.com", "https://api.example.com"), oidc.ServiceAccount("pubsub@my-project.iam.gserviceaccount.com"))
	for _, aud := range []string{audience, "https://www.example.com", "https://api.example.com"} {
		for _, email := range []string{account, "pubsub@my-project.iam.gserviceaccount.com"} {
			mustLetIn(t, auth, google().token(map[string]any{"aud": aud, "email": email}))
		}
	}
	mustRefuse(t, auth, google().token(map[string]any{"aud": "https://example.com"}), oidc.ReasonAudience)
	mustRefuse(t, auth, google().token(map[string]any{"email": "eve@example.com"}), oidc.ReasonAccount)
}

func TestAuthenticate_Leeway_BoundsTheClocksError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where time stands still, at a whole second
		server := newKeyServer(serves(google()))
		in := func(seconds float64) float64 { return float64(time.Now().Unix()) + seconds }
		for _, c := range []struct {
			leeway time.Duration
			claims map[string]any
			want   oidc.Reason
		}{
			{0, map[string]any{"exp": in(1)}, ""},
			{0, map[string]any{"exp": in(0.25)}, ""},
			{0, map[string]any{"exp": in(0)}, oidc.ReasonExpired},
			{0, map[string]any{"exp": in(-0.25)}, oidc.ReasonExpired},
			{0, map[string]any{"iat": in(0), "nbf": in(0)}, ""},
			{0, map[string]any{"iat": in(0.25)}, oidc.ReasonEarly},
			{0, map[string]any{"nbf": in(0.25)}, oidc.ReasonEarly},
			{0, map[string]any{"iat": nil, "nbf": nil}, ""},
			{0, map[string]any{"iat": in(-48 * 3600), "exp": in(365 * 24 * 3600)}, ""},
			{time.Minute, map[string]any{"iat": in(-3600), "exp": in(-59.75)}, ""},
			{time.Minute, map[string]any{"iat": in(-3600), "exp": in(-60)}, oidc.ReasonExpired},
			{time.Minute, map[string]any{"iat": in(60), "nbf": in(60)}, ""},
			{time.Minute, map[string]any{"iat": in(60.25)}, oidc.ReasonEarly},
			{time.Minute, map[string]any{"nbf": in(60.25)}, oidc.ReasonEarly},
			{5 * time.Minute, map[string]any{"iat": in(-3600), "exp": in(-240), "nbf": in(240)}, ""},
		} {
			if got := reasonOf(t, newAuth(t, server.client(), oidc.Leeway(c.leeway)).Authenticate(request("Bearer "+google().token(c.claims)))); got != c.want {
				t.Errorf("leeway %s, %v: refused for %q, want %q", c.leeway, c.claims, got, c.want)
			}
		}
	})
}

func TestUnverifiedBehindCloudRun_NamesWhatIsWrong(t *testing.T) {
	if auth, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), nil); auth != nil || err == nil ||
		!strings.Contains(err.Error(), "oidc.ServiceAccount(") || !strings.Contains(err.Error(), "option 2 is nil") {
		t.Errorf("got %v, %v", auth, err)
	}
}

func TestError_IsOneLineForTheLog(t *testing.T) {
	server := newKeyServer(serves(google()))
	auth := newAuth(t, server.client())
	for _, c := range []struct{ name, token, want string }{
		{"audience", google().token(map[string]any{"aud": "https://other.example.com"}), `oidc: audience: aud is "https://other.example.com", want "https://shop.example.com"`},
		{"line break", google().token(map[string]any{"email": "eve\r\n\u202etasks@x"}), `oidc: other_account: email is "eve\r\n\u202etasks@x", want "` + account + `"`},
		{"long", google().token(map[string]any{"iss": strings.Repeat("é", 4000)}), `oidc: issuer: iss is "` + strings.Repeat("é", 150) + `...", want "https://accounts.google.com"`},
		{"long, cut within a letter", google().token(map[string]any{"iss": "x" + strings.Repeat("é", 4000)}), `oidc: issuer: iss is "x` + strings.Repeat("é", 149) + `...", want "https://accounts.google.com"`},
		{"algorithm", google().sign(google().header(map[string]any{"alg": "\u2028none"}), goodClaims(nil)), `oidc: algorithm: alg is "\u2028none", want "RS256"`},
		{"parts", "a.b", `oidc: malformed: want a token of three parts in base64url, as its signer wrote them`},
		{"time", google().token(map[string]any{"exp": "tomorrow"}), `oidc: malformed: exp: it is no time: want a number of seconds since 1970`},
		{"no time", google().token(map[string]any{"exp": nil}), `oidc: malformed: exp: there is none`},
		{"no email", google().token(map[string]any{"email": nil}), `oidc: unverified_email: email: there is none`},
	} {
		err := auth.Authenticate(request("Bearer " + c.token))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
	// What the library says of it differs from process to process.
	err := auth.Authenticate(request("Bearer " + google().token(map[string]any{"email_verified": "true"})))
	if want := "oidc: malformed: email_verified: json: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
	odd := (&oidc.Error{Reason: oidc.ReasonMalformed, Claim: "a\nb", Err: errors.New("c\x00d")}).Error()
	if want := `oidc: malformed: "a\nb": "c\x00d"`; odd != want {
		t.Errorf("got %s, want %s", odd, want)
	}
}

func TestError_MatchesForbiddenForAnotherAccountOnly(t *testing.T) {
	cause := errors.New("a cause")
	for _, reason := range []oidc.Reason{oidc.ReasonAccount, oidc.ReasonAudience, oidc.ReasonNoKeys, ""} {
		err := error(&oidc.Error{Reason: reason, Err: cause})
		if errors.Is(err, tasks.ErrForbidden) != (reason == oidc.ReasonAccount) || !errors.Is(err, cause) {
			t.Errorf("%v: matches wrongly", err)
		}
	}
}

func TestAuthenticate_DefaultClient_FetchesOverHTTP_AndFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/certs", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(jwks(google().jwk()))) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = w.Write([]byte(jwks(google().jwk())))
	})
	mux.Handle("/moved", http.RedirectHandler("/elsewhere", http.StatusFound))
	hungUp := make(chan struct{}, 10)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			hungUp <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	mustLetIn(t, newAuth(t, oidc.KeysURL(server.URL+"/certs")), google().token(nil))
	select {
	case <-hungUp:
	case <-time.After(10 * time.Second):
		t.Error("a connection is kept that is not needed for hours")
	}

	own := server.Client()
	for _, opt := range []oidc.Option{oidc.HTTPClient(nil), oidc.HTTPClient(own)} {
		mustRefuse(t, newAuth(t, oidc.KeysURL(server.URL+"/moved"), opt), google().token(nil), oidc.ReasonNoKeys)
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
	if own.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

func TestAuthenticate_KeysComeFromGoogleUnlessTold(t *testing.T) {
	server := newKeyServer(serves(google()))
	mustLetIn(t, newAuth(t, server.client(), oidc.KeysURL("")), google().token(nil))
	mustLetIn(t, newAuth(t, server.client(), oidc.KeysURL("http://localhost:8124/oauth2/v3/certs")), google().token(nil))
	if got, want := strings.Join(server.urls, " "), "https://www.googleapis.com/oauth2/v3/certs http://localhost:8124/oauth2/v3/certs"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// Good and bad tokens at once, while keys rotate and their server fails at times.
func TestAuthenticate_Hammered(t *testing.T) {
	old, next := google(), rotated()
	var n atomic.Int64
	server := newKeyServer(func(r *http.Request) (*http.Response, error) {
		if n.Add(1)%3 == 2 {
			return down(r)
		}
		return serves(old, next)(r)
	})
	auth := newAuth(t, server.client(), oidc.Logger(slog.New(slog.DiscardHandler)))
	mustLetIn(t, auth, old.token(nil))
	good := []string{old.token(nil), next.token(nil), old.token(map[string]any{"n": 1})}
	bad := map[string]oidc.Reason{
		stranger().token(nil): oidc.ReasonSignature,
		old.token(map[string]any{"email": "eve@example.com"}):                   oidc.ReasonAccount,
		old.token(map[string]any{"aud": "https://other.example.com"}):           oidc.ReasonAudience,
		old.sign(old.header(map[string]any{"alg": "none"}), goodClaims(nil)):    oidc.ReasonAlgorithm,
		strings.Replace(good[0], ".", ".e30", 1):                                oidc.ReasonMalformed,
		old.token(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}):   oidc.ReasonExpired,
		old.token(map[string]any{"email_verified": false}):                      oidc.ReasonUnverified,
		old.sign(old.header(map[string]any{"kid": "made-up"}), goodClaims(nil)): "",
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				mustLetIn(t, auth, good[rand.IntN(len(good))])
				for token, want := range bad {
					got := reasonOf(t, auth.Authenticate(request("Bearer "+token)))
					if made := want == ""; !made && got != want || made && got != oidc.ReasonKey && got != oidc.ReasonNoKeys {
						t.Errorf("refused for %q, want %q", got, want)
					}
				}
			}
		})
	}
	all.Wait()
}
