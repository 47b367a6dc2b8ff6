package oidc

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Option is for [New].
type Option interface{ apply(*settings) }

// ClaimOption is an Option about what a token says: it is for [UnverifiedBehindCloudRun] too.
type ClaimOption interface {
	Option
	aboutClaims()
}

// Audience sets whom tokens must be made for: what Config.Audience of the App is, scheme and host of its endpoint by
// default. Of several, a token has one. The comparison is letter for letter.
func Audience(audiences ...string) ClaimOption { return audienceOption(audiences) }

// ServiceAccount sets whose tokens are let in, by e-mail address: of the account that tasks, jobs or subscriptions are
// set up with. Of several, any. The comparison is letter for letter.
func ServiceAccount(emails ...string) ClaimOption { return accountOption(emails) }

// Leeway is how far the clock may be off when expiry and the other times are checked, 0 to 5 minutes. Default: 10 s.
func Leeway(d time.Duration) ClaimOption { return leewayOption(d) }

// KeysURL is where the keys are, as a JWK set: for an emulator, whose tokens Google's keys do not fit. tasks-emulator
// -http-port 8124 serves its key at http://localhost:8124/oauth2/v3/certs (emulator.CertsPath). Empty, and default:
// [DefaultKeysURL].
//
// Whoever can answer for that address can let himself in, so it begins with https://. http:// is for an emulator on this
// machine or among its containers: [New] takes it with localhost, a loopback address, a name without dots such as
// "emulator", or host.docker.internal.
func KeysURL(url string) Option { return keysURLOption(url) }

// HTTPClient fetches the keys; it is asked for nothing else, and follows no redirects then. Default: one of its own,
// which heeds the proxy settings of the environment.
func HTTPClient(c *http.Client) Option { return clientOption{c} }

// Logger is told when keys cannot be fetched. Default: slog.Default(). Refused requests are the App's to log.
func Logger(l *slog.Logger) Option { return loggerOption{l} }

const (
	defaultLeeway = 10 * time.Second
	maxLeeway     = 5 * time.Minute
)

// settings are what options come to.
type settings struct {
	rules   rules
	keysURL string
	client  *http.Client
	logger  *slog.Logger
}

type (
	audienceOption []string
	accountOption  []string
	leewayOption   time.Duration
	keysURLOption  string
	clientOption   struct{ *http.Client }
	loggerOption   struct{ *slog.Logger }
)

func (o audienceOption) apply(s *settings) { s.rules.audiences = append(s.rules.audiences, o...) }
func (o accountOption) apply(s *settings)  { s.rules.accounts = append(s.rules.accounts, o...) }
func (o leewayOption) apply(s *settings)   { s.rules.leeway = time.Duration(o) }
func (o keysURLOption) apply(s *settings)  { s.keysURL = cmp.Or(string(o), DefaultKeysURL) }
func (o clientOption) apply(s *settings)   { s.client = o.Client }
func (o loggerOption) apply(s *settings)   { s.logger = o.Logger }

func (audienceOption) aboutClaims() {}
func (accountOption) aboutClaims()  {}
func (leewayOption) aboutClaims()   {}

// newSettings applies options and fills in defaults, or returns all that is wrong.
func newSettings(opts []Option) (settings, error) {
	s := settings{rules: rules{leeway: defaultLeeway}, keysURL: DefaultKeysURL}
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("oidc: "+format, args...)) }
	for i, o := range opts {
		if o == nil {
			problem("option %d is nil: leave it out", i+1)
			continue
		}
		o.apply(&s)
	}
	switch {
	case len(s.rules.audiences) == 0:
		problem("no audience: set whom the tokens are made for, such as oidc.Audience(%q)", "https://shop.example.com")
	case slices.Contains(s.rules.audiences, ""):
		problem("Audience is given an empty text: set whom the tokens are made for")
	}
	if len(s.rules.accounts) == 0 {
		problem("no service account: set whose tokens are let in, such as oidc.ServiceAccount(%q)", "tasks@my-project.iam.gserviceaccount.com")
	}
	for _, email := range s.rules.accounts {
		if user, host, ok := strings.Cut(email, "@"); !ok || user == "" || host == "" || strings.ContainsAny(email, " \t\r\n") {
			problem("ServiceAccount(%q): want an e-mail address", email)
		}
	}
	if s.rules.leeway < 0 || s.rules.leeway > maxLeeway {
		problem("Leeway(%s) is outside 0 to %s", s.rules.leeway, maxLeeway)
	}
	if wrong := checkKeysURL(s.keysURL); wrong != "" {
		problem("KeysURL(%q): %s", s.keysURL, wrong)
	}
	return s, errors.Join(errs...)
}

// checkKeysURL says what is wrong with it, "" if nothing is.
func checkKeysURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "want a URL with scheme and host: https://..., or http://localhost:8124/oauth2/v3/certs for the emulator"
	case u.Scheme == "http" && !isNear(u.Hostname()):
		return `over plain HTTP others can put their keys in its place: want https://, or http:// with localhost, a loopback address, ` +
			`a name without dots such as "emulator", or host.docker.internal`
	}
	return ""
}

// isNear reports whether a host is this machine, or a container's neighbour. A name without dots begins with a letter:
// resolvers take a number for an address.
func isNear(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "host.docker.internal" || 'a' <= host[0] && host[0] <= 'z' && !strings.Contains(host, ".")
}
