package cron_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
)

func TestNext_RandomEnglish_AgreesWithBruteForce(t *testing.T) {
	inZones(t, 2_000, func(t *testing.T, n uint64, r *rand.Rand, zone *time.Location, at time.Time) {
		text, c := randomEnglish(r)
		s, err := cron.Parse(text)
		switch {
		case err == nil:
			compare(t, n, s, c, at, 81)
		case !strings.Contains(err.Error(), "never fires") || c.everFires():
			t.Fatalf("seed %d, case %d: %v", seed, n, err)
		}
	})
}

// randomEnglish makes up a schedule by the wall clock, and what it means.
func randomEnglish(r *rand.Rand) (string, *calendar) {
	c := &calendar{month: func(time.Month) bool { return true }, day: func(time.Time) bool { return true }}
	var text string
	switch r.IntN(5) {
	case 0, 1:
		text = randomTimesOfDay(r, c)
	case 2:
		days := pick(r, 1+r.IntN(3), 31)
		c.day = func(t time.Time) bool { return slices.Contains(days, t.Day()) }
		text = list(r, days, func(n int) string { return fmt.Sprint(n) }) + " of " + randomMonths(r, c) + " " + randomTime(r, c)
	default:
		text = randomDays(r, c)
		if r.IntN(2) == 0 {
			text += " of " + randomMonths(r, c)
		}
		text += " " + randomTime(r, c)
	}
	return randomCase(r, strings.ReplaceAll(text, " ", strings.Repeat(" ", 1+r.IntN(2)))), c
}

func randomTimesOfDay(r *rand.Rand, c *calendar) string {
	every, unit := 1+r.IntN(400), "minutes"
	if r.IntN(3) == 0 {
		every, unit = 60*(1+r.IntN(24)), "hours"
	}
	number := every
	if unit == "hours" {
		number /= 60
	}
	switch r.IntN(3) {
	case 0:
		from, to := r.IntN(1440), r.IntN(1440)
		if r.IntN(2) == 0 {
			from, to = r.IntN(240), r.IntN(300) // early, where changes are
		}
		c.setMinutes(func(h, m int) bool {
			since, length := 60*h+m-from, to-from
			if since < 0 {
				since += 1440
			}
			if length < 0 {
				length += 1440
			}
			return since <= length && since%every == 0
		})
		return fmt.Sprintf("every %d %s from %d:%02d to %02d:%02d", number, unit, from/60, from%60, to/60, to%60)
	case 1:
		divisors := []int{1, 2, 3, 5, 7, 11, 13, 15, 30, 40, 90, 96, 480, 720, 1440}
		every = divisors[r.IntN(len(divisors))]
		for 1440%every != 0 {
			every = 1 + r.IntN(1440)
		}
		c.setMinutes(func(h, m int) bool { return (60*h+m)%every == 0 })
		return fmt.Sprintf("every %d mins synchronized", every)
	default:
		days := pick(r, 1+r.IntN(3), 7)
		c.day = func(t time.Time) bool { return slices.Contains(days, 1+int(t.Weekday())) }
		c.setMinutes(func(h, m int) bool { return (60*h+m)%every == 0 })
		return fmt.Sprintf("every %d %s on %s", number, unit, list(r, days, weekdayName(r)))
	}
}

// randomDays is what stands before of.
func randomDays(r *rand.Rand, c *calendar) string {
	first := [][]string{{"1st", "first"}, {"2nd", "second"}, {"3rd", "third"}, {"4th", "fourth"}, {"5th", "fifth"}}
	ordinals := pick(r, 1+r.IntN(2), 5)
	ordinal := list(r, ordinals, func(n int) string { return first[n-1][r.IntN(2)] })
	days := pick(r, 1+r.IntN(3), 7)
	weekday := list(r, days, weekdayName(r))
	switch r.IntN(4) {
	case 0:
		return "every day"
	case 1:
		c.day = func(t time.Time) bool { return slices.Contains(ordinals, t.Day()) }
		return ordinal + " day"
	case 2:
		c.day = func(t time.Time) bool { return slices.Contains(days, 1+int(t.Weekday())) }
		return "every " + weekday
	default:
		c.day = func(t time.Time) bool {
			nth := 0 // such weekdays in the month so far
			for d := t.Day(); d > 0; d -= 7 {
				nth++
			}
			return slices.Contains(days, 1+int(t.Weekday())) && slices.Contains(ordinals, nth)
		}
		return ordinal + " " + weekday
	}
}

func randomMonths(r *rand.Rand, c *calendar) string {
	switch r.IntN(5) {
	case 0:
		return "month"
	case 1:
		c.month = func(m time.Month) bool { return m == 1 || m == 4 || m == 7 || m == 10 }
		return "quarter"
	case 2:
		of := pick(r, 1+r.IntN(2), 3)
		c.month = func(m time.Month) bool { return slices.Contains(of, int(m-1)%3+1) }
		return list(r, of, func(n int) string { return []string{"", "1st", "second", "3rd"}[n] }) + " month of quarter"
	default:
		months := pick(r, 1+r.IntN(3), 12)
		c.month = func(m time.Month) bool { return slices.Contains(months, int(m)) }
		return list(r, months, func(n int) string { return name(r, time.Month(n).String()) })
	}
}

func randomTime(r *rand.Rand, c *calendar) string {
	hour, minute := r.IntN(24), r.IntN(60)
	if r.IntN(2) == 0 {
		hour = r.IntN(4)
	}
	c.setMinutes(func(h, m int) bool { return h == hour && m == minute })
	if r.IntN(2) == 0 {
		return fmt.Sprintf("%d:%02d", hour, minute)
	}
	return fmt.Sprintf("%02d:%02d", hour, minute)
}

// pick draws numbers from 1 to n.
func pick(r *rand.Rand, count, n int) (numbers []int) {
	for range count {
		numbers = append(numbers, 1+r.IntN(n))
	}
	return numbers
}

func list(r *rand.Rand, numbers []int, word func(int) string) string {
	var words []string
	for _, n := range numbers {
		words = append(words, word(n))
	}
	return strings.Join(words, []string{",", ", ", " ,"}[r.IntN(3)])
}

// weekdayName names 1, which is Sunday, to 7.
func weekdayName(r *rand.Rand) func(n int) string {
	return func(n int) string { return name(r, time.Weekday(n-1).String()) }
}

func name(r *rand.Rand, full string) string { return []string{full, full[:3]}[r.IntN(2)] }
