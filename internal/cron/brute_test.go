package cron_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
)

// calendar says of every wall time whether it fits. It shares nothing with the package under test.
type calendar struct {
	month  func(time.Month) bool
	day    func(t time.Time) bool // of the month and of the week
	minute [24 * 60]bool
	hour   [24]bool // has a minute that fits
}

func (c *calendar) setMinutes(fits func(hour, minute int) bool) {
	for m := range c.minute {
		c.minute[m] = fits(m/60, m%60)
		c.hour[m/60] = c.hour[m/60] || c.minute[m]
	}
}

// next walks the UTC line minute by minute and asks each wall time. It takes longer steps over months, days and hours
// that do not fit, as long as the wall clock shows the same one at the end of a step.
func (c *calendar) next(after time.Time, years int) time.Time {
	zone := after.Location()
	last := after.AddDate(years, 0, 0)
	for t := after.Truncate(time.Minute).Add(time.Minute); t.Before(last); {
		year, month, day := t.Date()
		hour, minute, _ := t.Clock()
		skip := func(d time.Duration, same func(time.Time) bool) bool {
			if then := t.Add(d).In(zone); !same(then) {
				return false
			}
			t = t.Add(d)
			return true
		}
		sameMonth := func(then time.Time) bool { return then.Month() == month && then.Year() == year }
		sameDay := func(then time.Time) bool { return sameMonth(then) && then.Day() == day }
		sameHour := func(then time.Time) bool { return sameDay(then) && then.Hour() == hour }
		switch {
		case !c.month(month) && (skip(20*24*time.Hour, sameMonth) || skip(24*time.Hour, sameMonth)):
		case !(c.month(month) && c.day(t)) && (skip(3*time.Hour, sameDay) || skip(15*time.Minute, sameDay)):
		case !c.hour[hour] && skip(15*time.Minute, sameHour):
		case c.month(month) && c.day(t) && c.minute[60*hour+minute]:
			return t
		default:
			t = t.Add(time.Minute)
		}
	}
	return time.Time{}
}

// everFires looks at thirty years of days, in which the leap day falls on every weekday but for the end of them.
func (c *calendar) everFires() bool {
	for t := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC); t.Year() < 2030; t = t.AddDate(0, 0, 1) {
		if c.month(t.Month()) && c.day(t) {
			return true
		}
	}
	return false
}

// calendarOf reads five fields by asking of every value whether some item of the list holds it.
func calendarOf(text string) *calendar {
	f := strings.Fields(text)
	weekdays := strings.Fields("SUN MON TUE WED THU FRI SAT")
	months := strings.Fields("- JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	var minute [60]bool
	for m := range minute {
		minute[m] = holds(f[0], 0, m, nil)
	}
	var hour [24]bool
	for h := range hour {
		hour[h] = holds(f[1], 0, h, nil)
	}
	var day [32]bool
	for d := 1; d < len(day); d++ {
		day[d] = holds(f[2], 1, d, nil)
	}
	var month [13]bool
	for m := 1; m < len(month); m++ {
		month[m] = holds(f[3], 1, m, months)
	}
	var weekday [7]bool
	for d := range weekday {
		weekday[d] = holds(f[4], 0, d, weekdays) || d == 0 && holds(strings.ReplaceAll(f[4], "*", "0-6"), 0, 7, weekdays)
	}
	open := []string{"*", "*/1"}
	either := !slices.Contains(open, f[2]) && !slices.Contains(open, f[4])
	c := &calendar{
		month: func(m time.Month) bool { return month[m] },
		day: func(t time.Time) bool {
			if either {
				return day[t.Day()] || weekday[t.Weekday()]
			}
			return day[t.Day()] && weekday[t.Weekday()]
		},
	}
	c.setMinutes(func(h, m int) bool { return hour[h] && minute[m] })
	return c
}

var itemPattern = regexp.MustCompile(`^(\*|\w+)(?:-(\w+))?(?:/(\d+))?$`)

func holds(list string, least, v int, names []string) bool {
	number := func(s string) int {
		if i := slices.Index(names, strings.ToUpper(s)); i >= 0 {
			return i
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(err)
		}
		return n
	}
	return slices.ContainsFunc(strings.Split(list, ","), func(item string) bool {
		m := itemPattern.FindStringSubmatch(item)
		lo, hi, step := least, 99, 1
		if m[1] != "*" {
			lo = number(m[1])
			hi = lo
		}
		if m[2] != "" {
			hi = number(m[2])
		}
		if m[3] != "" {
			step = number(m[3])
		}
		return lo <= v && v <= hi && (v-lo)%step == 0
	})
}

func zoneNames() []string {
	return []string{"America/Sao_Paulo", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"}
}

// changes are the instants from 1930 to 2060 at which the zone's clock is set.
func changes(zone *time.Location) (all []time.Time) {
	for t := time.Date(1930, time.January, 1, 0, 0, 0, 0, time.UTC); t.Year() < 2060; t = t.Add(12 * time.Hour) {
		_, before := t.In(zone).Zone()
		_, then := t.Add(12 * time.Hour).In(zone).Zone()
		if before != then {
			_, end := t.In(zone).ZoneBounds()
			all = append(all, end)
		}
	}
	return all
}

// randomInstant is near a change of the clock, most of the time.
func randomInstant(r *rand.Rand, zone *time.Location, changes []time.Time) time.Time {
	if r.IntN(4) == 0 {
		return time.Unix(r.Int64N(190*365*86400)-40*365*86400, r.Int64N(1e9)).In(zone) // 1930 to 2120
	}
	at := changes[r.IntN(len(changes))]
	switch r.IntN(8) {
	case 0: // just then
	case 1:
		at = at.Add(time.Duration(r.IntN(3)-1) * time.Nanosecond)
	case 2, 3, 4:
		at = at.Add(time.Duration(r.IntN(4*60)-2*60) * time.Minute)
	default:
		at = at.Add(time.Duration(r.IntN(4*86400)-2*86400) * time.Second)
	}
	return at.In(zone)
}

const seed = 20261124

// inZones runs cases on all zones, in parallel. Each case has a random source of its own.
func inZones(t *testing.T, cases int, check func(t *testing.T, n uint64, r *rand.Rand, zone *time.Location, at time.Time)) {
	t.Parallel()
	for z, name := range zoneNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := mustZone(t, name)
			changes := changes(zone)
			for i := range cases / len(zoneNames()) {
				n := uint64(z*cases + i)
				r := rand.New(rand.NewPCG(seed, n))
				check(t, n, r, zone, randomInstant(r, zone, changes))
			}
		})
	}
}

// compare follows some runs of both.
func compare(t *testing.T, n uint64, s *cron.Schedule, c *calendar, after time.Time, years int) {
	t.Helper()
	for at, i := after, 0; i < 3; i++ {
		got, want := s.Next(at), c.next(at, years)
		if !got.Equal(want) || got.Location() != at.Location() {
			t.Fatalf("seed %d, case %d: %q in %s, run %d after %s, that is after %s: at %s, want %s", seed, n, s, at.Location(), i+1,
				after.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano), got.Format(time.RFC3339), want.Format(time.RFC3339))
		}
		at = got
	}
}

func TestNext_RandomFields_AgreeWithBruteForce(t *testing.T) {
	inZones(t, 10_000, func(t *testing.T, n uint64, r *rand.Rand, zone *time.Location, at time.Time) {
		text := randomFields(r)
		c := calendarOf(text)
		s, err := cron.Parse(text)
		switch {
		case err == nil:
			compare(t, n, s, c, at, 17)
		case !strings.Contains(err.Error(), "never fires") || c.everFires():
			t.Fatalf("seed %d, case %d: %v", seed, n, err)
		}
	})
}

func randomFields(r *rand.Rand) string {
	months := strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	weekdays := strings.Fields("SUN MON TUE WED THU FRI SAT")
	hours := []int{23, 24, 5, 4, 3}[r.IntN(5)] // most changes come early in the day
	return strings.Join([]string{
		randomField(r, 5, 0, 59, nil),
		randomField(r, 4, 0, min(hours, 23), nil),
		randomField(r, 2, 1, 31, nil),
		randomField(r, 2, 1, 12, months),
		randomField(r, 2, 0, 7, weekdays),
	}, " ")
}

// randomField is open once in so many times.
func randomField(r *rand.Rand, open, lo, hi int, names []string) string {
	if r.IntN(open) == 0 {
		return []string{"*", "*", "*", "*/1"}[r.IntN(4)]
	}
	word := func(n int) string {
		if len(names) == 0 || n-lo >= len(names) || r.IntN(2) == 0 {
			return strconv.Itoa(n)
		}
		return randomCase(r, names[n-lo])
	}
	items := make([]string, 1+r.IntN(3)*r.IntN(2))
	for i := range items {
		a, b := lo+r.IntN(hi-lo+1), lo+r.IntN(hi-lo+1)
		a, b = min(a, b), max(a, b)
		switch kind := r.IntN(6); {
		case kind == 0 && r.IntN(4) == 0: // beyond the last value, or nearly so
			items[i] = "*/" + strconv.Itoa(2+r.IntN(2*hi))
		case kind == 0 && hi > 7:
			items[i] = "*/" + strconv.Itoa(2+r.IntN(min(hi, 12)-lo-2))
		case kind == 0:
			items[i] = "*/" + strconv.Itoa(2+r.IntN(2))
		case kind <= 2 && a < b:
			items[i] = word(a) + "-" + word(b)
		case kind == 3 && a < b:
			items[i] = word(a) + "-" + word(b) + "/" + strconv.Itoa(1+r.IntN(b-a+1+r.IntN(2)*hi))
		default:
			items[i] = word(a)
		}
	}
	return strings.Join(items, ",")
}

func randomCase(r *rand.Rand, s string) string {
	return []func(string) string{strings.ToLower, strings.ToUpper, strings.Clone}[r.IntN(3)](s)
}
