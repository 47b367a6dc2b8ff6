package tour

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNarrator_Colors_OnATerminalOnly(t *testing.T) {
	for outcome, want := range map[string]string{
		Enqueued: dim, Executed: green, Retried: yellow, Snoozed: yellow, Duplicate: yellow, Discarded: yellow,
		Rejected: red, Failed: red, Quarantined: red,
	} {
		for _, color := range []bool{true, false} {
			var out bytes.Buffer
			s := NewNarrator(&out)
			s.color = s.color || color
			s.Tell(Event{Task: "Welcome", Outcome: outcome, N: 1})
			if got := strings.Contains(out.String(), "\x1b["+want+"m"+outcome); got != color {
				t.Errorf("%s: %q, want colour %s: %t", outcome, out.String(), want, color)
			}
		}
	}
}

func TestIsTerminal_DevicesUnlessTold(t *testing.T) {
	device, err := os.Open(os.DevNull) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if !isTerminal(device) {
		t.Error("a device is no terminal")
	}
	if isTerminal(file) {
		t.Error("a file is a terminal")
	}
	if isTerminal(&bytes.Buffer{}) {
		t.Error("a buffer is a terminal")
	}
	t.Setenv("TERM", "dumb")
	if isTerminal(device) {
		t.Error("a dumb terminal shows colours")
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	if isTerminal(device) {
		t.Error("NO_COLOR has no effect")
	}
}
