package manage

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/typedtasks/typedtasks/tasks/plan"
)

const (
	progressAfter = 500 * time.Millisecond // what is faster needs none
	progressEvery = 100 * time.Millisecond
)

// progress is a line on a terminal that says how far a work is. plan.Progress calls it once at a time.
type progress struct {
	w         io.Writer
	what      string
	show      time.Time // not before
	displayed bool
}

// progressing returns a ctx whose work is reported on standard error where that is a terminal, and a function that
// erases what was reported.
func (c *call) progressing(what string) (context.Context, func()) {
	if !c.console.errTTY || c.console.dumb {
		return c, func() {}
	}
	p := &progress{w: c.console.err, what: what, show: time.Now().Add(progressAfter)}
	return plan.WithProgress(c, p.report), p.erase
}

func (p *progress) report(done, total int, kind string) {
	now := time.Now()
	if now.Before(p.show) {
		return
	}
	p.show, p.displayed = now.Add(progressEvery), true
	far := fmt.Sprintf("%d of %s", done, count(total, oneLine(kind)))
	if total == 0 {
		far = count(done, oneLine(kind)) + " so far"
	}
	fmt.Fprintf(p.w, "%s%s: %s", eraseLine, p.what, far)
}

func (p *progress) erase() {
	if p.displayed {
		fmt.Fprint(p.w, eraseLine)
	}
}

// count is "1 queue" or "2 queues".
func count(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
