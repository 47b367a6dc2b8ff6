package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
)

// FuzzParse: nothing panics, an error is one line that quotes the schedule, whatever is not refused fires, and what a
// schedule prints parses to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "* * * * *", "*/5 1-5/2,7 29 2 SUN-sat", "0 0 31 4 7", "0 0 30 2 *", "0 0 31 2 5-7", "* * L ? MON#2", "@daily", "5/5 * * * *", "1-,-1 */ / - ,",
		"99999999999999999999 * * * *", "every 5 minutes", "every 90 mins synchronized", "every 7 hours from 22:00 to 3:00", "every 60 minutes on mon,wed",
		"every 10 seconds", "1st,5th friday of 2nd month of quarter 9:00", "2,30 of feb 10:00", "fifth monday of feb 0:00", "every day of jan,\u212a 24:00", "1 of \xff:",
	} {
		f.Add(s, int64(1_793_000_000))
	}
	zone := mustZone(f, "America/New_York")
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		parsed, err := cron.Parse(s)
		if err != nil {
			if text := err.Error(); parsed != nil || strings.Contains(text, "\n") || !strings.HasPrefix(text, `schedule "`) {
				t.Fatalf("Parse(%q): %v, %q", s, parsed, text)
			}
			return
		}
		again, err := cron.Parse(parsed.String())
		if err != nil || again.String() != parsed.String() || again.UnixCron() != parsed.UnixCron() || again.SubMinute() != parsed.SubMinute() {
			t.Fatalf("%q prints %q, which parses to %v, %v", s, parsed, again, err)
		}
		at := time.Unix(unix%(1<<37), 0).In(zone) // to the year 6325
		for range 3 {
			next := parsed.Next(at)
			if !next.After(at) || next.Year() > at.Year()+41 || !next.Equal(again.Next(at)) {
				t.Fatalf("%q fires at %s and, printed, at %s, after %s", s, next, again.Next(at), at)
			}
			at = next
		}
	})
}
