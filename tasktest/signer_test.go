package tasktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

const (
	signedFor = "https://shop.example.com"
	signedBy  = "tasks@shop.iam.gserviceaccount.com"
)

// An endpoint that checks tokens, tested with good and bad ones and without a network.
func ExampleSigner() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	signer := tasktest.NewSigner(t)
	auth, err := oidc.New(oidc.Audience("https://shop.example.com"), oidc.ServiceAccount("tasks@shop.iam.gserviceaccount.com"),
		oidc.HTTPClient(signer.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	rec := tasktest.NewWith(t, tasks.Config{Endpoint: "https://shop.example.com/_tasks", Authenticator: auth}, SendWelcome, SendReceipt)

	for _, email := range []string{"tasks@shop.iam.gserviceaccount.com", "eve@example.com"} {
		token := signer.Token(tasktest.Claims{Audience: "https://shop.example.com", Email: email})
		res := tasktest.Run(t, SendWelcome, Welcome{UserID: 7, Email: "ana@example.com"}, tasktest.With(rec), tasktest.WithToken(token))
		fmt.Println(res.HTTPStatus, res.Outcome)
	}
	// Output:
	// 200 executed
	// 403 forbidden
}

func TestSigner_Token_SaysWhatClaimsSay(t *testing.T) {
	t.Parallel()
	signer, stranger := tasktest.NewSigner(t), tasktest.NewSigner(t)
	auth := signedAuth(t, signer)
	ran := 0
	task := tasks.New(func(context.Context, Welcome) error { ran++; return nil }, tasks.WithName("Welcome"))
	rec := tasktest.NewWith(t, tasks.Config{Endpoint: signedFor + "/_tasks", Authenticator: auth}, task)
	good := tasktest.Claims{Audience: signedFor, Email: signedBy}
	with := func(change func(*tasktest.Claims)) string {
		c := good
		change(&c)
		return signer.Token(c)
	}
	for _, c := range []struct {
		name, token string
		reason      oidc.Reason
	}{
		{"as Google's", signer.Token(good), ""},
		{"a stranger's", stranger.Token(good), oidc.ReasonKey},
		{"nobody's", signer.Token(tasktest.Claims{}), oidc.ReasonAudience},
		{"unverified", with(func(c *tasktest.Claims) { c.Unverified = true }), oidc.ReasonUnverified},
		{"another issuer", with(func(c *tasktest.Claims) { c.Issuer = "https://issuer.example.com" }), oidc.ReasonIssuer},
		{"to come", with(func(c *tasktest.Claims) { c.IssuedAt = time.Now().Add(time.Hour) }), oidc.ReasonEarly},
		{"an hour after it was made", with(func(c *tasktest.Claims) { c.IssuedAt = time.Now().Add(-2 * time.Hour) }), oidc.ReasonExpired},
		{"over", with(func(c *tasktest.Claims) { c.Expires = time.Now().Add(-time.Hour) }), oidc.ReasonExpired},
		{"a claim of another type", with(func(c *tasktest.Claims) { c.Other = map[string]any{"email_verified": "true"} }), oidc.ReasonMalformed},
		{"a claim left out", with(func(c *tasktest.Claims) { c.Other = map[string]any{"iss": nil} }), oidc.ReasonIssuer},
		{"a claim more", with(func(c *tasktest.Claims) { c.Other = map[string]any{"hd": "example.com"} }), ""},
	} {
		before := ran
		res := tasktest.Run(t, task, Welcome{UserID: 7, Email: "ana@example.com"}, tasktest.With(rec), tasktest.WithToken(c.token))
		if c.reason == "" {
			if res.HTTPStatus != 200 || ran != before+1 {
				t.Errorf("%s: answered with %d: %v", c.name, res.HTTPStatus, res.Err)
			}
			continue
		}
		if refused, _ := errors.AsType[*oidc.Error](res.Err); res.HTTPStatus != 401 || refused == nil || refused.Reason != c.reason || ran != before {
			t.Errorf("%s: answered with %d: %v, want 401 and the reason %s", c.name, res.HTTPStatus, res.Err, c.reason)
		}
	}
}

func TestSigner_AsKeyServer(t *testing.T) {
	t.Parallel()
	signer := tasktest.NewSigner(t)
	server := httptest.NewServer(signer)
	t.Cleanup(server.Close)
	auth, err := oidc.New(oidc.Audience(signedFor), oidc.ServiceAccount(signedBy), oidc.KeysURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	r := tasktest.Request(t, SendWelcome, Welcome{}, tasktest.WithToken(signer.Token(tasktest.Claims{Audience: signedFor, Email: signedBy})))
	if err := auth.Authenticate(r); err != nil {
		t.Error(err)
	}
}

func TestSigner_Client_AnswersAtAnyAddress_AndSendsNothing(t *testing.T) {
	t.Parallel()
	client := tasktest.NewSigner(t).Client()
	res, err := client.Get(oidc.DefaultKeysURL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || !json.Valid(body) || !strings.Contains(res.Header.Get("Cache-Control"), "max-age") {
		t.Errorf("got %s, %v, %v", body, res.Header, err)
	}
	if _, err := client.Post("https://shop.example.com", "text/plain", strings.NewReader("x")); err == nil {
		t.Error("a body was sent")
	}
}

func TestWithToken_IsOnPushesToo(t *testing.T) {
	t.Parallel()
	sub := pubsub.NewSubscriber(func(context.Context, pubsub.Message[Order]) error { return nil }, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	r := tasktest.PushRequest(t, sub, pubsub.Message[Order]{}, tasktest.WithToken("a.b.c"))
	if got := r.Header.Get("Authorization"); got != "Bearer a.b.c" {
		t.Errorf("Authorization is %q", got)
	}
}

func TestSigner_ClaimsThatDoNotEncode_FailTheTest(t *testing.T) {
	t.Parallel()
	said := mustFail(t, func(t testing.TB) {
		tasktest.NewSigner(t).Token(tasktest.Claims{Other: map[string]any{"x": func() {}}})
	})
	if !strings.Contains(said, "Claims.Other does not encode") {
		t.Errorf("failed with %q", said)
	}
}

func signedAuth(t *testing.T, s *tasktest.Signer) tasks.Authenticator {
	t.Helper()
	auth, err := oidc.New(oidc.Audience(signedFor), oidc.ServiceAccount(signedBy), oidc.HTTPClient(s.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return auth
}
