package cron

import (
	"time"

	"github.com/netresearch/go-cron"
)

const (
	// horizon bounds the search, in years. The longest gap is that of a fifth weekday in February: 40 years, where
	// a century has no leap day. Twice that, for a zone whose clock skips the first that comes.
	horizon = 100
	// step is how many years go-cron looks ahead in one call.
	step = 8
)

// nextInstant finds the first instant strictly after the given one at which the wall clock of its Location shows one
// of ts. The time line falls into segments with one offset from UTC each; within a segment the wall clock is
// UTC's, moved by the offset.
func nextInstant(ts times, after time.Time) time.Time {
	from := wall(after)
	offset, end := segment(after)
	for shown := ts.next(from); !shown.IsZero(); {
		at := time.Unix(shown.Unix()-int64(offset), 0).In(after.Location())
		if end.IsZero() || at.Before(end) {
			return at
		}
		if end.Year() > after.Year()+horizon {
			break
		}
		start := wall(end)
		offset, end = segment(end)
		// What was shown is still the next, unless the clock was set back so that earlier ones come again, or set
		// forward over it.
		if !start.After(from) || start.After(shown) {
			from = start.Add(-1) // the start itself counts
			shown = ts.next(from)
		}
	}
	return time.Time{}
}

// segment returns the offset at t, in seconds, and an instant up to which it stays so; zero: for ever.
func segment(t time.Time) (offset int, end time.Time) {
	_, offset = t.Zone()
	_, end = t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// On the last day of a leap year, in UTC, the end may lie before it: https://go.dev/issue/81583.
		end = t.Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	return offset, end
}

// wall is what the clock of t's Location shows at t, written as UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return time.Unix(t.Unix()+int64(offset), int64(t.Nanosecond())).UTC()
}

// spec are the times of day, the days and the months that a schedule names.
type spec struct{ sets cron.SpecSchedule }

// newSpec hands go-cron what it would make of five fields itself. Where both day and weekday must fit, and not either,
// the one that the schedule leaves open is full.
func newSpec(minute, hour, day, month, weekday set, either bool) *spec {
	return &spec{cron.SpecSchedule{
		Second: 1 << 0, Minute: uint64(minute), Hour: uint64(hour), Dom: uint64(day), Month: uint64(month), Dow: uint64(weekday),
		DowOrDom: either, Location: time.UTC, MaxSearchYears: step,
	}}
}

func (s *spec) next(after time.Time) time.Time {
	for last := after.Year() + horizon; after.Year() <= last; {
		if t := s.sets.Next(after); !t.IsZero() {
			return t
		}
		after = time.Date(after.Year()+step+1, time.January, 1, 0, 0, 0, -1, time.UTC)
	}
	return time.Time{}
}

// daily are the same times on each of some weekdays.
type daily struct {
	minutes [24 * 60]bool // of the day
	days    set           // 0: Sunday
}

func (d *daily) next(after time.Time) time.Time {
	day := time.Date(after.Year(), after.Month(), after.Day(), 0, 0, 0, 0, time.UTC)
	minute := after.Hour()*60 + after.Minute() + 1
	for range 8 { // a week on, the day itself may come again with an earlier minute
		if d.days.has(int(day.Weekday())) {
			for ; minute < len(d.minutes); minute++ {
				if d.minutes[minute] {
					return day.Add(time.Duration(minute) * time.Minute)
				}
			}
		}
		day, minute = day.AddDate(0, 0, 1), 0
	}
	return time.Time{}
}
