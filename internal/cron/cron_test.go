package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
)

func TestNext_FiveFields(t *testing.T) {
	t.Parallel()
	const after = "2026-11-24T10:30:00Z" // a Tuesday
	for _, c := range []struct {
		expr string
		want []string
	}{
		{"* * * * *", []string{"2026-11-24T10:31:00Z", "2026-11-24T10:32:00Z"}},
		{"*/1 */1 */1 */1 */1", []string{"2026-11-24T10:31:00Z", "2026-11-24T10:32:00Z"}},
		{"30 10 * * *", []string{"2026-11-25T10:30:00Z", "2026-11-26T10:30:00Z"}},
		{"  05\t9 * *  * ", []string{"2026-11-25T09:05:00Z"}},
		{"*/20 10 * * *", []string{"2026-11-24T10:40:00Z", "2026-11-25T10:00:00Z", "2026-11-25T10:20:00Z"}},
		{"5-50/15,59 * * * *", []string{"2026-11-24T10:35:00Z", "2026-11-24T10:50:00Z", "2026-11-24T10:59:00Z", "2026-11-24T11:05:00Z"}},
		{"*/40,7 11 * * *", []string{"2026-11-24T11:00:00Z", "2026-11-24T11:07:00Z", "2026-11-24T11:40:00Z"}},
		{"0 9 * * MON-FRI", []string{"2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z", "2026-11-27T09:00:00Z", "2026-11-30T09:00:00Z"}},
		{"0 9 * * sat,Sun", []string{"2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z", "2026-12-05T09:00:00Z"}},
		{"0 9 * * 0", []string{"2026-11-29T09:00:00Z", "2026-12-06T09:00:00Z"}},
		{"0 9 * * 7", []string{"2026-11-29T09:00:00Z", "2026-12-06T09:00:00Z"}},
		{"0 9 * * 5-7", []string{"2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z", "2026-12-04T09:00:00Z"}},
		{"0 9 * * Fri-7", []string{"2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z", "2026-12-04T09:00:00Z"}},
		{"0 9 * * 1-7/3", []string{"2026-11-26T09:00:00Z", "2026-11-29T09:00:00Z", "2026-11-30T09:00:00Z"}},
		{"0 9 * * */3", []string{"2026-11-25T09:00:00Z", "2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z"}},
		{"0 0 1 Jan-MAR,jul *", []string{"2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z", "2027-07-01T00:00:00Z"}},
		{"0 0 1 */4 *", []string{"2027-01-01T00:00:00Z", "2027-05-01T00:00:00Z", "2027-09-01T00:00:00Z"}},
		{"0 0 31 * *", []string{"2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"}},
		{"0 0 31 2,4,5 *", []string{"2027-05-31T00:00:00Z", "2028-05-31T00:00:00Z"}},

		// Both day fields restricted: either fits.
		{"0 0 1 * MON", []string{"2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-07T00:00:00Z"}},
		{"0 0 1-31 * MON", []string{"2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"}},
		{"0 0 25 12 0-6", []string{"2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"}},
		{"0 0 */15 * MON", []string{"2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-07T00:00:00Z", "2026-12-14T00:00:00Z", "2026-12-16T00:00:00Z"}},
		{"0 0 1 * */1", []string{"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
		{"0 0 */1 * MON", []string{"2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"}},
		{"0 0 31 FEB MON", []string{"2027-02-01T00:00:00Z", "2027-02-08T00:00:00Z"}},
	} {
		run{c.expr, "", after, c.want}.check(t)
	}
}

func TestNext_LeapDay(t *testing.T) {
	t.Parallel()
	run{"0 0 29 2 *", "", "2088-03-01T00:00:00Z", []string{"2092-02-29T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"}}.check(t)
	run{"0 12 29 FEB *", "Asia/Kathmandu", "1896-03-01T00:00:00Z", []string{"1904-02-29T12:00:00+05:41"}}.check(t)
}

func TestNext_IsStrictlyAfter(t *testing.T) {
	t.Parallel()
	for after, want := range map[string]string{
		"2026-01-01T08:59:59.999999999Z": "2026-01-01T09:00:00Z",
		"2026-01-01T09:00:00Z":           "2026-01-01T09:01:00Z",
		"2026-01-01T09:00:00.000000001Z": "2026-01-01T09:01:00Z",
		"2026-01-01T09:00:30Z":           "2026-01-01T09:01:00Z",
	} {
		run{"* 9 * * *", "", after, []string{want}}.check(t)
		run{"every 1 minutes from 9:00 to 9:59", "", after, []string{want}}.check(t)
	}
	run{"every 1 minutes from 9:00 to 9:59", "", "2026-01-01T09:59:00Z", []string{"2026-01-02T09:00:00Z"}}.check(t)
}

func TestParse_FiveFields_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"":      `schedule "": it is empty`,
		" \t\n": `schedule "": it is empty`,

		"60 * * * *":                   `schedule "60 * * * *": minute: 60 is outside 0 to 59`,
		"* 24 * * *":                   `schedule "* 24 * * *": hour: 24 is outside 0 to 23`,
		"*  *\t0 * *":                  `schedule "* * 0 * *": day of month: 0 is outside 1 to 31`,
		"* * 32 * *":                   `schedule "* * 32 * *": day of month: 32 is outside 1 to 31`,
		"* * * 0 *":                    `schedule "* * * 0 *": month: 0 is outside 1 to 12`,
		"* * * 13 *":                   `schedule "* * * 13 *": month: 13 is outside 1 to 12`,
		"* * * * 8":                    `schedule "* * * * 8": day of week: 8 is outside 0 to 7`,
		"99999999999999999999 * * * *": `schedule "99999999999999999999 * * * *": minute: 99999999999999999999 is outside 0 to 59`,

		"-1 * * * *":      `schedule "-1 * * * *": minute: "" is none of 0 to 59`,
		"+1 * * * *":      `schedule "+1 * * * *": minute: "+1" is none of 0 to 59`,
		"1, * * * *":      `schedule "1, * * * *": minute: "" is none of 0 to 59`,
		"* MON * * *":     `schedule "* MON * * *": hour: "MON" is none of 0 to 23`,
		"* * * MON *":     `schedule "* * * MON *": month: "MON" is none of 1 to 12, JAN to DEC`,
		"* * * january *": `schedule "* * * january *": month: "january" is none of 1 to 12, JAN to DEC`,
		"* * * * JAN":     `schedule "* * * * JAN": day of week: "JAN" is none of 0 to 7, SUN to SAT`,

		"* * L * *":     `schedule "* * L * *": day of month: "L" is none of 1 to 31; Cloud Scheduler has no L, W, # and ?`,
		"* * 15W * *":   `schedule "* * 15W * *": day of month: "15W" is none of 1 to 31; Cloud Scheduler has no L, W, # and ?`,
		"* * ? * *":     `schedule "* * ? * *": day of month: "?" is none of 1 to 31; Cloud Scheduler has no L, W, # and ?`,
		"* * * * MON#2": `schedule "* * * * MON#2": day of week: "MON#2" is none of 0 to 7, SUN to SAT; Cloud Scheduler has no L, W, # and ?`,
		"* * * * 5L":    `schedule "* * * * 5L": day of week: "5L" is none of 0 to 7, SUN to SAT; Cloud Scheduler has no L, W, # and ?`,

		"5-5 * * * *":     `schedule "5-5 * * * *": minute: range 5-5: 5 is not less than 5`,
		"* 22-2 * * *":    `schedule "* 22-2 * * *": hour: range 22-2: 22 is not less than 2`,
		"* * * nov-FEB *": `schedule "* * * nov-FEB *": month: range nov-FEB: nov is not less than FEB`,
		"* * * * FRI-SUN": `schedule "* * * * FRI-SUN": day of week: range FRI-SUN: FRI is not less than SUN; at the end of a range Sunday is 7`,
		"* * * * 6-1":     `schedule "* * * * 6-1": day of week: range 6-1: 6 is not less than 1`,
		"1-2-3 * * * *":   `schedule "1-2-3 * * * *": minute: "2-3" is none of 0 to 59`,
		"1-x * * * *":     `schedule "1-x * * * *": minute: "x" is none of 0 to 59`,
		"*-5 * * * *":     `schedule "*-5 * * * *": minute: "*" is none of 0 to 59`,
		"50-60 * * * *":   `schedule "50-60 * * * *": minute: 60 is outside 0 to 59`,

		"5/15 * * * *":  `schedule "5/15 * * * *": minute: "5/15": a step goes with * or a range: write 5-59/15`,
		"* * * * 1/2":   `schedule "* * * * 1/2": day of week: "1/2": a step goes with * or a range: write 1-6/2`,
		"*/0 * * * *":   `schedule "*/0 * * * *": minute: "*/0": step "0" is no number from 1 on`,
		"*/-5 * * * *":  `schedule "*/-5 * * * *": minute: "*/-5": step "-5" is no number from 1 on`,
		"*/ * * * *":    `schedule "*/ * * * *": minute: "*/": step "" is no number from 1 on`,
		"*/+5 * * * *":  `schedule "*/+5 * * * *": minute: "*/+5": step "+5" is no number from 1 on`,
		"*/5/2 * * * *": `schedule "*/5/2 * * * *": minute: "*/5/2": step "5/2" is no number from 1 on`,
		"*/1.5 * * * *": `schedule "*/1.5 * * * *": minute: "*/1.5": step "1.5" is no number from 1 on`,

		"*/99999999999999999999 * * * *": `schedule "*/99999999999999999999 * * * *": minute: "*/99999999999999999999": step "99999999999999999999" is too large`,
		"* * *,1 * *":                    `schedule "* * *,1 * *": day of month: * stands for everything and is no part of a list: "*,1"`,
		"* * 1,*/1,9 * *":                `schedule "* * 1,*/1,9 * *": day of month: */1 stands for everything and is no part of a list: "1,*/1,9"`,
		"61,7,x 99 0 FOO 9":              `schedule "61,7,x 99 0 FOO 9": minute: 61 is outside 0 to 59; minute: "x" is none of 0 to 59; hour: 99 is outside 0 to 23; day of month: 0 is outside 1 to 31; month: "FOO" is none of 1 to 12, JAN to DEC; day of week: 9 is outside 0 to 7`,

		"* * 0 0":     `schedule "* * 0 0": day of month: 0 is outside 1 to 31; month: 0 is outside 1 to 12; 4 fields instead of five: minute, hour, day of month, month, day of week; or write English such as "every 5 minutes"`,
		"5":           `schedule "5": 1 field instead of five: minute, hour, day of month, month, day of week; or write English such as "every 5 minutes"`,
		"0 0 9 * * 1": `schedule "0 0 9 * * 1": 6 fields instead of five: minute, hour, day of month, month, day of week; there are none for seconds and years`,

		"0 0 30 2 *":       `schedule "0 0 30 2 *": it never fires: no day 30 in February`,
		"0 0 30,31 2 */1":  `schedule "0 0 30,31 2 */1": it never fires: no day 30 in February`,
		"0 0 31 4,6 *":     `schedule "0 0 31 4,6 *": it never fires: no day 31 in April, June`,
		"0 0 31 2-6/2 */1": `schedule "0 0 31 2-6/2 */1": it never fires: no day 31 in February, April, June`,

		"@hourly":    `schedule "@hourly": Cloud Scheduler has no @hourly: write "0 * * * *"`,
		"@every 5m":  `schedule "@every 5m": Cloud Scheduler has no @every: write five fields, or English such as "every 5 minutes"`,
		"@daily now": `schedule "@daily now": Cloud Scheduler has no @daily: write five fields, or English such as "every 5 minutes"`,
	} {
		requireRefused(t, expr, want)
	}
}

func requireRefused(t *testing.T, expr, want string) {
	t.Helper()
	s, err := cron.Parse(expr)
	if err == nil || s != nil || err.Error() != want {
		t.Errorf("Parse(%q) = %v, %v\nwant error %s", expr, s, err, want)
	}
}

func TestSchedule_TellsItsKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, text          string
		unixCron, subMinute bool
		interval            time.Duration
	}{
		{" 0  3 * *\t1-5 ", "0 3 * * 1-5", true, false, 0},
		{"Every  2 HOURS", "Every 2 HOURS", false, false, 2 * time.Hour},
		{"every 99999 mins", "every 99999 mins", false, false, 99999 * time.Minute},
		{"every 10 seconds", "every 10 seconds", false, true, 10 * time.Second},
		{"every 120 seconds", "every 120 seconds", false, true, 2 * time.Minute},
		{"every 2 hours synchronized", "every 2 hours synchronized", false, false, 0},
		{"every 2 hours from 1:00 to 2:00", "every 2 hours from 1:00 to 2:00", false, false, 0},
		{"every 60 minutes on mon,wed", "every 60 minutes on mon,wed", false, false, 0},
		{"every day 09:00", "every day 09:00", false, false, 0},
	} {
		s := mustParse(t, c.expr)
		d, ok := s.Interval()
		if s.String() != c.text || s.UnixCron() != c.unixCron || s.SubMinute() != c.subMinute || d != c.interval || ok != (d > 0) {
			t.Errorf("%q: String %q, UnixCron %v, SubMinute %v, Interval %v %v; want %+v", c.expr, s, s.UnixCron(), s.SubMinute(), d, ok, c)
		}
	}
}

func TestNext_ZeroSchedule_NeverFires(t *testing.T) {
	t.Parallel()
	if at := new(cron.Schedule).Next(time.Now()); !at.IsZero() {
		t.Fatalf("fires at %s", at)
	}
}

func TestNext_Interval_LeavesTheMonotonicClock(t *testing.T) {
	t.Parallel()
	// A machine that slept would be late by as long.
	if at := mustParse(t, "every 5 minutes").Next(time.Now()); strings.Contains(at.String(), "m=") {
		t.Fatal(at)
	}
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
		"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", " @Daily ": "0 0 * * *",
		"": "", "hourly": "", "@": "", "@reboot": "", "@every 5m": "", "@daily 5": "", "0 * * * *": "", "every 5 minutes": "",
	} {
		fields, ok := cron.Translate(expr)
		if fields != want || ok != (want != "") {
			t.Errorf("Translate(%q) = %q, %v, want %q", expr, fields, ok, want)
		}
		if ok && !mustParse(t, fields).UnixCron() {
			t.Errorf("Translate(%q) = %q, which are not five fields", expr, fields)
		}
	}
	// What is refused for its @ says what to write.
	if _, err := cron.Parse("@YEARLY"); err == nil || !strings.Contains(err.Error(), `"0 0 1 1 *"`) {
		t.Error(err)
	}
}

func BenchmarkNext(b *testing.B) {
	zone := mustZone(b, "America/New_York")
	for _, expr := range []string{"*/5 * * * *", "0 3 * * 1-5", "59 23 31 12 *", "0 0 29 2 *", "1st friday of month 09:00", "every 5 minutes from 10:00 to 14:00"} {
		s := mustParse(b, expr)
		b.Run(strings.ReplaceAll(expr, " ", "_"), func(b *testing.B) {
			at := time.Date(2026, time.January, 1, 0, 0, 0, 0, zone)
			for b.Loop() {
				if at = s.Next(at); at.Year() > 2100 {
					at = time.Date(2026, time.January, 1, 0, 0, 0, 0, zone)
				}
			}
		})
	}
}

// A step may lead beyond the last value: the first one is left.
func TestNext_StepBeyondTheLastValue_ChoosesTheFirst(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"*/60 * * * *":                  "0 * * * *",
		"*/9223372036854775807 * * * *": "0 * * * *",
		"0 */24 * * *":                  "0 0 * * *",
		"0 0 */31 * *":                  "0 0 1 * *",
		"0 0 */40 * MON":                "0 0 1 * MON", // either of the two days
		"0 0 1 */12 *":                  "0 0 1 1 *",
		"0 0 * * */7":                   "0 0 * * 0",
		"0 0 * * 1-7/7":                 "0 0 * * 1",
		"0 0 * * 0-7/7":                 "0 0 * * 0",
		"1-5/5 * * * *":                 "1 * * * *",
		"1-5/4 * * * *":                 "1,5 * * * *",
		"7,10-20/11,50-59/100 * * * *":  "7,10,50 * * * *",
	} {
		s, err := cron.Parse(expr)
		if err != nil {
			t.Error(err)
			continue
		}
		same, err := cron.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		at, wantAt := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC), time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
		for range 20 {
			if at, wantAt = s.Next(at), same.Next(wantAt); !at.Equal(wantAt) {
				t.Errorf("%s: at %s, want %s as %s", expr, at, wantAt, want)
				break
			}
		}
		if s.String() != expr {
			t.Errorf("%s is written %s", expr, s)
		}
	}
}
