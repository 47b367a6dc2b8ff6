package transport_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func TestTask_Check(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	ok := func() transport.Task { return transport.Task{Queue: "mail", URL: "https://shop.example.com/x"} }
	fill := ok()
	for _, c := range []struct {
		name   string
		change func(*transport.Task)
		want   error // nil: accepted
		text   string
	}{
		{"least", func(*transport.Task) {}, nil, ""},
		{"longest ids", func(t *transport.Task) { t.Queue, t.ID = strings.Repeat("q", 100), strings.Repeat("i", 500) }, nil, ""},
		{"no queue", func(t *transport.Task) { t.Queue = "" }, transport.ErrInvalid, "the queue id is empty"},
		{"queue with an underscore", func(t *transport.Task) { t.Queue = "a_b" }, transport.ErrInvalid, "letters, digits and hyphens"},
		{"queue too long", func(t *transport.Task) { t.Queue = strings.Repeat("q", 101) }, transport.ErrInvalid, "limit of 100"},
		{"id with a slash", func(t *transport.Task) { t.ID = "a/b" }, transport.ErrInvalid, `not '/'`},
		{"id too long", func(t *transport.Task) { t.ID = strings.Repeat("i", 501) }, transport.ErrInvalid, "limit of 500"},
		{"exactly the size limit", func(t *transport.Task) { t.Body = make([]byte, transport.MaxTaskSize-fill.Size()) }, nil, ""},
		{"a byte over", func(t *transport.Task) { t.Body = make([]byte, transport.MaxTaskSize-fill.Size()+1) }, transport.ErrTooLarge, "reference"},
		{"headers count", func(t *transport.Task) {
			t.Body = make([]byte, transport.MaxTaskSize-fill.Size())
			t.Header = http.Header{"A": {"b"}}
		}, transport.ErrTooLarge, "over the limit"},
		{"720 h ahead", func(t *transport.Task) { t.ETA = now.Add(transport.MaxDelay) }, nil, ""},
		{"past", func(t *transport.Task) { t.ETA = now.Add(-time.Hour) }, nil, ""},
		{"further", func(t *transport.Task) { t.ETA = now.Add(transport.MaxDelay + 1) }, transport.ErrTooFar, "720h"},
		{"shortest timeout", func(t *transport.Task) { t.Timeout = transport.MinTimeout }, nil, ""},
		{"shorter", func(t *transport.Task) { t.Timeout = transport.MinTimeout - 1 }, transport.ErrInvalid, "15s to 30m"},
		{"longer than the longest", func(t *transport.Task) { t.Timeout = transport.MaxTimeout + 1 }, transport.ErrInvalid, "15s to 30m"},
		{"URL too long", func(t *transport.Task) { t.URL = strings.Repeat("u", transport.MaxURL+1) }, transport.ErrInvalid, "URL"},
		{"retry settings out of range", func(t *transport.Task) { t.Retry = &transport.RetryConfig{MaxAttempts: -2} }, transport.ErrInvalid, "MaxAttempts"},
		{"header that splits", func(t *transport.Task) { t.Header = http.Header{"A": {"b\r\nC: d"}} }, transport.ErrInvalid, "control character"},
		{"header that is not UTF-8", func(t *transport.Task) { t.Header = http.Header{"A": {"caf\xe9"}} }, transport.ErrInvalid, "UTF-8"},
		{"header name with a space", func(t *transport.Task) { t.Header = http.Header{"A B": {"c"}} }, transport.ErrInvalid, "token"},
		{"header without a name", func(t *transport.Task) { t.Header = http.Header{"": {"c"}} }, transport.ErrInvalid, "token"},
		{"odd but legal header", func(t *transport.Task) { t.Header = http.Header{"a!#$%&'*+.^`|~_-9": {"\tü "}} }, nil, ""},
		{"headers too large", func(t *transport.Task) { t.Header = http.Header{"A": {strings.Repeat("v", transport.MaxHeaderBytes)}} }, transport.ErrInvalid, "81920"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task := ok()
			c.change(&task)
			err := task.Check(now)
			if c.want == nil && err != nil || c.want != nil && (!errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

func TestCheckID_Empty_IsRefused(t *testing.T) {
	t.Parallel()
	if transport.CheckID("") == nil {
		t.Error("an empty id was accepted")
	}
}
