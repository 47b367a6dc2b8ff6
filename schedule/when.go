package schedule

import (
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
)

// When says at which times a task runs: [Cron], [Every] or [Interval].
type When interface {
	parse() (*cron.Schedule, error)
}

// Cron is a schedule in the five fields of unix-cron: minute, hour, day of month, month, day of week, each with lists,
// ranges and steps; months and days of the week by their names too. Where both days are restricted, either matches.
// "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly" and "@annually" are translated to five fields.
func Cron(expr string) When { return cronWhen(expr) }

// Every is a schedule in Cloud Scheduler's English: "every 2 hours", "every monday 09:00",
// "1st friday of month 09:00". Runs of "every N minutes" and "every N hours" are N apart. Seconds are for [Interval].
func Every(english string) When { return everyWhen(english) }

// Interval is runs that are d apart: whole minutes, or whole seconds for development. [Sync] refuses seconds for a
// scheduler outside of this process: Cloud Scheduler has no such thing.
func Interval(d time.Duration) When { return intervalWhen(d) }

type (
	cronWhen     string
	everyWhen    string
	intervalWhen time.Duration
)

func (w cronWhen) parse() (*cron.Schedule, error) {
	expr := string(w)
	if five, ok := cron.Translate(expr); ok {
		expr = five
	}
	s, err := cron.Parse(expr)
	switch {
	case err != nil:
		return nil, fmt.Errorf("Cron: %w", err)
	case !s.UnixCron():
		return nil, fmt.Errorf("Cron: %q has not the five fields of a cron expression: use schedule.Every for the English form", w)
	}
	return s, nil
}

func (w everyWhen) parse() (*cron.Schedule, error) {
	if _, ok := cron.Translate(string(w)); ok {
		return nil, fmt.Errorf("Every: %q is no English schedule: use schedule.Cron for it", w)
	}
	s, err := cron.Parse(string(w))
	switch {
	case err != nil:
		return nil, fmt.Errorf("Every: %w", err)
	case s.SubMinute():
		return nil, fmt.Errorf("Every: Cloud Scheduler has no %q: use schedule.Interval for development", s)
	case s.UnixCron():
		return nil, fmt.Errorf("Every: %q is no English schedule: use schedule.Cron for the five fields", w)
	}
	return s, nil
}

func (w intervalWhen) parse() (*cron.Schedule, error) {
	d := time.Duration(w)
	expr := fmt.Sprintf("every %d minutes", d/time.Minute)
	switch {
	case d <= 0:
		return nil, fmt.Errorf("Interval: %s is no interval: give it a whole number of minutes, or of seconds for development", d)
	case d%time.Second != 0:
		return nil, fmt.Errorf("Interval: %s is no whole number of seconds", d)
	case d%time.Minute != 0:
		expr = fmt.Sprintf("every %d seconds", d/time.Second)
	}
	s, err := cron.Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("Interval: %s: %w", d, err)
	}
	return s, nil
}
