// Package pushwire is the body and the headers of a Pub/Sub push, both ways: what subscribers read and what memory,
// the emulator and test kits write.
package pushwire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// The headers of an unwrapped push with metadata. Attributes are headers too, by their own names.
const (
	HeaderSubscription = "X-Goog-Pubsub-Subscription-Name"
	HeaderMessageID    = "X-Goog-Pubsub-Message-Id"
	HeaderPublishTime  = "X-Goog-Pubsub-Publish-Time"
	HeaderOrderingKey  = "X-Goog-Pubsub-Ordering-Key"
)

// envelope is the wrapped body. Pub/Sub writes some names in two spellings.
type envelope struct {
	Message *struct {
		Data         *string           `json:"data"`
		Attributes   map[string]string `json:"attributes"`
		MessageID    string            `json:"messageId"`
		MessageID2   string            `json:"message_id"`
		PublishTime  string            `json:"publishTime"`
		PublishTime2 string            `json:"publish_time"`
		OrderingKey  string            `json:"orderingKey"`
	} `json:"message"`
	Subscription    string `json:"subscription"`
	DeliveryAttempt int    `json:"deliveryAttempt"`
}

// Unwrapped reports whether the headers of a push name the message: its body is the data then.
func Unwrapped(h http.Header) bool {
	return len(h[HeaderMessageID]) > 0 || len(h[HeaderSubscription]) > 0
}

// Parse reads a push, unwrapped or wrapped. Nothing of the message refers to body.
func Parse(body []byte, h http.Header) (*transport.Message, error) {
	if Unwrapped(h) {
		return parseUnwrapped(body, h)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("the body is no Pub/Sub push: %w", err)
	}
	if e.Message == nil {
		return nil, errors.New(`the push has no "message": an unwrapped push needs its metadata, too (write_metadata)`)
	}
	m := &transport.Message{
		ID: or(e.Message.MessageID, e.Message.MessageID2), OrderingKey: e.Message.OrderingKey,
		Attributes: e.Message.Attributes, Subscription: e.Subscription, DeliveryAttempt: max(e.DeliveryAttempt, 0),
	}
	if e.Message.Data != nil {
		data, err := base64.StdEncoding.DecodeString(*e.Message.Data)
		if err != nil {
			return nil, fmt.Errorf(`"message.data" is no base64 of the standard alphabet: %w`, err)
		}
		m.Data = data
	}
	var err error
	m.PublishTime, err = parseTime(or(e.Message.PublishTime, e.Message.PublishTime2))
	if err != nil {
		return nil, fmt.Errorf(`"message.publishTime": %w`, err)
	}
	return m, nil
}

func parseUnwrapped(body []byte, h http.Header) (*transport.Message, error) {
	m := &transport.Message{
		ID: h.Get(HeaderMessageID), Subscription: h.Get(HeaderSubscription), OrderingKey: h.Get(HeaderOrderingKey),
		Data: append([]byte(nil), body...),
	}
	var err error
	if m.PublishTime, err = parseTime(h.Get(HeaderPublishTime)); err != nil {
		return nil, fmt.Errorf("%s: %w", HeaderPublishTime, err)
	}
	for name, vs := range h {
		if len(vs) == 0 || addedOnTheWay(name) {
			continue
		}
		if m.Attributes == nil {
			m.Attributes = make(map[string]string, len(h))
		}
		m.Attributes[strings.ToLower(name)] = vs[0] // HTTP has folded the case
	}
	return m, nil
}

// addedOnTheWay tells the headers of HTTP, the platform and proxies from those that are attributes.
func addedOnTheWay(canonical string) bool {
	switch canonical {
	case "Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Forwarded", "From",
		"Host", "Keep-Alive", "Proxy-Authorization", "Te", "Traceparent", "Tracestate", "Trailer", "Transfer-Encoding", "Upgrade",
		"User-Agent", "Via":
		return true
	}
	for _, prefix := range []string{"X-Goog-", "X-Google-", "X-Appengine-", "X-Forwarded-", "X-Envoy-", "X-Cloud-Trace-", "X-Serverless-",
		"X-Cloudtasks-", "X-Cloudscheduler", "Typedtasks-"} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return false
}

// Body is the wrapped body of a push of m, as Pub/Sub writes it.
func Body(m *transport.Message) []byte {
	type message struct {
		Attributes   map[string]string `json:"attributes,omitempty"`
		Data         []byte            `json:"data,omitempty"`
		MessageID    string            `json:"messageId"`
		MessageID2   string            `json:"message_id"`
		OrderingKey  string            `json:"orderingKey,omitempty"`
		PublishTime  string            `json:"publishTime,omitempty"`
		PublishTime2 string            `json:"publish_time,omitempty"`
	}
	e := struct {
		DeliveryAttempt int     `json:"deliveryAttempt,omitempty"`
		Message         message `json:"message"`
		Subscription    string  `json:"subscription,omitempty"`
	}{m.DeliveryAttempt, message{
		Attributes: m.Attributes, Data: m.Data, MessageID: m.ID, MessageID2: m.ID, OrderingKey: m.OrderingKey,
	}, m.Subscription}
	if !m.PublishTime.IsZero() {
		e.Message.PublishTime = m.PublishTime.UTC().Format(time.RFC3339Nano)
		e.Message.PublishTime2 = e.Message.PublishTime
	}
	b, _ := json.Marshal(e) // strings, bytes and numbers always encode
	return b
}

// Header is what an unwrapped push with metadata says beside the data. What would split a header, or is no
// header's name, is left out: HTTP cannot carry it. So is an attribute by a reserved name, metadata's among them.
func Header(m *transport.Message) http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if transport.CheckHeader(http.Header{name: {value}}) == nil {
			h.Set(name, value)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m.Attributes)) { // in order: HTTP folds the case of names
		if !headers.Reserved(textproto.CanonicalMIMEHeaderKey(k)) {
			set(k, m.Attributes[k])
		}
	}
	for name, value := range map[string]string{HeaderSubscription: m.Subscription, HeaderMessageID: m.ID, HeaderOrderingKey: m.OrderingKey} {
		if value != "" {
			set(name, value)
		}
	}
	if !m.PublishTime.IsZero() {
		set(HeaderPublishTime, m.PublishTime.UTC().Format(time.RFC3339Nano))
	}
	return h
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errors.New("no RFC 3339 time")
	}
	return t.UTC(), nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
