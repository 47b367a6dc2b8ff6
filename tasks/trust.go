package tasks

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

// TrustNetwork returns an Authenticator that lets everybody in. It is for an App that strangers cannot reach: behind
// Cloud Run's or a gateway's own check, or on a private network. It does what a nil Authenticator does, and says that
// it is meant.
func TrustNetwork() Authenticator { return trustNetwork{} }

type trustNetwork struct{}

func (trustNetwork) Authenticate(*http.Request) error { return nil }

func (trustNetwork) String() string { return "TrustNetwork()" }

// warnUnguarded tells once that anybody may run tasks.
func (a *App) warnUnguarded(ctx context.Context) {
	if a.unguarded.Swap(false) {
		a.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "tasks: Config.Authenticator is not set: whoever reaches the endpoint can run tasks:"+
			" set it to oidc.New of transport/oidc, or to tasks.TrustNetwork() if something in front decides who may",
			slog.String("endpoint", a.cfg.Endpoint))
	}
}

// accepter is an Authenticator that knows the audiences which it lets in.
type accepter interface{ Accepts(audience string) bool }

// warnAudience tells that the App's own tasks will be refused when they come back.
func (a *App) warnAudience() {
	c, ok := a.cfg.Authenticator.(accepter)
	if ok && a.cfg.Audience != "" && !c.Accepts(a.cfg.Audience) {
		a.cfg.Logger.Warn("tasks: tokens are made for Config.Audience, which Config.Authenticator does not accept: every push will be answered with 401:"+
			" give oidc.Audience the same value", "audience", a.cfg.Audience)
	}
}

// isLoopback reports whether an endpoint can be reached from this machine alone.
func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// isLocalBroker reports whether no broker pushes from outside this process.
func isLocalBroker(b transport.Broker) bool {
	if b == nil {
		return true
	}
	_, err := transport.BrokerAs[transport.Server](b)
	return err == nil
}
