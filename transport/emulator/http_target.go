package emulator

import (
	"net/url"
	"strconv"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// checkHTTPTarget refuses queue-level routing that the service refuses.
func checkHTTPTarget(t *cloudtaskspb.HttpTarget) error {
	if u := t.GetUriOverride(); u != nil {
		switch {
		case u.Host != nil && *u.Host == "":
			return invalid("UriOverride.host cannot be empty.")
		case u.Port != nil && (*u.Port < 0 || *u.Port > 65535):
			return invalid("UriOverride.port must be between 0 and 65535.")
		}
	}
	if _, known := cloudtaskspb.HttpMethod_name[int32(t.GetHttpMethod())]; !known {
		return invalid("HttpTarget.httpMethod %d is not valid.", t.GetHttpMethod())
	}
	for _, o := range t.GetHeaderOverrides() {
		if h := o.GetHeader(); !isToken(h.GetKey()) || !isFieldValue(h.GetValue()) {
			return invalid("HttpTarget.headerOverrides: %q is not a valid header.", h.GetKey())
		}
	}
	if o := t.GetOauthToken(); o != nil && (o.ServiceAccountEmail == "" || o.Scope == "") {
		return invalid("HttpTarget.oauthToken: both serviceAccountEmail and scope must be specified.")
	}
	if o := t.GetOidcToken(); o != nil && (o.ServiceAccountEmail == "" || o.Audience == "") {
		return invalid("HttpTarget.oidcToken: both serviceAccountEmail and audience must be specified.")
	}
	return nil
}

// overrideURL applies a queue's override to a task's URL.
func overrideURL(u *url.URL, o *cloudtaskspb.UriOverride) {
	if o == nil {
		return
	}
	always := o.UriOverrideEnforceMode != cloudtaskspb.UriOverride_IF_NOT_EXISTS
	if o.Scheme != nil && always { // a task's URL always has scheme and host
		u.Scheme = "https"
		if *o.Scheme == cloudtaskspb.UriOverride_HTTP {
			u.Scheme = "http"
		}
	}
	host, port := u.Hostname(), u.Port()
	if o.Host != nil && always {
		host = *o.Host
	}
	if o.Port != nil && (always || port == "") {
		port = ""
		if *o.Port != 0 {
			port = strconv.FormatInt(*o.Port, 10)
		}
	}
	u.Host = joinHostPort(host, port)
	if o.PathOverride != nil && (always || u.Path == "") {
		setPath(u, o.PathOverride.Path)
	}
	if o.QueryOverride != nil && (always || u.RawQuery == "") {
		u.RawQuery = encodeURL(o.QueryOverride.QueryParams)
	}
}

func setPath(u *url.URL, path string) {
	if path != "" && path[0] != '/' {
		path = "/" + path
	}
	u.Path, u.RawPath = path, ""
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
	}
}

func joinHostPort(host, port string) string {
	for i := range len(host) {
		if host[i] == ':' { // IPv6
			host = "[" + host + "]"
			break
		}
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}
