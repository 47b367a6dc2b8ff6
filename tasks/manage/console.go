package manage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// console is where a command talks.
type console struct {
	in                    io.Reader
	out, err              io.Writer
	inTTY, outTTY, errTTY bool
	plain                 bool // no colours
	dumb                  bool // nor a cursor to move
}

func newConsole(cmd *cobra.Command, terminals *[3]bool) *console {
	c := &console{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
	c.inTTY, c.outTTY, c.errTTY = isTerminal(c.in), isTerminal(c.out), isTerminal(c.err)
	if terminals != nil {
		c.inTTY, c.outTTY, c.errTTY = terminals[0], terminals[1], terminals[2]
	}
	c.dumb = os.Getenv("TERM") == "dumb"
	c.plain = c.dumb || os.Getenv("NO_COLOR") != ""
	return c
}

// isTerminal takes a character device for a terminal, but the one that holds nothing.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// asks reports whether there is somebody to ask.
func (c *console) asks() bool { return c.inTTY && c.errTTY }

// ask asks whether to do something; anything but yes is no.
func (c *console) ask(ctx context.Context, what string) (bool, error) {
	if _, err := fmt.Fprintf(c.err, "%s? [y/N] ", oneLine(what)); err != nil {
		return false, err
	}
	answer, err := readLine(ctx, c.in)
	if err != nil {
		fmt.Fprintln(c.err) // the question's line is still open
		if errors.Is(err, io.EOF) {
			err = errors.New("there was no answer")
		}
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// note tells something on the side.
func (c *console) note(format string, args ...any) {
	fmt.Fprintln(c.err, oneLine(fmt.Sprintf(format, args...)))
}

// SGR codes of ANSI terminals.
const (
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	dim     = "2"
)

// paint colours text for a stream that is a terminal or not.
func (c *console) paint(tty bool, code, text string) string {
	if !tty || c.plain || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// eraseLine moves to the line's beginning and clears it.
const eraseLine = "\r\x1b[K"

// maxAnswer is how long a line may be that is read.
const maxAnswer = 1 << 10

// readLine reads up to a line break, and not beyond it.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	return interruptible(ctx, func() (string, error) {
		var line []byte
		one := make([]byte, 1)
		for len(line) < maxAnswer {
			n, err := r.Read(one)
			switch {
			case n > 0 && one[0] == '\n':
				return string(line), nil
			case n > 0:
				line = append(line, one[0])
			case err != nil && len(line) > 0 && errors.Is(err, io.EOF):
				return string(line), nil
			case err != nil:
				return "", err
			}
		}
		return "", fmt.Errorf("the answer is longer than %d characters", maxAnswer)
	})
}

// interruptible is f, or ctx's error where that ends first. Nothing interrupts a read of standard input: it goes on
// until there is something to read, or the program ends.
func interruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
