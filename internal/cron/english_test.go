package cron_test

import "testing"

func TestNext_English(t *testing.T) {
	t.Parallel()
	const after = "2026-11-24T10:30:00Z" // a Tuesday
	for _, c := range []struct {
		expr string
		want []string
	}{
		{"every 5 minutes", []string{"2026-11-24T10:35:00Z", "2026-11-24T10:40:00Z"}},
		{"EVERY 5  mins", []string{"2026-11-24T10:35:00Z"}},
		{"every 2 hours", []string{"2026-11-24T12:30:00Z", "2026-11-24T14:30:00Z"}},
		{"every 48 hours", []string{"2026-11-26T10:30:00Z"}},
		{"every 90 seconds", []string{"2026-11-24T10:31:30Z", "2026-11-24T10:33:00Z"}},

		{"every 2 hours from 10:00 to 14:00", []string{"2026-11-24T12:00:00Z", "2026-11-24T14:00:00Z", "2026-11-25T10:00:00Z"}},
		{"every 25 minutes from 10:10 to 11:30", []string{"2026-11-24T10:35:00Z", "2026-11-24T11:00:00Z", "2026-11-24T11:25:00Z", "2026-11-25T10:10:00Z"}},
		{"every 50 minutes from 22:30 to 1:00", []string{"2026-11-24T22:30:00Z", "2026-11-24T23:20:00Z", "2026-11-25T00:10:00Z", "2026-11-25T01:00:00Z", "2026-11-25T22:30:00Z"}},
		{"every 5 hours from 10:00 to 12:00", []string{"2026-11-25T10:00:00Z", "2026-11-26T10:00:00Z"}},
		{"every 5 minutes from 10:00 to 10:00", []string{"2026-11-25T10:00:00Z", "2026-11-26T10:00:00Z"}},
		{"every 7 hours from 00:00 to 23:59", []string{"2026-11-24T14:00:00Z", "2026-11-24T21:00:00Z", "2026-11-25T00:00:00Z"}},
		{"every 6 hours Synchronized", []string{"2026-11-24T12:00:00Z", "2026-11-24T18:00:00Z", "2026-11-25T00:00:00Z"}},
		{"every 90 minutes synchronized", []string{"2026-11-24T12:00:00Z", "2026-11-24T13:30:00Z"}},
		{"every 24 hours synchronized", []string{"2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"}},
		{"every 60 minutes on mon,wed", []string{"2026-11-25T00:00:00Z", "2026-11-25T01:00:00Z"}},
		{"every 11 hours on Tuesday", []string{"2026-11-24T11:00:00Z", "2026-11-24T22:00:00Z", "2026-12-01T00:00:00Z"}},

		{"every day 09:00", []string{"2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z"}},
		{"every day 23:59", []string{"2026-11-24T23:59:00Z"}},
		{"every day of march 9:00", []string{"2027-03-01T09:00:00Z", "2027-03-02T09:00:00Z"}},
		{"every monday 09:00", []string{"2026-11-30T09:00:00Z", "2026-12-07T09:00:00Z"}},
		{"every mon,wed 09:00", []string{"2026-11-25T09:00:00Z", "2026-11-30T09:00:00Z"}},
		{"every mon , wed 09:00", []string{"2026-11-25T09:00:00Z", "2026-11-30T09:00:00Z"}},
		{"every friday of january 12:00", []string{"2027-01-01T12:00:00Z", "2027-01-08T12:00:00Z"}},
		{"every tuesday 10:30", []string{"2026-12-01T10:30:00Z"}},

		{"1st friday of quarter 9:00", []string{"2027-01-01T09:00:00Z", "2027-04-02T09:00:00Z", "2027-07-02T09:00:00Z", "2027-10-01T09:00:00Z", "2028-01-07T09:00:00Z"}},
		{"first sunday of month 12:00", []string{"2026-12-06T12:00:00Z", "2027-01-03T12:00:00Z"}},
		{"2nd,third mon,wed,thu of march 17:00", []string{"2027-03-08T17:00:00Z", "2027-03-10T17:00:00Z", "2027-03-11T17:00:00Z", "2027-03-15T17:00:00Z", "2027-03-17T17:00:00Z", "2027-03-18T17:00:00Z", "2028-03-08T17:00:00Z"}},
		{"1st monday of sep,oct,nov 17:00", []string{"2027-09-06T17:00:00Z", "2027-10-04T17:00:00Z", "2027-11-01T17:00:00Z"}},
		{"1st monday 17:00", []string{"2026-12-07T17:00:00Z", "2027-01-04T17:00:00Z"}},
		{"4th,FIFTH tue of month 8:05", []string{"2026-12-22T08:05:00Z", "2026-12-29T08:05:00Z", "2027-01-26T08:05:00Z"}},
		{"1st,2nd,3rd,4th,5th monday of december 0:00", []string{"2026-12-07T00:00:00Z", "2026-12-14T00:00:00Z", "2026-12-21T00:00:00Z", "2026-12-28T00:00:00Z", "2027-12-06T00:00:00Z"}},
		{"fifth monday of february 9:00", []string{"2044-02-29T09:00:00Z", "2072-02-29T09:00:00Z", "2112-02-29T09:00:00Z"}},
		{"1st sunday of second,third month of quarter 23:25", []string{"2026-12-06T23:25:00Z", "2027-02-07T23:25:00Z", "2027-03-07T23:25:00Z", "2027-05-02T23:25:00Z"}},
		{"second,4th day of month 10:00", []string{"2026-12-02T10:00:00Z", "2026-12-04T10:00:00Z", "2027-01-02T10:00:00Z"}},
		{"1st day 10:00", []string{"2026-12-01T10:00:00Z", "2027-01-01T10:00:00Z"}},

		{"1 of jan,april,july,oct 00:00", []string{"2027-01-01T00:00:00Z", "2027-04-01T00:00:00Z", "2027-07-01T00:00:00Z", "2027-10-01T00:00:00Z"}},
		{"1,15 of month 10:00", []string{"2026-12-01T10:00:00Z", "2026-12-15T10:00:00Z"}},
		{"03, 31 of feb,may 10:00", []string{"2027-02-03T10:00:00Z", "2027-05-03T10:00:00Z", "2027-05-31T10:00:00Z"}},
		{"10 of 2nd month of quarter 10:00", []string{"2027-02-10T10:00:00Z", "2027-05-10T10:00:00Z"}},
		{"29 of february 10:00", []string{"2028-02-29T10:00:00Z"}},
	} {
		run{c.expr, "", after, c.want}.check(t)
	}
}

func TestParse_English_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const (
		unit    = `minutes, mins or hours (seconds only in development) is expected`
		clock   = `a time from 00:00 to 23:59 is expected`
		months  = `month, quarter, or the name of a month such as jan or january is expected`
		weekday = `a weekday such as mon or monday is expected`
		start   = `every, days of the month from 1 to 31, or 1st to 5th is expected`
	)
	for expr, want := range map[string]string{
		"every":                   `it ends where a number, day or a weekday is expected`,
		"every funday 9:00":       `"funday" is not understood: a number, day or a weekday is expected`,
		"every mond 9:00":         `"mond" is not understood: a number, day or a weekday is expected`,
		"every 1st monday 9:00":   `"1st" is not understood: a number, day or a weekday is expected`,
		"every minute":            `"minute" is not understood: a number, day or a weekday is expected`,
		"every 2":                 `it ends where ` + unit,
		"every 2 feet":            `"feet" is not understood: ` + unit,
		"every 1 hour":            `"hour" is not understood: ` + unit,
		"every 0 minutes":         `"0" is not understood: a number from 1 to 99999 is expected`,
		"every 100000 hours":      `"100000" is not understood: a number from 1 to 99999 is expected`,
		"every -5 minutes":        `"-5" is not understood: a number, day or a weekday is expected`,
		"every 5,6 minutes":       `"," is not understood: ` + unit,
		"every 24 hours 09:00":    `"09:00" is not understood: from, synchronized, on or the end is expected`,
		"every 24 hours of month": `"of" is not understood: from, synchronized, on or the end is expected`,

		"every 1 minutes from 09:00":                    `it ends where to is expected`,
		"every 1 minutes from 09:00 12:00":              `"12:00" is not understood: to is expected`,
		"every 1 minutes from 09:00 to":                 `it ends where ` + clock,
		"every 1 minutes from noon to 14:00":            `"noon" is not understood: ` + clock,
		"every 1 minutes to 12:00":                      `"to" is not understood: from, synchronized, on or the end is expected`,
		"every 1 minutes from 9:00 to 9:30 on mon":      `"on" is not understood: the end is expected`,
		"every 1 minutes from 9:00 to 9:30 syncronized": `"syncronized" is not understood: the end is expected`,
		"every 1 minutes synchronized from 9:00":        `"from" is not understood: the end is expected`,
		"every 25 hours from 9:00 to 10:00":             `an interval of more than 24 hours cannot start anew each day`,
		"every 2000 minutes on mon":                     `an interval of more than 24 hours cannot start anew each day`,
		"every 7 minutes synchronized":                  `synchronized needs an interval that divides 24 hours evenly`,
		"every 48 hours synchronized":                   `synchronized needs an interval that divides 24 hours evenly`,
		"every 60 minutes on":                           `it ends where ` + weekday,
		"every 60 minutes on day":                       `"day" is not understood: ` + weekday,
		"every 60 minutes on mon,":                      `it ends where ` + weekday,
		"every 60 minutes on mon wed":                   `"wed" is not understood: the end is expected`,
		"every 5 seconds synchronized":                  `"synchronized" is not understood: the end is expected`,

		"every day":             `it ends where ` + clock,
		"every day 24:00":       `"24:00" is not understood: ` + clock,
		"every day 09:60":       `"09:60" is not understood: ` + clock,
		"every day 9":           `"9" is not understood: ` + clock,
		"every day 9:0":         `"9:0" is not understood: ` + clock,
		"every day 009:00":      `"009:00" is not understood: ` + clock,
		"every day 9:00:00":     `"9:00:00" is not understood: ` + clock,
		"every day 9:00 please": `"please" is not understood: the end is expected`,
		"every day at 9:00":     `"at" is not understood: ` + clock,
		"every mon, 9:00":       `"9:00" is not understood: a number, day or a weekday is expected`,
		"every day of 9:00":     `"9:00" is not understood: ` + months,
		"every day of foo 9:00": `"foo" is not understood: ` + months,
		"every day of jan,":     `it ends where ` + months,

		"6th monday of month 9:00":                `"6th" is not understood: ` + start,
		"mon 09:00":                               `"mon" is not understood: ` + start,
		"1st,2 monday 9:00":                       `"2" is not understood: ` + start,
		"1st funday of month 9:00":                `"funday" is not understood: day or a weekday is expected`,
		"1st monday of 4th month of quarter 9:00": `"4th" is not understood: ` + months,
		"1st monday of 1st,4th month of quarter":  `"4th" is not understood: 1st, 2nd or 3rd is expected`,
		"1st monday of 1st quarter 9:00":          `"quarter" is not understood: month is expected`,
		"1st monday of 1st month 9:00":            `"9:00" is not understood: of is expected`,
		"1st monday of 1st month of year 9:00":    `"year" is not understood: quarter is expected`,

		"0 of month 9:00":     `"0" is not understood: ` + start,
		"32 of month 9:00":    `"32" is not understood: ` + start,
		"1,32 of month 9:00":  `"32" is not understood: a day of the month from 1 to 31 is expected`,
		"1 month of jan 9:00": `"month" is not understood: of is expected`,
		"1 of month":          `it ends where ` + clock,
		"30 of feb 9:00":      `it never fires: no day 30 in February`,
		"31 of feb,apr 9:00":  `it never fires: no day 31 in February, April`,
		"31 of feb,apr":       `it ends where ` + clock,
	} {
		requireRefused(t, expr, `schedule "`+expr+`": `+want)
	}
}
