package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// field is one of the five, or rather what it may hold.
type field struct {
	name     string
	min, max int
	star     int                                // the last that * stands for
	named    func(name string) (n int, ok bool) // nil: numbers only
	names    string
}

func fields() []field {
	return []field{
		{name: "minute", min: 0, max: 59, star: 59},
		{name: "hour", min: 0, max: 23, star: 23},
		{name: "day of month", min: 1, max: 31, star: 31},
		{name: "month", min: 1, max: 12, star: 12, named: monthOf, names: "JAN to DEC"},
		{name: "day of week", min: 0, max: 7, star: 6, named: weekdayOf, names: "SUN to SAT"},
	}
}

// parseFields reports every problem of every field. Fewer fields than five are checked by their position; more are
// not, since it cannot be known which one is too many.
func (s *Schedule) parseFields(texts []string) (problems []string) {
	known := fields()
	var sets [5]set
	if len(texts) <= len(known) {
		for i, text := range texts {
			var wrong []string
			sets[i], wrong = known[i].parse(text)
			problems = append(problems, wrong...)
		}
	}
	if len(texts) != len(known) {
		return append(problems, countProblem(len(texts)))
	}
	if problems != nil {
		return problems
	}
	minute, hour, day, month, weekday := sets[0], sets[1], sets[2], sets[3], sets[4]
	if weekday.has(7) {
		weekday.add(0)
		weekday &^= 1 << 7
	}
	anyDay, anyWeekday := isStar(texts[2]), isStar(texts[4])
	if !anyDay && anyWeekday {
		if problem := neverProblem(day, month); problem != "" {
			return []string{problem}
		}
	}
	s.unixCron, s.times = true, newSpec(minute, hour, day, month, weekday, !anyDay && !anyWeekday)
	return nil
}

func countProblem(n int) string {
	noun, hint := "fields", "there are none for seconds and years"
	if n < 5 {
		hint = "or write English such as \"every 5 minutes\""
	}
	if n == 1 {
		noun = "field"
	}
	return fmt.Sprintf("%d %s instead of five: minute, hour, day of month, month, day of week; %s", n, noun, hint)
}

// isStar reports whether a field leaves every value open; one that lists them all is restricted.
func isStar(text string) bool { return text == "*" || text == "*/1" }

// neverProblem says why no month ever has one of the days, "" if one has. February has 29 days: some time it will.
func neverProblem(days, months set) string {
	var names []string
	for m := range months.all() {
		if days.least() <= time.Date(2000, time.Month(m+1), 0, 0, 0, 0, 0, time.UTC).Day() {
			return ""
		}
		names = append(names, time.Month(m).String())
	}
	return fmt.Sprintf("it never fires: no day %d in %s", days.least(), strings.Join(names, ", "))
}

// parse reads a field's text. Each problem begins with the field's name.
func (f field) parse(text string) (s set, problems []string) {
	items := strings.Split(text, ",")
	for _, item := range items {
		values, err := f.parseItem(item)
		if err == nil && len(items) > 1 && isStar(item) {
			err = fmt.Errorf("%s stands for everything and is no part of a list: %q", item, text)
		}
		if err != nil {
			problems = append(problems, f.name+": "+err.Error())
		}
		s |= values
	}
	return s, problems
}

// parseItem reads what stands between two commas.
func (f field) parseItem(item string) (s set, err error) {
	span, by, stepped := strings.Cut(item, "/")
	low, high, ranged := strings.Cut(span, "-")
	first, last := f.min, f.star
	switch {
	case span == "*":
	case ranged:
		if first, last, err = f.parseRange(low, high); err != nil {
			return 0, err
		}
	default:
		if first, err = f.value(span); err != nil {
			return 0, err
		}
		if stepped {
			return 0, fmt.Errorf("%q: a step goes with * or a range: write %s-%d/%s", item, span, f.star, by)
		}
		last = first
	}
	n := 1
	if stepped {
		n, err = strconv.Atoi(by)
		switch {
		case !isDigits(by) || err == nil && n < 1:
			return 0, fmt.Errorf("%q: step %q is no number from 1 on", item, by)
		case err != nil:
			return 0, fmt.Errorf("%q: step %q is too large", item, by)
		}
		n = min(n, last-first+1) // which is to the end and chooses the first value only
	}
	for v := first; v <= last; v += n {
		s.add(v)
	}
	return s, nil
}

func (f field) parseRange(low, high string) (first, last int, err error) {
	if first, err = f.value(low); err != nil {
		return 0, 0, err
	}
	if last, err = f.value(high); err != nil {
		return 0, 0, err
	}
	if first >= last {
		hint := ""
		if f.max == 7 && last == 0 {
			hint = "; at the end of a range Sunday is 7"
		}
		return 0, 0, fmt.Errorf("range %s-%s: %s is not less than %s%s", low, high, low, high, hint)
	}
	return first, last, nil
}

// value reads a number or a name.
func (f field) value(text string) (int, error) {
	if isDigits(text) {
		n, err := strconv.Atoi(text)
		if err != nil || n < f.min || n > f.max {
			return 0, fmt.Errorf("%s is outside %d to %d", text, f.min, f.max)
		}
		return n, nil
	}
	allowed := fmt.Sprintf("%d to %d", f.min, f.max)
	if f.named != nil {
		if n, ok := f.named(strings.ToLower(text)); ok && len(text) == 3 {
			return n, nil
		}
		allowed += ", " + f.names
	}
	hint := ""
	if text == "?" || strings.Contains(text, "#") || text != "" && strings.Trim(strings.ToUpper(text), "LW0123456789") == "" {
		hint = "; Cloud Scheduler has no L, W, # and ?"
	}
	return 0, fmt.Errorf("%q is none of %s%s", text, allowed, hint)
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
