package service

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/auth/credentials/idtoken"

	"github.com/typedtasks/typedtasks/tasks"
)

// Authenticator lets in who carries an OIDC token of one service account, made for this service. Cloud Tasks puts
// such a token on every delivery. Anyone at all can send the other headers of Cloud Tasks: they prove nothing.
//
// It implements tasks.Authenticator: no usable token is answered with 401, a token of another account with 403.
type Authenticator struct {
	account  string // e-mail address
	audience string // set by New: scheme and host of Config.Endpoint
	read     func(ctx context.Context, token, audience string) (*idtoken.Payload, error)
}

// certsTimeout is how long the keys may take to arrive. They are kept as long as their server allows.
const certsTimeout = 5 * time.Second

// VerifyTokens checks all of a token: signature, expiry and claims. It is right wherever anyone can reach the
// service. The keys come from certsURL, a JWK set; empty: from Google.
func VerifyTokens(account, certsURL string) (Authenticator, error) {
	validator, err := idtoken.NewValidator(&idtoken.ValidatorOptions{
		Client:        &http.Client{Timeout: certsTimeout},
		RS256CertsURL: certsURL,
	})
	if err != nil {
		return Authenticator{}, err
	}
	read := func(ctx context.Context, token, audience string) (*idtoken.Payload, error) {
		// Google signs tokens of service accounts by RS256. The validator takes ES256 too, whose keys are public
		// and with which a short signature makes it panic.
		if alg := algorithm(token); alg != "RS256" {
			return nil, fmt.Errorf("the token is signed by %q, not RS256", alg)
		}
		return validator.Validate(ctx, token, audience)
	}
	return Authenticator{account: account, read: read}, nil
}

// TrustCloudRun reads a token's claims and takes its signature on trust. It is for a service that was deployed with
// --no-allow-unauthenticated: Cloud Run has verified the token then, and hands it on without its signature, so that
// there is nothing left to verify. In any other place this is no check at all.
func TrustCloudRun(account string) Authenticator {
	read := func(_ context.Context, token, _ string) (*idtoken.Payload, error) {
		return idtoken.ParsePayload(token)
	}
	return Authenticator{account: account, read: read}
}

// Authenticate implements [tasks.Authenticator].
func (a *Authenticator) Authenticate(r *http.Request) (err error) {
	defer func() { // of a token that is JSON, but no object
		if p := recover(); p != nil {
			err = fmt.Errorf("the token is malformed: %v", p)
		}
	}()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errors.New("the request has no bearer token")
	}
	payload, err := a.read(r.Context(), token, a.audience)
	if err != nil {
		return err
	}
	return a.check(payload)
}

// check looks at what the validator leaves to its caller: that it is a token of Google's says only that it is some
// account's.
func (a *Authenticator) check(p *idtoken.Payload) error {
	email, _ := p.Claims["email"].(string)
	verified, _ := p.Claims["email_verified"].(bool)
	switch {
	case p.Issuer != "https://accounts.google.com" && p.Issuer != "accounts.google.com":
		return fmt.Errorf("the token was issued by %q, not by Google", p.Issuer)
	case p.Audience != a.audience || a.audience == "":
		return fmt.Errorf("the token was made for %q, not for %q", p.Audience, a.audience)
	case !verified:
		return fmt.Errorf("the token's address %q is not verified", email)
	case email != a.account || a.account == "":
		return fmt.Errorf("%w: the token is of %q, not of %q", tasks.ErrForbidden, email, a.account)
	}
	return nil
}

// algorithm is what a token says it is signed by, read as the validator reads it.
func algorithm(token string) string {
	head, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return ""
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if json.Unmarshal(b, &header) != nil {
		return ""
	}
	return header.Algorithm
}
