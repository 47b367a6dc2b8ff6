package schedule

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// compare tells in which fields a job is not what it should be, defaults resolved on both sides. Where it is posted to
// does not count if elsewhere is as good.
func compare(have, want *transport.Job, elsewhere bool) []plan.Field {
	var ds differences
	ds.text("schedule", fold(have.Schedule), fold(want.Schedule))
	ds.text("time zone", zoneName(have.TimeZone), zoneName(want.TimeZone))
	ds.text("description", have.Description, want.Description)
	ds.text("method", cmp.Or(have.Method, http.MethodPost), cmp.Or(want.Method, http.MethodPost))
	if !elsewhere {
		ds.text("url", have.URL, want.URL)
		ds.text("audience", have.Audience, want.Audience)
	}
	ds.text("service account", have.ServiceAccount, want.ServiceAccount)
	ds.headers(have.Header, want.Header)
	ds.body(have.Body, want.Body)
	ds.text("deadline", span(cmp.Or(have.Deadline, transport.DefaultJobDeadline)), span(cmp.Or(want.Deadline, transport.DefaultJobDeadline)))
	ds.retries(retryOf(have), retryOf(want))
	if have.State == transport.JobUpdateFailed {
		ds.text("state", string(have.State), string(transport.JobEnabled))
	}
	return ds
}

type differences []plan.Field

func (ds *differences) text(name, from, to string) {
	if from == to {
		return
	}
	f := plan.Field{Name: name, From: quoted(from), To: quoted(to)}
	if f.From == f.To {
		f.From, f.To = apart(from, to)
	}
	*ds = append(*ds, f)
}

// headers leaves out what Cloud Scheduler sets, or replaces, by itself.
func (ds *differences) headers(have, want http.Header) {
	from, to := canonical(have), canonical(want)
	names := slices.AppendSeq(slices.Collect(maps.Keys(from)), maps.Keys(to))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		ds.text("header "+name, from[name], to[name])
	}
}

func (ds *differences) body(from, to []byte) {
	if bytes.Equal(from, to) {
		return
	}
	if isShort(from) && isShort(to) {
		ds.text("body", string(from), string(to))
		return
	}
	f := plan.Field{Name: "body", From: size(from), To: size(to)}
	if len(from) == len(to) {
		f.To = strconv.Itoa(len(to)) + " other bytes"
	}
	*ds = append(*ds, f)
}

func (ds *differences) retries(from, to transport.RetryConfig) {
	ds.text("retries", strconv.Itoa(from.MaxAttempts-1), strconv.Itoa(to.MaxAttempts-1))
	ds.text("retry duration", span(from.MaxRetryDuration), span(to.MaxRetryDuration))
	ds.text("min backoff", span(from.MinBackoff), span(to.MinBackoff))
	ds.text("max backoff", span(from.MaxBackoff), span(to.MaxBackoff))
	// None cannot be told from unset on its way, and may come back as the default: no put could remove that difference.
	if to.MaxDoublings > 0 || from.MaxDoublings != transport.DefaultJobMaxDoublings {
		ds.text("max doublings", strconv.Itoa(from.MaxDoublings), strconv.Itoa(to.MaxDoublings))
	}
}

func retryOf(j *transport.Job) transport.RetryConfig {
	if j.Retry == nil {
		return transport.RetryConfig{}.ForJob()
	}
	return j.Retry.ForJob()
}

// zoneName is one name of each zone that has several for UTC.
func zoneName(name string) string {
	if name == "" || name == "Etc/UTC" {
		return "UTC"
	}
	return name
}

// canonical are the headers that are ours to set, several values of one name as they would arrive.
func canonical(h http.Header) map[string]string {
	out := map[string]string{}
	for name, vs := range h {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if !headers.OfScheduler(name) {
			out[name] = strings.Join(vs, ", ")
		}
	}
	return out
}

// shown is how much of a value a plan shows.
const shown = 200

// quoted is a value as it reads in a plan.
func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return part(s, 0)
}

// apart are two values that are quoted alike, around where they begin to differ.
func apart(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	from := runeStart(a, max(0, same-shown/4))
	if a, b := part(a, from), part(b, from); a != b {
		return a, b
	}
	return strconv.Quote(a), strconv.Quote(b) // short ones, of which one looks like the other one quoted
}

// part is what is shown of a value, from there on.
func part(s string, from int) string {
	before, after, to := "", "", len(s)
	if from > 0 {
		before = "..."
	}
	if to-from > shown {
		after, to = "...", runeStart(s, from+shown)
	}
	text := before + s[from:to] + after
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if text == "none" || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
}

// runeStart is where the character begins that the i-th byte belongs to.
func runeStart(s string, i int) int {
	for at := i; at >= max(0, i-utf8.UTFMax+1) && at < len(s); at-- {
		if utf8.RuneStart(s[at]) {
			return at
		}
	}
	return i // it is no UTF-8
}

func isShort(body []byte) bool { return len(body) <= 80 && utf8.Valid(body) }

func size(body []byte) string {
	if len(body) == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", len(body))
}

// span writes a duration without zero units: 3m, not 3m0s.
func span(d time.Duration) string {
	if d == 0 {
		return "" // no limit
	}
	return converge.Span(d)
}
