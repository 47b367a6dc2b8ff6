package cron

import (
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

const (
	minutesPerDay = 24 * 60
	maxInterval   = 99_999 // of any unit: App Engine's grammar has five digits
)

// isEnglish tells the two forms apart by what five fields never hold.
func isEnglish(texts []string) bool {
	first, _, _ := strings.Cut(strings.ToLower(texts[0]), ",")
	if _, ordinal := ordinalOf(first); ordinal || first == "every" {
		return true
	}
	for _, text := range texts {
		if strings.Contains(text, ":") || strings.EqualFold(text, "of") {
			return true
		}
	}
	return false
}

func (s *Schedule) parseEnglish() (problems []string) {
	w := newWords(s.text)
	switch _, day := dayOf(w.peek()); {
	case day:
		s.parseDaysOfMonth(w)
	case !w.take("every"):
		s.parseDays(w, w.list(ordinalOf, "every, days of the month from 1 to 31, or 1st to 5th"))
	case isDigits(w.peek()):
		s.parseInterval(w)
	default:
		s.parseDays(w, 0)
	}
	if w.problem != "" {
		return []string{w.problem}
	}
	return nil
}

// parseInterval goes on behind every.
func (s *Schedule) parseInterval(w *words) {
	n, ok := number(w.peek(), 1, maxInterval)
	if !ok {
		w.fail(fmt.Sprintf("a number from 1 to %d", maxInterval))
		return
	}
	w.left = w.left[1:]
	unit := time.Minute
	switch {
	case w.take("minutes", "mins"):
	case w.take("hours"):
		unit = time.Hour
	case w.take("seconds"):
		unit = time.Second
		s.seconds = true
	default:
		w.fail("minutes, mins or hours (seconds only in development)")
		return
	}
	every := time.Duration(n) * unit
	if w.peek() == "" || s.seconds {
		s.interval = every
		w.end()
		return
	}
	s.parseTimesOfDay(w, int(every/time.Minute))
}

// parseTimesOfDay reads what binds an interval to the wall clock.
func (s *Schedule) parseTimesOfDay(w *words, every int) {
	from, length, days := 0, minutesPerDay-1, setOf(0, 6)
	switch {
	case w.take("from"):
		from = w.clock()
		w.need("to")
		length = (w.clock() - from + minutesPerDay) % minutesPerDay
	case w.take("synchronized"):
		if minutesPerDay%every != 0 {
			w.problem = "synchronized needs an interval that divides 24 hours evenly"
		}
	case w.take("on"):
		days = w.list(weekdayOf, "a weekday such as mon or monday")
	default:
		w.fail("from, synchronized, on or the end")
	}
	w.end()
	if every > minutesPerDay && w.problem == "" {
		w.problem = "an interval of more than 24 hours cannot start anew each day"
	}
	if w.problem != "" {
		return
	}
	times := &daily{days: days}
	for at := 0; at <= length; at += every {
		times.minutes[(from+at)%minutesPerDay] = true
	}
	s.times = times
}

// parseDaysOfMonth reads 1,15 of month 10:00.
func (s *Schedule) parseDaysOfMonth(w *words) {
	days := w.list(dayOf, "a day of the month from 1 to 31")
	w.need("of")
	months := w.months()
	s.setTimes(w, days, months, setOf(0, 6))
	if problem := neverProblem(days, months); w.problem == "" {
		w.problem = problem
	}
}

// parseDays goes on behind every, where there are no ordinals, or behind the ordinals.
func (s *Schedule) parseDays(w *words, ordinals set) {
	days, weekdays, months := setOf(1, 31), setOf(0, 6), setOf(1, 12)
	var nth []cron.DowConstraint
	switch {
	case !w.take("day"):
		weekdays = w.list(weekdayOf, expectedDay(ordinals))
		for n := range ordinals.all() {
			for day := range weekdays.all() {
				nth = append(nth, cron.DowConstraint{Weekday: day, N: n})
			}
		}
	case ordinals != 0:
		days = ordinals // "1st day": of the month, as App Engine has it
	}
	if w.take("of") {
		months = w.months()
	}
	times := s.setTimes(w, days, months, weekdays)
	if nth != nil {
		times.sets.Dow, times.sets.DowConstraints = 0, nth
	}
}

func expectedDay(ordinals set) string {
	if ordinals != 0 {
		return "day or a weekday"
	}
	return "a number, day or a weekday"
}

// setTimes reads the time, which comes last.
func (s *Schedule) setTimes(w *words, days, months, weekdays set) *spec {
	at := w.clock()
	w.end()
	times := newSpec(1<<(at%60), 1<<(at/60), days, months, weekdays, false)
	s.times = times
	return times
}

// months reads what stands behind of.
func (w *words) months() set {
	if w.take("month") {
		return setOf(1, 12)
	}
	if w.take("quarter") {
		return monthsOfQuarters(1 << 1)
	}
	if n, ok := ordinalOf(w.peek()); ok && n <= 3 {
		ordinals := w.list(func(word string) (int, bool) {
			n, ok := ordinalOf(word)
			return n, ok && n <= 3
		}, "1st, 2nd or 3rd")
		w.need("month")
		w.need("of")
		w.need("quarter")
		return monthsOfQuarters(ordinals)
	}
	return w.list(monthOf, "month, quarter, or the name of a month such as jan or january")
}

func monthsOfQuarters(ordinals set) (months set) {
	for first := range 4 {
		months |= ordinals << (3 * first)
	}
	return months
}
