package tasks

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/internal/printable"
)

// maxLoggedPayload is the most bytes of a payload on a line of the log, more or less.
const maxLoggedPayload = 4 << 10

// loggedPayload is the payload that v points to as the log may have it: a [slog.LogValuer] as it says, any other as JSON
// with what those in it say. The App knows which types need no look.
func (a *App) loggedPayload(v any) (shown slog.Value) {
	defer func() {
		if recover() != nil { // of an Error method: what has run must not fail for its log
			shown = slog.StringValue("(it panics)")
		}
	}()
	left := maxLoggedPayload
	if _, ok := v.(slog.LogValuer); ok {
		return bounded(slog.AnyValue(v).Resolve(), &left)
	}
	p, err := a.pointed(v)
	text, _ := textOf(v, err != nil || p.MayRedact(), left)
	return slog.StringValue(text)
}

// bounded is v as far as left goes, which it lessens.
func bounded(v slog.Value, left *int) slog.Value {
	switch v.Kind() {
	case slog.KindGroup:
		group := v.Group()
		kept := make([]slog.Attr, 0, len(group))
		for i, a := range group {
			if *left -= len(a.Key) + 8; *left <= 0 {
				kept = append(kept, slog.Int("...", len(group)-i))
				break
			}
			kept = append(kept, slog.Attr{Key: a.Key, Value: bounded(a.Value.Resolve(), left)})
		}
		return slog.GroupValue(kept...)
	case slog.KindString:
		s := cut(v.String(), max(*left, 0))
		*left -= len(s)
		return slog.StringValue(s)
	case slog.KindAny: // a handler would write all of it
		text, plain := textOf(v.Any(), true, max(*left, 0))
		if !plain {
			v = slog.StringValue(text)
		}
		*left -= len(text)
		return v
	default:
		*left -= 8
		return v
	}
}

// textOf is v on one line, cut off after most bytes: its JSON, if it has any. plain reports whether a handler may write v
// itself. redact is whether there may be a slog.LogValuer in it.
func textOf(v any, redact bool, most int) (text string, plain bool) {
	if redact {
		if text, ok := payload.Redacted(v, most); ok {
			return text, false
		}
	}
	if err, ok := v.(error); ok {
		text = printable.Escape(err.Error())
	} else {
		data, err := encodeResult(v)
		if err != nil { // the codec is not JSON's
			return payload.Shown(v, most), false
		}
		text = string(data)
	}
	return cut(text, most), len(text) <= most
}

// cut is s, or its first bytes and how many there were.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:most], ""), len(s))
}
