package cron_test

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestNext_ClockChanges(t *testing.T) {
	t.Parallel()
	for _, r := range []run{
		// Spring: what is skipped does not run, what is left of the hour does.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00+01:00", []string{"2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"}},
		{"*/30 1-3 * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T01:00:00+02:00"}},
		{"0 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-05T02:15:00+11:00"}},
		{"30 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00"}},

		// Midnight is skipped.
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T00:00:00-03:00", []string{"2018-11-05T00:00:00-02:00"}},
		{"30 0 4 11 *", "America/Sao_Paulo", "2018-01-01T00:00:00-02:00", []string{"2019-11-04T00:30:00-03:00"}},
		{"every day 00:00", "America/Sao_Paulo", "2018-11-03T00:00:00-03:00", []string{"2018-11-05T00:00:00-02:00"}},
		{"0 1 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", []string{"2018-11-04T01:00:00-02:00"}},

		// A day is skipped.
		{"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00-10:00", []string{"2012-12-30T12:00:00+14:00"}},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", []string{"2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"}},

		// Autumn: what is repeated runs twice.
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-26T02:30:00+01:00"}},
		{"0 2 * * *", "Europe/Berlin", "2026-10-25T02:59:59+02:00", []string{"2026-10-25T02:00:00+01:00", "2026-10-26T02:00:00+01:00"}},
		{"0 3 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{"2026-10-25T03:00:00+01:00"}},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30", "2026-04-06T01:45:00+10:30"}},
		{"0 1,2 * * *", "Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", []string{"2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"}},
		{"every 30 minutes from 02:00 to 03:00", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{
			"2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00", "2026-10-26T02:00:00+01:00"}},

		// Back over midnight, into the day before.
		{"30 23 * * *", "America/Sao_Paulo", "2018-02-17T00:00:00-02:00", []string{"2018-02-17T23:30:00-02:00", "2018-02-17T23:30:00-03:00", "2018-02-18T23:30:00-03:00"}},
		{"0 0 7 11 *", "America/St_Johns", "2010-11-01T00:00:00-02:30", []string{"2010-11-07T00:00:00-02:30", "2010-11-07T00:00:00-03:30", "2011-11-07T00:00:00-03:30"}},

		// The zone moves for good.
		{"20 0 1 1 *", "Asia/Kathmandu", "1985-06-01T00:00:00+05:30", []string{"1986-01-01T00:20:00+05:45", "1987-01-01T00:20:00+05:45"}},
		{"10 0 1 1 *", "Asia/Kathmandu", "1985-06-01T00:00:00+05:30", []string{"1987-01-01T00:10:00+05:45"}},

		// The end of a leap year that only the zone's rule covers.
		{"0 9 * * *", "America/New_York", "2040-12-30T09:00:00-05:00", []string{"2040-12-31T09:00:00-05:00", "2041-01-01T09:00:00-05:00"}},
		{"0 9 2 1 *", "Australia/Lord_Howe", "2040-12-31T22:00:00+11:00", []string{"2041-01-02T09:00:00+11:00"}},

		// Intervals know no wall clock.
		{"every 2 hours", "Europe/Berlin", "2026-03-29T01:10:20.5+01:00", []string{"2026-03-29T04:10:20+02:00"}},
		{"every 60 mins", "Europe/Berlin", "2026-10-25T02:30:00+02:00", []string{"2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
	} {
		r.check(t)
	}
}

func TestNext_AlwaysSkipped_NeverFires(t *testing.T) {
	t.Parallel()
	// Each first of March, the clock skips the hour after midnight.
	zone, err := time.LoadLocationFromTZData("Test/Fixed", tzif("STD0DST,J60/0,J300"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.January, 1, 0, 0, 0, 0, zone)
	if got := mustParse(t, "59 0 1 3 *").Next(at); !got.IsZero() {
		t.Errorf("fires at %s", got)
	}
	if got, want := mustParse(t, "0 1 1 3 *").Next(at), time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("fires at %s, want %s", got, want)
	}
}

// tzif is a time zone file with a rule and nothing else.
func tzif(rule string) []byte {
	block := func() []byte {
		b := append([]byte("TZif2"), make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, 0, 1, 4} { // one zone, four letters of names
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return append(append(b, 0, 0, 0, 0, 0, 0), "STD\x00"...) // no offset, not DST, first name
	}
	return append(append(block(), block()...), "\n"+rule+"\n"...)
}
