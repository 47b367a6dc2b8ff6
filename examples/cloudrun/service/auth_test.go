package service_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

const (
	account  = "shop-tasks@shop-project.iam.gserviceaccount.com"
	audience = "https://shop.example.com"
	endpoint = audience + "/_tasks"
)

// good are the claims of a token that Cloud Tasks puts on a delivery.
func good() tasktest.Claims { return tasktest.Claims{Audience: audience, Email: account} }

// authBy lets in who carries a token of account's, signed by signer.
func authBy(t *testing.T, signer *tasktest.Signer) tasks.Authenticator {
	t.Helper()
	auth, err := oidc.New(oidc.Audience(audience), oidc.ServiceAccount(account), oidc.HTTPClient(signer.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// door is a service behind whose authenticator a push is tried.
type door struct {
	service *service.Service
	logs    *bytes.Buffer
}

func newDoor(t *testing.T, auth tasks.Authenticator) door {
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

func TestService_Push_NeedsATokenMadeForIt(t *testing.T) {
	signer, stranger := tasktest.NewSigner(t), tasktest.NewSigner(t)
	bearer := func(c tasktest.Claims) string { return "Bearer " + signer.Token(c) }
	d := newDoor(t, authBy(t, signer))
	for _, c := range []struct {
		name, authorization string
		status              int
		says                string
	}{
		{"a token of Cloud Tasks opens", bearer(good()), 200, "task executed"},
		{"no token does not", "", 401, "no_token"},
		{"nor what is no token", "Bearer open sesame", 401, "malformed"},
		{"nor one that somebody else has signed", "Bearer " + stranger.Token(good()), 401, "unknown_key"},
		{"nor one that was made for another service", bearer(tasktest.Claims{Audience: "https://other.example.com", Email: account}), 401, "audience"},
		{"another account is known, and not let in", bearer(tasktest.Claims{Audience: audience, Email: "eve@example.com"}), 403, "eve@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, logged := d.try(c.authorization)
			if status != c.status || !strings.Contains(logged, c.says) {
				t.Errorf("answered with %d and logged %s, want %d and %q", status, logged, c.status, c.says)
			}
		})
	}
}
