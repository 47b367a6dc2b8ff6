package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// narrator writes events as lines in columns: when, which task, what became of it, its id, more.
type narrator struct {
	out   io.Writer
	color bool
	start time.Time

	mu    sync.Mutex
	bulks map[string]*bulk // by task
}

// bulk is many tasks, whose executions are told as one.
type bulk struct{ n, left int }

func newNarrator(out io.Writer) *narrator {
	return &narrator{out: out, color: isTerminal(out), start: time.Now(), bulks: map[string]*bulk{}}
}

// say writes what is no event.
func (s *narrator) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// heading begins a section: where something is done, and what it shows.
func (s *narrator) heading(where, what string) {
	s.say("\n%s  %s", s.paint(bold, fmt.Sprintf("%-17s", where)), s.paint(bold, what))
}

// tell writes an event.
func (s *narrator) tell(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gather(&e) {
		return
	}
	at := fmt.Sprintf("%6.3fs", time.Since(s.start).Seconds())
	outcome := fmt.Sprintf("%-11s", e.outcome)
	fmt.Fprintf(s.out, "%s  %-8s  %s  %-8.8s  %s\n", s.paint(dim, at), e.task, s.paint(colorOf(e.outcome), outcome), e.id, e.detail)
}

// gather reports whether e is to be told, which the executions of a bulk are with the last of them only.
func (s *narrator) gather(e *event) bool {
	b := s.bulks[e.task]
	switch {
	case e.outcome == enqueued && e.n > 1:
		s.bulks[e.task] = &bulk{e.n, e.n}
		e.id = fmt.Sprintf("x %d", e.n)
	case e.outcome == executed && b != nil:
		if b.left -= e.n; b.left > 0 {
			return false
		}
		delete(s.bulks, e.task)
		e.id, e.detail = fmt.Sprintf("x %d", b.n), "all of them"
	}
	return true
}

// Colours, as parameters of a terminal's escape sequence.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func colorOf(outcome string) string {
	switch outcome {
	case enqueued:
		return dim
	case executed:
		return green
	case rejected, failed, quarantined:
		return red
	default:
		return yellow
	}
}

func (s *narrator) paint(color, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// isTerminal reports whether w is a terminal that shows colours.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
