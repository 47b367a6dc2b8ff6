package emulator_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

const account = "pusher@p.iam.gserviceaccount.com"

// keysFrom is a client whose every request is answered by h: verifiers ask Google for its keys.
type keysFrom struct{ h http.Handler }

func (k keysFrom) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	k.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// verify checks a token as Google's library does.
func verify(t *testing.T, e *emulator.Emulator, token, audience string) *idtoken.Payload {
	t.Helper()
	v, err := idtoken.NewValidator(t.Context(), option.WithHTTPClient(&http.Client{Transport: keysFrom{e.Handler()}}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Validate(t.Context(), token, audience)
	if err != nil {
		t.Fatalf("verify %s for %s: %v", token, audience, err)
	}
	return p
}

func bearer(t *testing.T, c call) string {
	t.Helper()
	token, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	if !ok {
		t.Fatalf("Authorization: %q", c.Header.Get("Authorization"))
	}
	return token
}

// withOIDC makes a task carry a token.
func withOIDC(task *cloudtaskspb.Task, audience string) *cloudtaskspb.Task {
	task.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{
		OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: account, Audience: audience},
	}
	return task
}

func TestOIDC_TokenIsVerifiedByGooglesLibrary(t *testing.T) {
	r := start(t)
	task := withOIDC(r.task(""), "https://shop.example.com")
	task.GetHttpRequest().Headers = map[string]string{"authorization": "Basic abc"}
	r.create(task)
	p := verify(t, r.e, bearer(t, r.await(1)[0]), "https://shop.example.com")
	if p.Issuer != "https://accounts.google.com" || p.Expires != p.IssuedAt+3600 || time.Since(time.Unix(p.IssuedAt, 0)) > time.Minute {
		t.Errorf("payload %+v", p)
	}
	if p.Claims["email"] != account || p.Claims["email_verified"] != true || p.Claims["azp"] != p.Subject || len(p.Subject) != 21 {
		t.Errorf("claims %v", p.Claims)
	}
}

func TestOIDC_DefaultAudience_IsTheWholeURL(t *testing.T) {
	r := start(t)
	task := withOIDC(r.task(""), "")
	task.GetHttpRequest().Url += "?a=1"
	r.create(task)
	verify(t, r.e, bearer(t, r.await(1)[0]), task.GetHttpRequest().Url)
}

func TestOIDC_TokensAreMadeAtDispatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.create(withOIDC(r.task(""), "a"))
		r.create(withOIDC(r.task(""), "a"))
		r.create(withOIDC(r.later(""), "a"))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		calls := r.worker.seen()
		if len(calls) != 3 || bearer(t, calls[0]) != bearer(t, calls[1]) {
			t.Fatal("two tasks at the same time carry different tokens")
		}
		late, err := idtoken.ParsePayload(bearer(t, calls[2]))
		if err != nil || !time.Unix(late.IssuedAt, 0).Equal(calls[2].at.Truncate(time.Second)) {
			t.Errorf("the token of a later task is from %s, it ran at %s: %v", time.Unix(late.IssuedAt, 0), calls[2].at, err)
		}
	})
}

func TestOIDC_ManyAudiences(t *testing.T) {
	r := start(t)
	task := func(i int) *cloudtaskspb.Task { return withOIDC(r.task(""), string(rune('a'+i))) }
	for i := range 5 {
		r.create(task(i))
	}
	seen := map[string]bool{}
	for _, c := range r.await(5) {
		seen[bearer(t, c)] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d tokens for 5 audiences", len(seen))
	}
}

func TestOIDC_PackageOIDC_LetsItInByKeysURL_AndElseTellsOfIt(t *testing.T) {
	r := start(t)
	server := httptest.NewServer(r.e.Handler())
	defer server.Close()
	r.create(withOIDC(r.task(""), "https://shop.example.com"))
	c := r.await(1)[0]
	google := &http.Client{Transport: keysFrom{http.NotFoundHandler()}}
	for name, tc := range map[string]struct {
		opt  oidc.Option
		want string
	}{
		"with it":    {oidc.KeysURL(server.URL + emulator.CertsPath), ""},
		"without it": {oidc.HTTPClient(google), "the tokens of an emulator need oidc.KeysURL"},
	} {
		auth, err := oidc.New(oidc.Audience("https://shop.example.com"), oidc.ServiceAccount(account), oidc.Logger(slog.New(slog.DiscardHandler)), tc.opt)
		if err != nil {
			t.Fatal(err)
		}
		err = auth.Authenticate(&http.Request{Header: c.Header})
		if ok := tc.want == ""; ok != (err == nil) || !ok && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestOIDC_NothingServesTheKey_IsToldOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		served bool
		task   func(*rig) *cloudtaskspb.Task
		want   int
	}{
		"it is served":    {true, func(r *rig) *cloudtaskspb.Task { return withOIDC(r.task(""), "a") }, 0},
		"it is not":       {false, func(r *rig) *cloudtaskspb.Task { return withOIDC(r.task(""), rand.Text()) }, 1},
		"none is needed":  {false, func(r *rig) *cloudtaskspb.Task { return r.task("") }, 0},
		"access by OAuth": {false, func(r *rig) *cloudtaskspb.Task { return withOAuth(r.task("")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			if tc.served {
				r.e.Handler()
			}
			for range 5 {
				r.create(tc.task(r))
			}
			r.await(5)
			text := r.log.String()
			if n := strings.Count(text, "nothing serves the key of the OIDC tokens"); n != tc.want {
				t.Errorf("told %d times, want %d:\n%s", n, tc.want, text)
			}
			if told := strings.Contains(text, "-http-port") && strings.Contains(text, "oidc.KeysURL") && strings.Contains(text, account); told != (tc.want == 1) {
				t.Errorf("logged:\n%s", text)
			}
		})
	}
}

func withOAuth(task *cloudtaskspb.Task) *cloudtaskspb.Task {
	task.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OauthToken{OauthToken: &cloudtaskspb.OAuthToken{ServiceAccountEmail: account}}
	return task
}

func TestOAuth_TokenIsOpaque(t *testing.T) {
	r := start(t)
	r.create(withOAuth(r.task("")))
	if token := bearer(t, r.await(1)[0]); !strings.HasPrefix(token, "ya29.") {
		t.Errorf("token %s", token)
	}
}

func TestHandler_Discovery_LeadsToTheKeys(t *testing.T) {
	r := start(t)
	server := httptest.NewServer(r.e.Handler())
	defer server.Close()
	get := func(url string, into any) http.Header {
		t.Helper()
		res, err := server.Client().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %s, %v", url, res.Status, err)
		}
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(into); err != nil {
			t.Fatalf("%s: %s", err, body)
		}
		return res.Header
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JwksURI string `json:"jwks_uri"`
	}
	get(server.URL+emulator.DiscoveryPath, &doc)
	if doc.Issuer != "https://accounts.google.com" || doc.JwksURI != server.URL+emulator.CertsPath {
		t.Errorf("discovery %+v", doc)
	}
	var root struct {
		JwksURI      string `json:"jwks_uri"`
		DiscoveryURI string `json:"discovery_uri"`
	}
	get(server.URL+"/", &root)
	if root.JwksURI != doc.JwksURI || root.DiscoveryURI != server.URL+emulator.DiscoveryPath {
		t.Errorf("the root says %+v", root)
	}
	if res, err := server.Client().Get(server.URL + "/keys"); err != nil || res.Body.Close() != nil || res.StatusCode != 404 {
		t.Errorf("another path: %v, %v, want 404", res, err)
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	h := get(doc.JwksURI, &set)
	if len(set.Keys) != 1 || set.Keys[0]["alg"] != "RS256" || set.Keys[0]["kid"] == "" || !strings.Contains(h.Get("Cache-Control"), "max-age") {
		t.Errorf("keys %v with %v", set, h)
	}
	tls := httptest.NewTLSServer(r.e.Handler())
	defer tls.Close()
	server = tls
	get(tls.URL+emulator.DiscoveryPath, &doc)
	if !strings.HasPrefix(doc.JwksURI, "https://") {
		t.Errorf("over TLS: %+v", doc)
	}
}
