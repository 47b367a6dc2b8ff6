package oidc_test

import (
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/typedtasks/typedtasks/transport/oidc"
)

// FuzzAuthenticate: only what the signer signed is let in, letter for letter, and whatever else comes is refused by an
// error of one line that does not hold the token.
func FuzzAuthenticate(f *testing.F) {
	google, stranger := signer{sameKey(), "key-1"}, stranger()
	server := newKeyServer(serves(google))
	auth := newAuth(f, server.client())
	hour := time.Now().Truncate(time.Hour) // the processes that fuzz make the same tokens, and take their time
	day := map[string]any{"iat": hour.Unix(), "exp": hour.Add(24 * time.Hour).Unix()}
	signed := map[string]bool{}
	for i := range 3 {
		day["n"] = i
		signed[google.token(day)] = true
	}
	if err := auth.Authenticate(request()); err == nil {
		f.Fatal("let in without a token")
	}
	for token := range signed {
		f.Add("Bearer " + token)
		f.Add("bearer " + token)
		f.Add("Bearer " + token[:len(token)/2])
		f.Add("Bearer " + strings.ToUpper(token))
		f.Add("Bearer " + token + "=")
		f.Add("Bearer " + strings.Replace(token, ".", "..", 1))
		f.Add(token)
	}
	f.Add("Bearer " + stranger.token(day))
	f.Add("Bearer " + google.sign(google.header(map[string]any{"alg": "none"}), goodClaims(day)))
	f.Add("Bearer " + google.sign(google.header(map[string]any{"jwk": stranger.jwk(), "x5c": []string{"AAAA"}}), goodClaims(day)))
	f.Add("Bearer " + google.sign(google.header(map[string]any{"crit": []string{"b64"}, "b64": false}), goodClaims(day)))
	f.Add("Bearer " + google.sign([]byte("null"), []byte("[]")))
	f.Add("Bearer ..")
	f.Fuzz(func(t *testing.T, authorization string) {
		err := auth.Authenticate(request(authorization))
		scheme, token, _ := strings.Cut(authorization, " ")
		if want := strings.EqualFold(scheme, "bearer") && signed[token]; (err == nil) != want {
			t.Fatalf("%q: %v, want it let in: %t", authorization, err, want)
		}
		checkRefusal(t, err, token)
	})
}

// FuzzClaims: whatever claims are let in say what they must when they are read by another reader.
func FuzzClaims(f *testing.F) {
	auth, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), oidc.ServiceAccount(account))
	if err != nil {
		f.Fatal(err)
	}
	day := map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}
	good := string(mustJSON(goodClaims(day)))
	if err := auth.Authenticate(request(handOn([]byte(good)))); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "{", `{"aud":"x",`, 1)))
	f.Add([]byte(strings.Replace(good, `"email_verified":true`, `"email_verified":"true"`, 1)))
	f.Add([]byte(strings.Replace(good, `"email"`, `"EMAIL"`, 1)))
	f.Add([]byte(strings.Replace(good, `"aud":"`+audience+`"`, `"aud":["`+audience+`"]`, 1)))
	f.Add([]byte(strings.Replace(good, `"exp":`, `"exp":9999999999999`, 1)))
	f.Add([]byte(strings.Replace(good, `"exp":`, `"exp":0.5e1`, 1)))
	f.Add([]byte(strings.Replace(good, `{`, `{"nbf":1732415400.75,`, 1)))
	f.Add([]byte(strings.Replace(good, `{`, `{"nbf":null,`, 1)))
	f.Add([]byte(`{"iss":null,"aud":7,"exp":1e300}`))
	f.Add([]byte("null"))
	f.Add([]byte("[[[[[["))
	f.Fuzz(func(t *testing.T, payload []byte) {
		authorization := handOn(payload)
		err := auth.Authenticate(request(authorization))
		checkRefusal(t, err, authorization)
		if err != nil {
			return
		}
		var c map[string]any
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatalf("%s was let in: %v", payload, err)
		}
		now := time.Now()
		expires, _ := c["exp"].(float64)
		for _, name := range []string{"iat", "nbf"} {
			begins, number := c[name].(float64)
			if _, there := c[name]; there && (!number || begins <= 0 || begins > float64(now.Add(time.Minute).Unix())) {
				t.Fatalf("%s was let in, with %s %v", payload, name, c[name])
			}
		}
		if iss := c["iss"]; iss != "https://accounts.google.com" && iss != "accounts.google.com" || c["aud"] != audience ||
			c["email"] != account || c["email_verified"] != true || expires < float64(now.Add(-time.Minute).Unix()) {
			t.Fatalf("%s was let in", payload)
		}
	})
}

// sameKey is the same in each process: the seeds of one are good tokens to another.
func sameKey() *rsa.PrivateKey {
	random, e := rand.NewChaCha8([32]byte{}), big.NewInt(65537)
	prime := func() *big.Int {
		b := make([]byte, 128)
		for {
			_, _ = random.Read(b)
			b[0] |= 0b11000000
			b[127] |= 1
			if p := new(big.Int).SetBytes(b); p.ProbablyPrime(20) && new(big.Int).Mod(p, e).Cmp(big.NewInt(1)) != 0 {
				return p
			}
		}
	}
	p, q, one := prime(), prime(), big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q}}
	key.Precompute()
	if err := key.Validate(); err != nil {
		panic(err)
	}
	return key
}

func handOn(payload []byte) string {
	return "Bearer " + handedOn(google().header(nil), payload)
}

func checkRefusal(t *testing.T, err error, token string) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if strings.ContainsFunc(text, unicode.IsControl) || len(text) > 2000 {
		t.Fatalf("%q is not for a log", text)
	}
	if signature := token[strings.LastIndexByte(token, '.')+1:]; len(signature) > 40 && strings.Contains(text, signature) {
		t.Fatalf("%q holds the token", text)
	}
}
