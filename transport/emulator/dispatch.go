package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// dispatcher sends tasks to their targets over HTTP.
type dispatcher struct {
	client *http.Client
	queues *registry
	tokens *tokens
	log    *slog.Logger
	warn   warnings
}

const (
	// idleTimeout is short, because net/http's Shutdown waits five seconds for a connection that never carried a
	// request, and dialing ahead of need leaves some.
	idleTimeout = time.Second
	// mostIdle keeps the connection of every dispatch that may run at a time by default: with Go's own limit of
	// two per host, nearly every request of a busy queue would open another.
	mostIdle   = transport.DefaultConcurrentDispatches
	mostAnswer = 1 << 20 // of a body is read, so that its connection can be used again
)

// newClient is what tasks are dispatched, messages pushed and jobs fired with. It follows redirects as Go does: up to
// ten, a 301, 302 or 303 with a GET.
func newClient() *http.Client {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: mostIdle,
		IdleConnTimeout:     idleTimeout,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // a header that Cloud Tasks does not send
	}
	return &http.Client{Transport: t}
}

// dispatch is one attempt at a task, or the notice that it was given up.
func (d *dispatcher) dispatch(ctx context.Context, t *transport.Delivery) (status int, retryAfter time.Duration, err error) {
	if t.Exhausted {
		d.log.Warn("task given up", "queue", t.Queue, "task", t.ID, "attempts", t.Attempt, "status", t.PreviousResponse)
		return http.StatusOK, 0, nil
	}
	began := time.Now()
	status, retryAfter, err = d.send(ctx, t)
	if d.log.Enabled(ctx, slog.LevelDebug) {
		d.log.Debug("task dispatched", said("queue", t.Queue, "task", t.ID, "attempt", t.Attempt, "url", t.URL,
			"status", status, "took", time.Since(began), "error", err)...)
	} else if status < 200 || status > 299 {
		d.warn.log(d.log, "attempt failed", "queue", t.Queue, "task", t.ID, "attempt", t.Attempt, "url", t.URL, "status", status, "error", err)
	}
	return status, retryAfter, err
}

func (d *dispatcher) send(ctx context.Context, t *transport.Delivery) (status int, retryAfter time.Duration, err error) {
	req, err := d.request(ctx, t)
	if err != nil {
		return unanswered(ctx, err)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return unanswered(ctx, err)
	}
	defer res.Body.Close()
	// What the answer says does not matter, but its end does: a worker that dies halfway has not answered.
	if _, err := io.CopyN(io.Discard, res.Body, mostAnswer); err != nil && !errors.Is(err, io.EOF) {
		return unanswered(ctx, err)
	}
	return res.StatusCode, parseRetryAfter(res.Header.Get("Retry-After"), time.Now()), nil
}

// unanswered is the outcome of an attempt without an answer: DeadlineExceeded or Unavailable in terms of HTTP.
func unanswered(ctx context.Context, cause error) (int, time.Duration, error) {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return http.StatusGatewayTimeout, 0, fmt.Errorf("%w: %w", engine.ErrUnanswered, cause)
	case context.Canceled: // the emulator ends
		return http.StatusServiceUnavailable, 0, fmt.Errorf("%w: %w", engine.ErrBrokenOff, cause)
	default:
		return http.StatusServiceUnavailable, 0, fmt.Errorf("%w: %w", engine.ErrUnanswered, cause)
	}
}

// request builds what is sent, from the task and what its queue overrides.
func (d *dispatcher) request(ctx context.Context, t *transport.Delivery) (*http.Request, error) {
	to := decodeTarget(t.Audience)
	u, err := url.Parse(encodeURL(t.URL))
	if err != nil {
		return nil, err
	}
	var over *cloudtaskspb.HttpTarget
	if q := d.queues.get(t.Queue); q != nil && q.HttpTarget != nil {
		over = q.HttpTarget
		overrideURL(u, over.UriOverride)
		if over.HttpMethod != cloudtaskspb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
			to.method = over.HttpMethod
		}
		overrideAuth(&to, over)
	}
	var body io.Reader
	if len(t.Body) > 0 && hasBody(to.method) {
		body = bytes.NewReader(t.Body)
	}
	req, err := http.NewRequestWithContext(ctx, to.method.String(), u.String(), body)
	if err != nil {
		return nil, err
	}
	setHeaders(req.Header, t, over)
	if body != nil && over != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, d.authorize(req, to)
}

// authorize replaces what the sender set by the token that he asked for.
func (d *dispatcher) authorize(req *http.Request, to target) error {
	if to.auth == noAuth {
		return nil
	}
	if to.auth == oidcAuth && to.scope == "" {
		to.scope = req.URL.String() // with its query, as the service does it
	}
	token, err := d.tokens.token(to.auth, to.email, to.scope)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

func overrideAuth(to *target, over *cloudtaskspb.HttpTarget) {
	switch a := over.AuthorizationHeader.(type) {
	case *cloudtaskspb.HttpTarget_OidcToken:
		to.auth, to.email, to.scope = oidcAuth, a.OidcToken.GetServiceAccountEmail(), a.OidcToken.GetAudience()
	case *cloudtaskspb.HttpTarget_OauthToken:
		to.auth, to.email, to.scope = oauthAuth, a.OauthToken.GetServiceAccountEmail(), a.OauthToken.GetScope()
	}
}

// parseRetryAfter reads seconds or a date; 0 for anything else.
func parseRetryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(s); err == nil {
		return min(time.Duration(max(seconds, 0)), transport.MaxLifetime/time.Second) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
