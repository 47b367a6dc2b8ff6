package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// pushAgent is what pushes call themselves.
const pushAgent = "APIs-Google"

// pusher sends messages to the endpoints of push subscriptions over HTTP.
type pusher struct {
	client *http.Client
	tokens *tokens
	log    *slog.Logger
	warn   warnings
}

func newPusher(client *http.Client, t *tokens, log *slog.Logger) *pusher {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // which is a nack
	return &pusher{client: &own, tokens: t, log: log}
}

// push is a broker.Pusher.
func (p *pusher) push(ctx context.Context, s *transport.Subscription, m *transport.Message) error {
	began := time.Now()
	status, err := p.send(ctx, s.Push, m)
	if err == nil && !serving.Acknowledges(status) {
		err = fmt.Errorf("the endpoint answered %d", status)
	}
	if p.log.Enabled(ctx, slog.LevelDebug) {
		p.log.Debug("message pushed", said("subscription", s.Name, "message", m.ID, "attempt", m.DeliveryAttempt, "url", s.Push.Endpoint,
			"status", status, "took", time.Since(began), "error", err)...)
	} else if err != nil {
		p.warn.log(p.log, "push failed", "subscription", s.Name, "message", m.ID, "attempt", m.DeliveryAttempt, "url", s.Push.Endpoint,
			"status", status, "error", err)
	}
	return err
}

// send returns the status of the answer. 102 is one where nothing else has come after it.
func (p *pusher) send(ctx context.Context, to *transport.PushConfig, m *transport.Message) (status int, err error) {
	var processing atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		if code == http.StatusProcessing {
			processing.Store(true)
		}
		return nil
	}})
	req, err := p.request(ctx, to, m)
	if err != nil {
		return 0, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		if processing.Load() {
			return http.StatusProcessing, nil
		}
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, mostAnswer); err != nil && !errors.Is(err, io.EOF) {
		return 0, err // an endpoint that dies halfway has not answered
	}
	return res.StatusCode, nil
}

func (p *pusher) request(ctx context.Context, to *transport.PushConfig, m *transport.Message) (*http.Request, error) {
	u, err := url.Parse(encodeURL(to.Endpoint))
	if err != nil {
		return nil, err
	}
	body, header := m.Data, http.Header{}
	switch {
	case !to.Unwrapped:
		body = pushwire.Body(m)
	case to.WriteMetadata:
		header = pushwire.Header(m)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		if !headers.OfTasks(name) {
			req.Header[name] = values
		}
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set(userAgentHeader, pushAgent)
	return req, p.authorize(req, to)
}

func (p *pusher) authorize(req *http.Request, to *transport.PushConfig) error {
	if to.ServiceAccount == "" {
		return nil
	}
	audience := to.Audience
	if audience == "" {
		audience = to.Endpoint
	}
	token, err := p.tokens.token(oidcAuth, to.ServiceAccount, audience)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}
