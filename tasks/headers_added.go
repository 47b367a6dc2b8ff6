package tasks

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// ownHeaders are the headers of this package that a call put on its tasks, before middleware saw them. Its zero value
// has none.
type ownHeaders map[string][]string

// ownHeadersOf notes them.
func ownHeadersOf(ts []*transport.Task) (own ownHeaders) {
	for _, t := range ts {
		for name, vs := range t.Header {
			if !strings.HasPrefix(name, "Typedtasks-") || len(vs) == 0 || slices.Contains(own[name], vs[0]) {
				continue
			}
			if own == nil {
				own = ownHeaders{}
			}
			own[name] = append(own[name], vs[0])
		}
	}
	return own
}

// checkAdded looks at what middleware of UseEnqueue has left in a task's header: it may add what WithHeader may, and
// keep what was there. Names come out in the canonical form, in which servers deliver them.
func (o *order) checkAdded(t *transport.Task) error {
	fold := false
	for name, vs := range t.Header {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if fold = fold || canonical != name; reservedHeader(canonical) && !o.put(canonical, vs) {
			return addedError(t, fmt.Errorf("header %q is reserved: it is set by the platform or by this package", name))
		}
	}
	if err := transport.CheckHeader(t.Header); err != nil {
		return addedError(t, err)
	}
	if fold {
		t.Header = folded(t.Header)
	}
	return nil
}

func addedError(t *transport.Task, err error) error {
	return &transport.Error{Op: transport.OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: transport.KindInvalid, Err: fmt.Errorf("middleware of UseEnqueue: %w", err)}
}

// put reports whether a reserved header was this package's to set.
func (o *order) put(canonical string, vs []string) bool {
	switch {
	case canonical == headerNonce, canonical == headers.Traceparent: // of an earlier try, by middleware that retries; taskotel's
		return true
	case strings.HasPrefix(canonical, "Typedtasks-"): // a newer version's too, of a task that it enqueued and this one snoozes
		return o.noteless || len(vs) == 1 && slices.Contains(o.own[canonical], vs[0])
	}
	return false
}

// folded is h by canonical names; of two spellings the canonical one counts, else the first in order of bytes.
func folded(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for _, name := range sortedKeys(h) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if _, set := h[canonical]; set && canonical != name || out[canonical] != nil {
			continue
		}
		out[canonical] = h[name]
	}
	return out
}
