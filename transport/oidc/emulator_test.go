package oidc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

const (
	emulatorURL    = "http://localhost:8124/oauth2/v3/certs"
	emulatorAdvice = "; the tokens of an emulator need oidc.KeysURL"
)

// Whose key is missing learns what an emulator's tokens need, where one may have made it and Google was asked.
func TestAuthenticate_EmulatorsTokenWithoutItsKey_LogTellsOfKeysURL(t *testing.T) {
	emulator := signer{stranger().key, "emulator-1f2e"}
	elsewhere := oidc.KeysURL(emulatorURL)
	ofEmulator := map[string]any{"email": "tasks@emulator.iam.gserviceaccount.com"}
	for _, c := range []struct {
		name    string
		token   string
		answer  func(*http.Request) (*http.Response, error)
		opts    []oidc.Option
		reason  oidc.Reason
		advised bool
	}{
		{"by its key, of a real account", emulator.token(nil), serves(google()), nil, oidc.ReasonKey, true},
		{"of its account", rotated().token(ofEmulator), serves(google()), nil, oidc.ReasonKey, true},
		{"keys are down", emulator.token(ofEmulator), down, nil, oidc.ReasonNoKeys, true},
		{"with claims that do not read", emulator.sign(emulator.header(nil), "no claims"), serves(google()), nil, oidc.ReasonKey, true},
		{"Google's by a key not known", rotated().token(nil), serves(google()), nil, oidc.ReasonKey, false},
		{"Google's while keys are down", google().token(nil), down, nil, oidc.ReasonNoKeys, false},
		{"of an account that ends alike", rotated().token(map[string]any{"email": "tasks@my-emulator.iam.gserviceaccount.com"}), serves(google()), nil, oidc.ReasonKey, false},
		{"KeysURL is set, to another's key", emulator.token(ofEmulator), serves(google()), []oidc.Option{elsewhere}, oidc.ReasonKey, false},
		{"KeysURL is set, and down", emulator.token(ofEmulator), down, []oidc.Option{elsewhere}, oidc.ReasonNoKeys, false},
		{"its account, by Google's key", google().token(ofEmulator), serves(google()), nil, oidc.ReasonAccount, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, newAuth(t, append(c.opts, newKeyServer(c.answer).client())...))
			status := http.StatusUnauthorized
			if c.reason == oidc.ReasonAccount {
				status = http.StatusForbidden
			}
			got := e.push(t, bearer(c.token))
			if got != answered(status) {
				t.Errorf("answered with %+v, want %+v and no more", got, answered(status))
			}
			if said := e.logs.taken(); !strings.Contains(said, "oidc: "+string(c.reason)) || strings.Contains(said, emulatorAdvice) != c.advised {
				t.Errorf("logged %s, want the reason %s and advice: %t", said, c.reason, c.advised)
			}
		})
	}
}

func TestAuthenticate_KeysOfAWrongAddress_AreToldWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   string
	}{
		"404":      {says(http.StatusNotFound, ""), "oidc: keys_unavailable: kid: " + emulatorURL + " answered with status 404, want 200"},
		"no keys":  {says(http.StatusOK, "{}"), "oidc: keys_unavailable: kid: " + emulatorURL + ": the answer has no RSA key"},
		"no JSON":  {says(http.StatusOK, "hello"), "oidc: keys_unavailable: kid: " + emulatorURL + ": the answer is no JWK set"},
		"not ours": {serves(rotated()), `oidc: unknown_key: kid is "key-1", want "a key of ` + emulatorURL + `"`},
	} {
		auth := newAuth(t, newKeyServer(c.answer).client(), oidc.KeysURL(emulatorURL))
		if err := auth.Authenticate(request("Bearer " + google().token(nil))); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}
