package tasks

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/typedtasks/typedtasks/internal/printable"
)

// maxLoggedPayload is the most bytes of a payload on a line of the log, more or less: names count, too, marks do not.
const maxLoggedPayload = 4 << 10

// loggedPayload is a payload as the log may have it. What a payload's own method redacts stays redacted.
func loggedPayload(v any) slog.Value {
	if _, ok := v.(slog.LogValuer); ok {
		left := maxLoggedPayload
		return bounded(slog.AnyValue(v).Resolve(), &left)
	}
	return slog.StringValue(cut(textOf(v), maxLoggedPayload))
}

// bounded is v as far as left goes, which it lessens.
func bounded(v slog.Value, left *int) slog.Value {
	switch v.Kind() {
	case slog.KindGroup:
		group := v.Group()
		kept := make([]slog.Attr, 0, len(group))
		for i, a := range group {
			if *left -= len(a.Key); *left <= 0 {
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
		text := textOf(v.Any())
		if len(text) > *left {
			v = slog.StringValue(cut(text, max(*left, 0)))
		}
		*left -= len(text)
		return v
	default:
		*left -= 8
		return v
	}
}

// textOf is v on one line: its JSON, where it has any.
func textOf(v any) string {
	if err, ok := v.(error); ok {
		return printable.Escape(err.Error())
	}
	text, err := encodeResult(v)
	if err != nil { // the codec is not JSON's
		return printable.Escape(fmt.Sprintf("%+v", v))
	}
	return string(text)
}

// cut is s, or its first bytes and how many there were.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:most], ""), len(s))
}
