package oidc

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeysBody = 256 << 10 // Google's set takes about 1 KB
	minKeyBits  = 2048
	maxKeyBits  = 8192 // a longer one takes a millisecond and more for each signature

	defaultMaxAge = time.Hour
	minMaxAge     = time.Minute
	maxMaxAge     = 24 * time.Hour
)

// keysClient makes the client that fetches keys: the caller's, which stays as it is, or one that keeps no connection
// for hours. It follows no redirect: keys come from where they were said to be.
func keysClient(c *http.Client) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	} else {
		own.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// fetch asks for the keys, and how long they may be kept. It is an error if none is usable.
func (s *keySet) fetch(ctx context.Context) (_ map[string]*rsa.PublicKey, maxAge time.Duration, err error) {
	defer func() { // of a client that is not ours, in a goroutine where nobody else would catch it
		if p := recover(); p != nil {
			err = fmt.Errorf("the HTTP client panicked: %v", p)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("%s answered with status %d, want 200", s.url, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeysBody+1))
	if err != nil {
		return nil, 0, fmt.Errorf("the key server's answer: %w", err)
	}
	if len(body) > maxKeysBody {
		return nil, 0, fmt.Errorf("the key server's answer is longer than %d bytes", maxKeysBody)
	}
	found, err := readKeys(body)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", s.url, err)
	}
	return found, maxAgeOf(res.Header), nil
}

// readKeys returns the keys of a JWK set that are good for RS256, and leaves the others out.
func readKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the answer is no JWK set: %w", err)
	}
	byID := map[string]*rsa.PublicKey{}
	for _, text := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) != nil {
			continue
		}
		if key := usable(k); key != nil && byID[k.KeyID] == nil {
			byID[k.KeyID] = key
		}
	}
	if len(byID) == 0 {
		return nil, errors.New("the answer has no RSA key for RS256 of 2048 bits or more with an id")
	}
	return byID, nil
}

// usable is the key itself, nil if it does not serve.
func usable(k jose.JSONWebKey) *rsa.PublicKey {
	key, ok := k.Key.(*rsa.PublicKey) // a private one is not
	switch {
	case !ok, k.KeyID == "",
		k.Use != "" && k.Use != "sig",
		k.Algorithm != "" && k.Algorithm != string(jose.RS256),
		key.N.BitLen() < minKeyBits, key.N.BitLen() > maxKeyBits:
		return nil
	}
	return key
}

// maxAgeOf is how long an answer may be kept: max-age of Cache-Control less Age, within bounds.
func maxAgeOf(h http.Header) time.Duration {
	age := defaultMaxAge
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minMaxAge
		case "max-age":
			if d, ok := secondsOf(value); ok {
				age = d
			}
		}
	}
	spent, _ := secondsOf(h.Get("Age"))
	return min(max(age-spent, minMaxAge), maxMaxAge)
}

// secondsOf reads a number of seconds, of which more than there are in a year count as that.
func secondsOf(s string) (time.Duration, bool) {
	const year = 365 * 24 * 60 * 60
	n, err := strconv.ParseUint(strings.Trim(s, `"`), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(min(n, year)) * time.Second, true
}
