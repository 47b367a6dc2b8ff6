package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// words are what is left of an English schedule, in lower case, a comma being a word. The first problem is kept; from
// then on nothing is read any more.
type words struct {
	left    []string
	problem string
}

func newWords(text string) *words {
	return &words{left: strings.Fields(strings.ReplaceAll(strings.ToLower(text), ",", " , "))}
}

// peek is the next word, "" at the end.
func (w *words) peek() string {
	if len(w.left) == 0 {
		return ""
	}
	return w.left[0]
}

// take steps over the next word if it is one of these.
func (w *words) take(these ...string) bool {
	if w.peek() == "" || !slices.Contains(these, w.left[0]) {
		return false
	}
	w.left = w.left[1:]
	return true
}

// fail notes that something else was expected here.
func (w *words) fail(expected string) {
	switch {
	case w.problem != "":
	case w.peek() == "":
		w.problem = "it ends where " + expected + " is expected"
	default:
		w.problem = fmt.Sprintf("%q is not understood: %s is expected", w.peek(), expected)
	}
	w.left = nil
}

func (w *words) need(word string) {
	if !w.take(word) {
		w.fail(word)
	}
}

func (w *words) end() {
	if w.peek() != "" {
		w.fail("the end")
	}
}

// list reads words with commas between, of which each makes numbers.
func (w *words) list(each func(word string) (n int, ok bool), expected string) (s set) {
	for {
		n, ok := each(w.peek())
		if !ok {
			w.fail(expected)
			return 0
		}
		s.add(n)
		w.left = w.left[1:]
		if !w.take(",") {
			return s
		}
	}
}

// clock reads H:MM or HH:MM, in minutes.
func (w *words) clock() int {
	hour, minute, _ := strings.Cut(w.peek(), ":")
	h, okHour := number(hour, 0, 23)
	m, okMinute := number(minute, 0, 59)
	if !okHour || !okMinute || len(hour) > 2 || len(minute) != 2 {
		w.fail("a time from 00:00 to 23:59")
		return 0
	}
	w.left = w.left[1:]
	return h*60 + m
}

func number(text string, lo, hi int) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && isDigits(text) && lo <= n && n <= hi
}

func dayOf(word string) (n int, ok bool) { return number(word, 1, 31) }

func ordinalOf(word string) (n int, ok bool) {
	switch word {
	case "1st", "first":
		return 1, true
	case "2nd", "second":
		return 2, true
	case "3rd", "third":
		return 3, true
	case "4th", "fourth":
		return 4, true
	case "5th", "fifth":
		return 5, true
	default:
		return 0, false
	}
}

// weekdayOf knows mon and monday.
func weekdayOf(word string) (n int, ok bool) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if isName(word, day.String()) {
			return int(day), true
		}
	}
	return 0, false
}

// monthOf knows jan and january.
func monthOf(word string) (n int, ok bool) {
	for month := time.January; month <= time.December; month++ {
		if isName(word, month.String()) {
			return int(month), true
		}
	}
	return 0, false
}

func isName(word, name string) bool {
	name = strings.ToLower(name)
	return word == name || word == name[:3]
}
