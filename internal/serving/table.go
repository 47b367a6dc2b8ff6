// Package serving is what transports that run tasks in this process have in common: who serves which URL, and
// how a handler is called.
package serving

import (
	"fmt"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

// Table maps endpoints to handlers. It never changes: With and Without return new ones. The zero value is empty.
type Table struct {
	served []served // longest endpoint first
}

type served struct {
	endpoint string
	handler  transport.Handler
}

// Len returns how many endpoints are served.
func (t *Table) Len() int { return len(t.served) }

// With returns the table with h serving endpoint as well. The error's kind is KindInvalid for a nil handler and
// KindExists if the endpoint is served already.
func (t *Table) With(endpoint string, h transport.Handler) (*Table, error) {
	if h == nil {
		return nil, refused(transport.KindInvalid, fmt.Errorf("the handler for endpoint %q is nil", endpoint))
	}
	at := len(t.served)
	for i, s := range t.served {
		if s.endpoint == endpoint {
			return nil, refused(transport.KindExists, fmt.Errorf("endpoint %q is served already: withdraw it first", endpoint))
		}
		if len(s.endpoint) < len(endpoint) {
			at = min(at, i)
		}
	}
	return &Table{slices.Insert(slices.Clone(t.served), at, served{endpoint, h})}, nil
}

// Without returns the table with nobody serving endpoint.
func (t *Table) Without(endpoint string) *Table {
	return &Table{slices.DeleteFunc(slices.Clone(t.served), func(s served) bool { return s.endpoint == endpoint })}
}

// Find returns the handler for url, nil if there is none: the longest endpoint that is url, or that url
// continues with "/" or "?", wins; the empty one matches all.
func (t *Table) Find(url string) transport.Handler {
	for _, s := range t.served {
		rest, ok := strings.CutPrefix(url, s.endpoint)
		if ok && (s.endpoint == "" || rest == "" || rest[0] == '/' || rest[0] == '?') {
			return s.handler
		}
	}
	return nil
}

// Any returns some handler, nil if nobody serves.
func (t *Table) Any() transport.Handler {
	if len(t.served) == 0 {
		return nil
	}
	return t.served[0].handler
}

func refused(kind transport.Kind, err error) error {
	return &transport.Error{Op: transport.OpServe, Kind: kind, Err: err}
}
