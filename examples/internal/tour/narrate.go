package tour

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Narrator writes events as lines in columns: when, which task, what became of it, its id, more.
type Narrator struct {
	out   io.Writer
	color bool
	start time.Time

	mu    sync.Mutex
	bulks map[string]*bulk // by task
}

// bulk is many tasks, whose executions are told as one.
type bulk struct{ n, left int }

// NewNarrator writes to out, in colours where that is a terminal.
func NewNarrator(out io.Writer) *Narrator {
	return &Narrator{out: out, color: isTerminal(out), start: time.Now(), bulks: map[string]*bulk{}}
}

// Say writes what is no event.
func (s *Narrator) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// heading begins a section: where something is done, and what it shows.
func (s *Narrator) heading(where, what string) {
	s.Say("\n%s  %s", s.paint(bold, fmt.Sprintf("%-17s", where)), s.paint(bold, what))
}

// Tell writes an event.
func (s *Narrator) Tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gather(&e) {
		return
	}
	at := fmt.Sprintf("%6.3fs", time.Since(s.start).Seconds())
	outcome := fmt.Sprintf("%-11s", e.Outcome)
	fmt.Fprintf(s.out, "%s  %-8s  %s  %-8.8s  %s\n", s.paint(dim, at), e.Task, s.paint(colorOf(e.Outcome), outcome), e.ID, e.Detail)
}

// gather reports whether e is to be told, which the executions of a bulk are with the last of them only.
func (s *Narrator) gather(e *Event) bool {
	b := s.bulks[e.Task]
	switch {
	case e.Outcome == Enqueued && e.N > 1:
		s.bulks[e.Task] = &bulk{e.N, e.N}
		e.ID = fmt.Sprintf("x %d", e.N)
	case e.Outcome == Executed && b != nil:
		if b.left -= e.N; b.left > 0 {
			return false
		}
		delete(s.bulks, e.Task)
		e.ID, e.Detail = fmt.Sprintf("x %d", b.n), "all of them"
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
	case Enqueued:
		return dim
	case Executed:
		return green
	case Rejected, Failed, Quarantined:
		return red
	default:
		return yellow
	}
}

func (s *Narrator) paint(color, text string) string {
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
