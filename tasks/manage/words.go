package manage

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/transport"
)

// span is a duration that is written without its zeros: 10m, not 10m0s.
type span time.Duration

func (s span) String() string { return converge.Span(time.Duration(s)) }

// MarshalText makes it a string in JSON.
func (s span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// bare is a type's name without packages: shop.Welcome as Welcome.
func bare(typeName string) string {
	return qualifier.ReplaceAllString(typeName, "")
}

var qualifier = regexp.MustCompile(`[\pL_][\pL\pN_/.\-]*\.`)

// settingsText is a queue's settings in a few words.
func settingsText(q transport.QueueConfig) string {
	var parts []string
	add := func(set bool, format string, args ...any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	unlimited := math.IsInf(q.MaxDispatchesPerSecond, 1)
	r := q.Retry
	add(unlimited, "no rate limit")
	add(!unlimited && q.MaxDispatchesPerSecond > 0, "%v/s", q.MaxDispatchesPerSecond)
	add(q.MaxBurst > 0, "bursts of %d", q.MaxBurst)
	add(q.MaxConcurrentDispatches > 0, "%d at a time", q.MaxConcurrentDispatches)
	add(r.MaxAttempts > 0, "%s", count(r.MaxAttempts, "attempt"))
	add(r.MaxAttempts == transport.UnlimitedAttempts, "unlimited attempts")
	add(r.MaxRetryDuration > 0, "retries for %s", span(r.MaxRetryDuration))
	switch {
	case r.MinBackoff > 0 && r.MaxBackoff > 0:
		add(true, "backoff %s to %s", span(r.MinBackoff), span(r.MaxBackoff))
	case r.MinBackoff > 0:
		add(true, "backoff from %s", span(r.MinBackoff))
	case r.MaxBackoff > 0:
		add(true, "backoff up to %s", span(r.MaxBackoff))
	}
	add(r.MaxDoublings > 0, "%s", count(r.MaxDoublings, "doubling"))
	add(r.MaxDoublings == 0 && hasBackoff(r), "no doubling")
	if len(parts) == 0 {
		return "defaults"
	}
	return strings.Join(parts, ", ")
}

// hasBackoff reports whether the backoff is the code's. Then the doublings are too.
func hasBackoff(r transport.RetryConfig) bool {
	return r.MinBackoff > 0 || r.MaxBackoff > 0 || r.MaxDoublings > 0
}

// undeclared stands for the settings of a queue that Config.Queues does not have.
const undeclared = "not declared: made with its first task"

// and is "a", "a and b" or "a, b and c".
func and(words []string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + " and " + words[n]
}

// listed is "a, b, c", or "a and 2 more" where that is longer than most characters; 0 is no limit.
func listed(names []string, most int) string {
	all := strings.Join(names, ", ")
	if most == 0 || utf8.RuneCountInString(escape(all)) <= most || len(names) < 2 {
		return all
	}
	more := func(n int) string { return fmt.Sprintf(" and %d more", len(names)-n) }
	room := most - len(more(1))
	text := clip(escape(names[0]), room-len("..."), "...")
	n := 1
	for ; n < len(names); n++ {
		longer := text + ", " + escape(names[n])
		if utf8.RuneCountInString(longer) > room {
			break
		}
		text = longer
	}
	return text + more(n)
}

// when tells a time, and how far it is from now.
func when(t, now time.Time) string {
	return t.Format("Mon 2006-01-02 15:04 MST") + " (" + fromNow(t.Sub(now)) + ")"
}

// fromNow says how far away a time is: "in 2h", "5m ago".
func fromNow(d time.Duration) string {
	switch {
	case d.Round(time.Second) == 0:
		return "now"
	case d < 0:
		return roughly(-d) + " ago"
	}
	return "in " + roughly(d)
}

// roughly is a duration as people say it, rounded to its two largest units.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if s := d.Round(time.Second); s < time.Minute {
		return span(s).String()
	}
	if m := d.Round(time.Minute); m < day {
		return span(m).String()
	}
	if h := d.Round(time.Hour); h < 7*day && h%day > 0 {
		return fmt.Sprintf("%s %dh", count(int(h/day), "day"), h%day/time.Hour)
	}
	return count(int(d.Round(day)/day), "day")
}
