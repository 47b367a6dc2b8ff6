package gcp

import (
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// HeaderMap is a header as Cloud Tasks and Cloud Scheduler carry it: canonical names, several values of one joined.
func HeaderMap(h http.Header) map[string]string {
	if len(h) == 0 {
		return nil
	}
	m := make(map[string]string, len(h))
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if _, twice := h[canonical]; twice && canonical != name {
			continue // two spellings of a name: the canonical one holds
		}
		if m[canonical] = values[0]; len(values) > 1 {
			m[canonical] = strings.Join(values, ", ")
		}
	}
	return m
}

// Header is the way back; nil where there is none.
func Header(m map[string]string) http.Header {
	if len(m) == 0 {
		return nil
	}
	h := make(http.Header, len(m))
	for name, v := range m {
		h.Set(name, v)
	}
	return h
}

// Time is p, and the zero time where it is not set.
func Time(p *timestamppb.Timestamp) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.AsTime()
}
