package manage_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// hostile moves the cursor, sets the title, turns the text around and breaks the line.
const hostile = "a\x1b[2J\x1b]0;pwned\x07\u009b1A\r\nb\u202ec\x7f\xff\te"

// safe fails the test where text could act on a terminal.
func safe(t testing.TB, what, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && !strconv.IsPrint(r) || r == 0xfffd {
			t.Errorf("%s has %q at byte %d: %q", what, r, i, text)
			return
		}
	}
}

func TestOutput_FromElsewhere_CannotMoveTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		s.job("shop--"+hostile, "https://shop.example.com/_tasks/tasks/Old")
		s.jobs["shop--Nightly"].Description = hostile
		s.jobs["shop--Nightly"].Schedule = hostile
		s.faults["put job shop--Sweep"] = errors.New(hostile)
		s.faults["pause job shop--Nightly"] = errors.New(hostile)
		s.faults["enqueue"] = &transport.Error{Op: transport.OpEnqueue, Err: errors.New(hostile)}
		s.returns = errors.New(hostile)
		run(t, s.app, "sync", "--dry-run").want(t, 0, `shop--a\x1b[2J\x1b]0;pwned\a\u009b1A; b\u202ec\x7f\xff e: deleted`)
		for _, args := range [][]string{
			{"sync", "--dry-run"}, {"sync"}, {"sync", "--yes"}, {"schedules", "pause", "Nightly"}, {"enqueue", "Sweep"}, {"run", "Sweep"},
			{"run", hostile}, {"list", hostile}, {hostile}, {"queues", hostile}, {"queues", "pause", hostile}, {"debug", "Welcome", hostile}, {"delete", "Welcome", hostile},
			{"delete", "Welcome", "--queue", hostile, "--yes"}, {"enqueue", "Welcome", "--data", hostile}, {"enqueue", "Welcome", "--data", `{"` + hostile + `":1}`},
			{"enqueue", "Welcome", "--header", hostile}, {"enqueue", "Welcome", "--at", hostile}, {"enqueue", "Welcome", "--id", hostile, "--data", ana},
			{"publish", "orders", "--data", `{"id": 7, "region": "` + "\u009b" + `"}`, "--dry-run"}, {"list", "--kind", hostile}, {"list", "--output", hostile},
		} {
			for _, more := range [][]string{nil, {"--output", "json"}} {
				e := run(t, s.app, append(args, more...)...)
				safe(t, "standard output of "+strconv.Quote(strings.Join(args, " ")), e.out)
				safe(t, "standard error of "+strconv.Quote(strings.Join(args, " ")), e.err)
				if e.cause != nil && strings.Count(e.err, "\n") != 1 {
					t.Errorf("%q: standard error has not one line: %q", args, e.err)
				}
			}
		}
	})
}

func TestOutput_ColouredAroundWhatIsHostile(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		s.job("shop--"+hostile, "https://shop.example.com/_tasks/tasks/Old")
		e := with{terminals: &[3]bool{false, true, false}}.run(t, s.app, "sync", "--dry-run")
		coloured := 0
		for line := range strings.Lines(e.out) {
			if rest, ok := strings.CutPrefix(line, "\x1b["); ok {
				coloured++
				line = strings.Replace(rest, "\x1b[0m", "", 1)
			}
			safe(t, "standard output", line)
		}
		if coloured != 8 {
			t.Errorf("%d lines are coloured: %q", coloured, e.out)
		}
	})
}

func TestOutput_VeryLong_IsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.returns = errors.New(strings.Repeat("é", 5000))
		e := run(t, s.app, "run", "Sweep")
		if want := strings.Repeat("é", 1993) + "... (3007 characters more)\n"; !strings.HasSuffix(e.err, want) {
			t.Errorf("standard error has %q", e.err)
		}
	})
}

func TestList_LongNamesAndOddSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readmeTime()
		c := newCloud()
		app := newApp(t, c, func(cfg *tasks.Config) {
			cfg.Queues = map[string]transport.QueueConfig{
				"a": {MaxDispatchesPerSecond: transport.NoRateLimit, Retry: transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MaxRetryDuration: 90 * time.Minute}},
				"b": {MaxDispatchesPerSecond: 0.5, MaxBurst: 3, Retry: transport.RetryConfig{MaxAttempts: 1, MinBackoff: time.Second, MaxDoublings: 1}},
				"c": {Retry: transport.RetryConfig{MaxBackoff: 2 * time.Hour, MaxDoublings: 4}},
				"d": {Retry: transport.RetryConfig{MaxBackoff: time.Hour}},
			}
		})
		done := func(context.Context, Sweep) error { return nil }
		register(t, app,
			tasks.New(done, tasks.WithName(strings.Repeat("n", 100)), tasks.OnQueue("a")),
			tasks.New(func(context.Context, map[string]*Order) error { return nil }, tasks.WithName("map")),
			schedule.New(done, schedule.Interval(time.Second), schedule.Task(tasks.WithName("soon"))),
			schedule.New(done, schedule.Cron("0 0 * * *"), schedule.Task(tasks.WithName("daily"))),
			schedule.New(done, schedule.Cron("0 12 4 11 *"), schedule.Task(tasks.WithName("days")), schedule.Description("twice a week")),
			schedule.New(done, schedule.Cron("0 0 29 2 *"), schedule.Task(tasks.WithName("leap")), schedule.TimeZone("Europe/Berlin")),
		)
		many := make([]tasks.Definition, 12)
		for i := range many {
			many[i] = tasks.New(done, tasks.WithName(fmt.Sprintf("many%02d", i)), tasks.OnQueue("d"))
		}
		register(t, app, append(many, tasks.New(done, tasks.WithName("also"), tasks.OnQueue("a")))...)
		golden(t, "list-odd-terminal", onTerminal("").run(t, app, "list").transcript("list"))
		golden(t, "list-odd", run(t, app, "list").transcript("list")+"\n"+run(t, app, "list", "--kind", "queues", "--output", "json").transcript("list", "--kind", "queues", "--output", "json"))
	})
}
