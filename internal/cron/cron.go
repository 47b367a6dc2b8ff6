// Package cron reads Cloud Scheduler's schedules and tells when they fire.
//
// Five fields, minute, hour, day of month, month, day of week: "*", numbers, JAN-DEC and SUN-SAT in any case, 7 for
// Sunday too, ranges a-b with a less than b, steps */n and a-b/n with any n from 1 on, lists of these. A step that leads
// beyond the last value, as in "*/60", chooses the first one only. Where both day fields are restricted, that is neither
// "*" nor "*/1", a day that fits either of them fits. No seconds, no L, W, # or ?, no names that begin with @ (see
// [Translate]).
//
// The English form is that of App Engine's cron.yaml, in any case:
//
//	every N minutes|mins|hours [from HH:MM to HH:MM | synchronized | on DAYS]
//	every|ORDINALS day|DAYS [of MONTHS] HH:MM        1st,third mon,friday of jan,june 9:00
//	N,N of MONTHS HH:MM                              1,15 of month 10:00
//
// MONTHS are names, month (all), quarter (the first month of each), or ORDINALS month of quarter. With nothing behind
// the unit, runs are N apart. From a time to another, both included, or synchronized, which is from 00:00 to 23:59
// and needs an N that divides the day, or on some days, all day long, they come each day at the same times.
// "every N seconds" is ours, see [Schedule.SubMinute].
//
// A schedule goes by the wall clock of its zone: it fires at each minute whose wall time fits. What the clock skips
// in spring does not run, what it repeats in autumn runs twice. Intervals alone know no wall clock.
//
// The sources are https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules and
// https://cloud.google.com/appengine/docs/standard/scheduling-jobs-with-cron-yaml with the grammar in App Engine's
// SDK, read as of 2026-11. Where they are silent, what is odd is refused rather than guessed at.
//
// The next time is computed by github.com/netresearch/go-cron, the maintained fork of robfig/cron, which has had no
// release since 2020: it depends on nothing, and knows the n-th weekday of a month. It is given sets of numbers, since
// its grammar is wider, and asked over a wall clock without changes, since it has rules of its own for those.
package cron

import (
	"fmt"
	"strings"
	"time"
)

// Schedule says when a job runs. It does not change, and is safe for concurrent use. The zero Schedule never fires.
type Schedule struct {
	text     string
	unixCron bool
	seconds  bool
	interval time.Duration // 0: by the wall clock
	times    times
}

// times are points on a wall clock that never changes, which is written as UTC.
type times interface {
	next(after time.Time) time.Time // strictly after; zero: none for longer than any gap between two
}

// Parse reads a schedule in five fields or in the English form. The error names each field that is wrong, the text in
// it and what is allowed, or the word that is not understood. A schedule that can never fire is refused.
func Parse(expr string) (*Schedule, error) {
	words := strings.Fields(expr)
	s := &Schedule{text: strings.Join(words, " ")}
	var problems []string
	switch {
	case len(words) == 0:
		problems = []string{"it is empty"}
	case strings.HasPrefix(words[0], "@"):
		problems = []string{atProblem(words)}
	case isEnglish(words):
		problems = s.parseEnglish()
	default:
		problems = s.parseFields(words)
	}
	if problems != nil {
		return nil, fmt.Errorf("schedule %q: %s", s.text, strings.Join(problems, "; "))
	}
	return s, nil
}

// Translate writes @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually in five fields; ok is false for
// anything else.
func Translate(expr string) (fields string, ok bool) {
	switch strings.ToLower(strings.TrimSpace(expr)) {
	case "@hourly":
		return "0 * * * *", true
	case "@daily", "@midnight":
		return "0 0 * * *", true
	case "@weekly":
		return "0 0 * * 0", true
	case "@monthly":
		return "0 0 1 * *", true
	case "@yearly", "@annually":
		return "0 0 1 1 *", true
	default:
		return "", false
	}
}

func atProblem(words []string) string {
	if fields, ok := Translate(words[0]); ok && len(words) == 1 {
		return fmt.Sprintf("Cloud Scheduler has no %s: write %q", words[0], fields)
	}
	return fmt.Sprintf("Cloud Scheduler has no %s: write five fields, or English such as \"every 5 minutes\"", words[0])
}

// Next returns the first time strictly after the given one, by the wall clock of after's Location, in which the
// result is. Zero: it never fires again there.
func (s *Schedule) Next(after time.Time) time.Time {
	switch {
	case s.interval > 0:
		return after.Round(0).Add(s.interval)
	case s.times != nil:
		return nextInstant(s.times, after)
	default:
		return time.Time{}
	}
}

// UnixCron reports whether the schedule has five fields. Only such jobs are sent X-CloudScheduler-ScheduleTime.
func (s *Schedule) UnixCron() bool { return s.unixCron }

// Interval returns how far apart the runs are, where that is all that the schedule says: "every 2 hours". Then
// Next(t) is t and the interval.
func (s *Schedule) Interval() (d time.Duration, ok bool) { return s.interval, s.interval > 0 }

// SubMinute reports whether the schedule is "every N seconds", which Cloud Scheduler does not have: it is for
// development, and for schedulers that are in the process.
func (s *Schedule) SubMinute() bool { return s.seconds }

// String is the schedule as it was given, with single spaces.
func (s *Schedule) String() string { return s.text }
