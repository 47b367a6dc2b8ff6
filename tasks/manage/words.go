package manage

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

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
	if len(parts) == 0 {
		return "defaults"
	}
	return strings.Join(parts, ", ")
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

// roughly is a duration as people say it, in its two largest units.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return span(d.Round(time.Second)).String()
	case d < day:
		return span(d.Truncate(time.Minute)).String()
	}
	days, hours := d/day, d%day/time.Hour
	if hours == 0 || days >= 7 {
		return count(int(days), "day")
	}
	return fmt.Sprintf("%s %dh", count(int(days), "day"), hours)
}
