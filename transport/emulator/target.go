package emulator

import (
	"encoding/binary"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport"
)

// target is what an HTTP request says beside URL, headers and body. The engine keeps it as the task's Audience,
// which is any text to it and is kept once for all tasks that share it.
type target struct {
	method cloudtaskspb.HttpMethod
	auth   authKind
	email  string
	scope  string   // of an OAuth token; the audience of an OIDC token
	odd    []string // header names that are not written in the canonical way, which is how the engine keeps them
}

type authKind byte

const (
	noAuth authKind = iota
	oidcAuth
	oauthAuth
)

// targetOf takes the target out of a request. The User-Agent, which every stored task has, is left out.
func targetOf(r *cloudtaskspb.HttpRequest) target {
	t := target{method: r.HttpMethod}
	switch a := r.AuthorizationHeader.(type) {
	case *cloudtaskspb.HttpRequest_OidcToken:
		t.auth, t.email, t.scope = oidcAuth, a.OidcToken.GetServiceAccountEmail(), a.OidcToken.GetAudience()
	case *cloudtaskspb.HttpRequest_OauthToken:
		t.auth, t.email, t.scope = oauthAuth, a.OauthToken.GetServiceAccountEmail(), a.OauthToken.GetScope()
	}
	for name := range r.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) != name {
			t.odd = append(t.odd, name)
		}
	}
	slices.Sort(t.odd)
	return t
}

// encode is the inverse of decodeTarget.
func (t target) encode() string {
	b := make([]byte, 0, 2+2*binary.MaxVarintLen16+len(t.email)+len(t.scope))
	b = append(b, byte(t.method), byte(t.auth))
	if t.auth != noAuth || len(t.odd) > 0 {
		b = appendText(appendText(b, t.email), t.scope)
	}
	for _, name := range t.odd {
		b = appendText(b, name)
	}
	return string(b)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeTarget reads what encode wrote.
func decodeTarget(s string) target {
	if len(s) < 2 {
		return target{method: cloudtaskspb.HttpMethod_POST}
	}
	t := target{method: cloudtaskspb.HttpMethod(s[0]), auth: authKind(s[1])}
	s = s[2:]
	t.email, s = cutText(s)
	t.scope, s = cutText(s)
	for s != "" {
		var name string
		name, s = cutText(s)
		t.odd = append(t.odd, name)
	}
	return t
}

func cutText(s string) (first, rest string) {
	n, used := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if used <= 0 || n > uint64(len(s)-used) {
		return "", ""
	}
	return s[used : used+int(n)], s[used+int(n):]
}

// toEngine returns the task as the engine keeps it. Name, times and settings are the caller's to fill in.
func toEngine(r *cloudtaskspb.HttpRequest) *transport.Task {
	t := &transport.Task{URL: r.Url, Body: r.Body, Audience: targetOf(r).encode()}
	if len(r.Headers) > 1 { // more than the User-Agent
		t.Header = make(http.Header, len(r.Headers)-1)
		for name, value := range r.Headers {
			if name != userAgentHeader {
				t.Header[name] = []string{value}
			}
		}
	}
	return t
}

// fromEngine is the inverse of toEngine.
func fromEngine(t *transport.Task) *cloudtaskspb.HttpRequest {
	to := decodeTarget(t.Audience)
	r := &cloudtaskspb.HttpRequest{Url: t.URL, HttpMethod: to.method, Body: t.Body, Headers: make(map[string]string, len(t.Header)+1)}
	for name, values := range t.Header {
		r.Headers[to.spelled(name)] = strings.Join(values, ", ")
	}
	r.Headers[userAgentHeader] = userAgent
	switch to.auth {
	case oidcAuth:
		r.AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{
			OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: to.email, Audience: to.scope},
		}
	case oauthAuth:
		r.AuthorizationHeader = &cloudtaskspb.HttpRequest_OauthToken{
			OauthToken: &cloudtaskspb.OAuthToken{ServiceAccountEmail: to.email, Scope: to.scope},
		}
	}
	return r
}

// spelled returns a header's name as the task was created with.
func (t target) spelled(canonical string) string {
	for _, name := range t.odd {
		if strings.EqualFold(name, canonical) {
			return name
		}
	}
	return canonical
}
