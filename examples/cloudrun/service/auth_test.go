package service_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// door is a service behind whose authenticator a push is tried.
type door struct {
	service *service.Service
	logs    *bytes.Buffer
}

func newDoor(t *testing.T, auth service.Authenticator) door {
	t.Helper()
	d := door{logs: &bytes.Buffer{}}
	var err error
	d.service, err = service.New(t.Context(), service.Config{
		Tasks:     tasks.Config{Name: "shop", Endpoint: endpoint},
		Transport: []cloudtasks.Option{cloudtasks.WithEndpoint("127.0.0.1:1")}, // never called
		Auth:      auth,
		Logger:    service.NewLogger(d.logs),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.service.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// try pushes a task with a value of Authorization and returns the answer's status and what was logged.
func (d door) try(authorization string) (status int, logged string) {
	r := httptest.NewRequest(http.MethodPost, endpoint+"/tasks/Welcome", strings.NewReader(`{"user_id":7,"email":"ana@example.com"}`))
	r.Header.Set("X-CloudTasks-TaskName", "forged") // proves nothing
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	d.logs.Reset()
	w := httptest.NewRecorder()
	d.service.App.ServeHTTP(w, r)
	return w.Code, d.logs.String()
}

func TestVerifyTokens(t *testing.T) {
	google, stranger := newIssuer(t), newIssuer(t)
	bearer := func(token string) string { return "Bearer " + token }
	for _, c := range []struct {
		name, authorization string
		status              int
		says                string
	}{
		{"a token of Cloud Tasks opens", bearer(google.token(nil)), 200, "task executed"},
		{"so does one whose issuer is written without a scheme", bearer(google.token(map[string]any{"iss": "accounts.google.com"})), 200, "task executed"},
		{"no token does not", "", 401, "no bearer token"},
		{"nor another scheme", "Basic " + google.token(nil), 401, "no bearer token"},
		{"nor what is no token", bearer("open sesame"), 401, "signed by"},
		{"nor one in two parts", bearer(google.unsigned(rs256(), claims(nil))), 401, "three segments"},
		{"another audience", bearer(google.token(map[string]any{"aud": "https://other.example.com"})), 401, "aud"},
		{"the audience with a path", bearer(google.token(map[string]any{"aud": endpoint})), 401, "aud"},
		{"no audience", bearer(google.token(map[string]any{"aud": ""})), 401, "aud"},
		{"a list of audiences", bearer(google.token(map[string]any{"aud": []string{audience}})), 401, "unmarshal"},
		{"another account is known, and not let in", bearer(google.token(map[string]any{"email": "eve@shop-project.iam.gserviceaccount.com"})), 403, "eve@"},
		{"an address that is not verified", bearer(google.token(map[string]any{"email_verified": false})), 401, "not verified"},
		{"one that is verified in words only", bearer(google.token(map[string]any{"email_verified": "true"})), 401, "not verified"},
		{"no address", bearer(google.token(map[string]any{"email": nil})), 403, "not of"},
		{"another issuer", bearer(google.token(map[string]any{"iss": "https://issuer.example.com"})), 401, "not by Google"},
		{"expired", bearer(google.token(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), 401, "expired"},
		{"no expiry", bearer(google.token(map[string]any{"exp": nil})), 401, "expired"},
		{"signed by somebody else", bearer(stranger.token(nil)), 401, "verification error"},
		{"claims changed after signing", bearer(forge(google)), 401, "verification error"},
		{"a key that does not exist", bearer(google.sign(google.unsigned(map[string]any{"alg": "RS256", "kid": "other"}, claims(nil)))), 401, "matching cert"},
		{"alg none", bearer(google.unsigned(header("none"), claims(nil)) + "."), 401, `signed by \"none\"`},
		{"alg none with a signature", bearer(google.sign(google.unsigned(header("none"), claims(nil)))), 401, `signed by \"none\"`},
		{"ES256 with a short signature", bearer(google.unsigned(header("ES256"), claims(nil)) + ".AAAA"), 401, `signed by \"ES256\"`},
		{"HS256", bearer(google.sign(google.unsigned(header("HS256"), claims(nil)))), 401, `signed by \"HS256\"`},
		{"two algs, the last one counts", bearer(google.sign(google.unsigned(map[string]any{"aLG": "RS256", "alg": "ES256"}, claims(nil)))), 401, `signed by \"ES256\"`},
		{"a header that is null", bearer(google.sign(google.unsigned(nil, claims(nil)))), 401, "signed by"},
		{"claims that are null", bearer(google.sign(google.unsigned(rs256(), nil))), 401, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth, err := service.VerifyTokens(account, google.url)
			if err != nil {
				t.Fatal(err)
			}
			status, logged := newDoor(t, auth).try(c.authorization)
			if status != c.status || !strings.Contains(logged, c.says) {
				t.Errorf("answered with %d and logged %s, want %d and %q", status, logged, c.status, c.says)
			}
			if token := strings.TrimPrefix(c.authorization, "Bearer "); len(token) > 100 && strings.Contains(logged, token) {
				t.Errorf("the log holds the token: %s", logged)
			}
		})
	}
	if stranger.asked.Load() != 0 {
		t.Error("a token had its say in where the keys come from")
	}
}

// forge puts other claims under the signature of a good token.
func forge(i *issuer) string {
	good := i.token(map[string]any{"email": "eve@example.com"})
	return i.unsigned(rs256(), claims(nil)) + good[strings.LastIndexByte(good, '.'):]
}

func TestVerifyTokens_KeysAreKept_AndMissedWhenUnreachable(t *testing.T) {
	google := newIssuer(t)
	auth, err := service.VerifyTokens(account, google.url)
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, auth)
	for range 3 {
		if status, logged := d.try("Bearer " + google.token(nil)); status != 200 {
			t.Errorf("answered with %d, logged %s", status, logged)
		}
	}
	if google.asked.Load() != 1 {
		t.Errorf("the keys were asked for %d times, want once", google.asked.Load())
	}

	if auth, err = service.VerifyTokens(account, "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if status, logged := newDoor(t, auth).try("Bearer " + google.token(nil)); status != 401 || !strings.Contains(logged, "connection refused") {
		t.Errorf("without keys: answered with %d, logged %s", status, logged)
	}
}

func TestTrustCloudRun(t *testing.T) {
	google := newIssuer(t)
	// As Cloud Run hands on a token that it has verified.
	verified := func(replaced map[string]any) string {
		return "Bearer " + google.unsigned(rs256(), claims(replaced)) + ".SIGNATURE_REMOVED_BY_GOOGLE"
	}
	for _, c := range []struct {
		name, authorization string
		status              int
	}{
		{"a token of Cloud Tasks opens", verified(nil), 200},
		{"no token does not", "", 401},
		{"another audience", verified(map[string]any{"aud": "https://other.example.com"}), 401},
		{"another issuer", verified(map[string]any{"iss": "https://issuer.example.com"}), 401},
		{"an address that is not verified", verified(map[string]any{"email_verified": false}), 401},
		{"another account", verified(map[string]any{"email": "eve@example.com"}), 403},
		{"what is no token", "Bearer open sesame", 401},
		{"claims that are null", "Bearer " + google.unsigned(rs256(), nil) + ".SIGNATURE_REMOVED_BY_GOOGLE", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, logged := newDoor(t, service.TrustCloudRun(account)).try(c.authorization); status != c.status {
				t.Errorf("answered with %d, want %d; logged %s", status, c.status, logged)
			}
		})
	}
	if google.asked.Load() != 0 {
		t.Error("keys were asked for")
	}
}

func TestAuthenticator_Zero_LetsNobodyIn(t *testing.T) {
	google := newIssuer(t)
	if status, _ := newDoor(t, service.Authenticator{}).try("Bearer " + google.token(nil)); status != 401 {
		t.Errorf("answered with %d, want 401", status)
	}
}
