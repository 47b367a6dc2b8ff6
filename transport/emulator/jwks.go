package emulator

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
)

// Paths that Handler serves.
const (
	// CertsPath is where the keys are, as a JWK set. On Google's host it is the same.
	CertsPath = "/oauth2/v3/certs"
	// DiscoveryPath is where an OpenID provider describes itself.
	DiscoveryPath = "/.well-known/openid-configuration"
)

// Handler serves what verifies the OIDC tokens on tasks, pushes and jobs: the key at [CertsPath], and at [DiscoveryPath] a
// document that leads to it; at the root it names both. The issuer is Google's, https://accounts.google.com, as the tokens
// say: point the verifier of the worker at the key, by oidc.KeysURL, since Google's own keys do not fit.
func (e *Emulator) Handler() http.Handler {
	e.server.tokens.served.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", serveRoot)
	mux.HandleFunc("GET "+CertsPath, e.serveCerts)
	mux.HandleFunc("GET "+DiscoveryPath, serveDiscovery)
	return mux
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Kty string `json:"kty"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	N   string `json:"n"`
	E   string `json:"e"`
}

func (e *Emulator) serveCerts(w http.ResponseWriter, _ *http.Request) {
	key, err := e.server.tokens.public()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	w.Header().Set("Cache-Control", "public, max-age=3600")
	writeJSON(w, jwkSet{[]jwk{{
		Kty: "RSA", Alg: "RS256", Use: "sig", Kid: key.id,
		N: number(key.N), E: number(big.NewInt(int64(key.E))),
	}}})
}

// serveRoot is for who was given the address alone.
func serveRoot(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{
		"serves":        "the key of the emulator's OIDC tokens: jwks_uri is for oidc.KeysURL. Its APIs are on the port for gRPC.",
		"jwks_uri":      ownURL(r) + CertsPath,
		"discovery_uri": ownURL(r) + DiscoveryPath,
	})
}

func serveDiscovery(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{
		"issuer":                                issuer,
		"jwks_uri":                              ownURL(r) + CertsPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"aud", "azp", "email", "email_verified", "exp", "iat", "iss", "sub"},
	})
}

// ownURL is the root as the caller knows it.
func ownURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader may have gone
}
