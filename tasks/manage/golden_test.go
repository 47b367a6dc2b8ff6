package manage_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

func TestReadme_Outputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readmeTime()
		s := newShop(t)
		golden(t, "readme-list", run(t, s.app, "list").transcript("list"))
		s.drifted(t)
		golden(t, "readme-sync", run(t, s.app, "sync", "--dry-run").transcript("sync", "--dry-run"))
	})
}

// TestGolden_EachCommand shows what each command prints, in both formats, one after the other over one cloud.
func TestGolden_EachCommand(t *testing.T) {
	const welcome = `{"user_id": 7, "email": "ana@example.com"}`
	for name, commands := range map[string][][]string{
		"list": {
			{"list"}, {"list", "--kind", "schedules"}, {"list", "--kind", "queue"}, {"list", "audit", "mail", "shop--Nightly"},
			{"list", "--kind", "publishers", "audit"}, {"list", "Wellcome"}, {"list", "--kind", "topics"}, {"list", "--dry-run"},
		},
		"sync": {
			{"sync", "--dry-run"}, {"sync", "--dry-run", "--exit-code"}, {"sync"}, {"sync", "--yes"}, {"sync"}, {"sync", "--dry-run", "--exit-code"},
			{"sync", "queues"}, {"sync", "subscriptions"}, {"sync", "schedules"}, {"sync", "queues", "--delete", "mail"}, {"sync", "topics"},
			{"sync", "--exit-code"},
		},
		"enqueue": {
			{"enqueue", "Welcome", "--data", welcome, "--id", "w7"}, {"enqueue", "Welcome", "--data", welcome, "--id", "w7"},
			{"enqueue", "SendWelcome", "--data", welcome, "--id", "w8", "--in", "90m", "--header", "X-By=hand=ed", "--task-timeout", "1m"},
			{"enqueue", "Nightly", "--id", "n1"}, {"enqueue", "Sweep", "--id", "s1", "--at", "2026-11-03T09:00:00+01:00", "--queue", "mail"},
			{"enqueue", "Welcome", "--data", welcome, "--dry-run", "--within", "0s", "--header", "X-By=hand"},
			{"enqueue", "Welcome", "--data", `{"user_id": "7"}`}, {"enqueue", "Welcome", "--data", `{"user_id": 7}`}, {"enqueue", "Welcome", "--data", `{"usr_id": 7}`},
			{"enqueue", "Welcome", "--data", "not JSON"}, {"enqueue", "Welcome", "--data", ""}, {"enqueue", "Welcome"}, {"enqueue", "orders"}, {"enqueue", "audit"},
		},
		"publish": {
			{"publish", "orders", "--data", `{"id": 7}`, "--attribute", "region=emea", "--key", "k"}, {"publish", "orders", "--data", `{"id": 7}`, "--dry-run"},
			{"publish", "orders", "--data", `{}`}, {"publish", "orders"}, {"publish", "order"}, {"publish", "orders", "--data", `{"id": 7}`, "--attribute", "region"},
		},
		"run": {
			{"run", "Sum", "--data", `{"of": [1, 2]}`}, {"run", "Welcome", "--data", welcome}, {"run", "Nightly"}, {"run", "Welcome", "--data", welcome, "--dry-run"},
			{"run", "Welcome", "--data", `{}`}, {"run", "Wellcome", "--data", welcome}, {"run", "Welcome", "two"},
		},
		"debug": {
			{"enqueue", "Welcome", "--data", welcome, "--id", "w7", "--in", "1h"}, {"debug", "Welcome", "w7"}, {"debug", "Welcome", "nobody"}, {"debug", "Sum", "mail/w7"},
			{"debug", "Welcome", "w7", "--dry-run"}, {"debug", "Welcome"},
		},
		"delete": {
			{"enqueue", "Welcome", "--data", welcome, "--id", "w7", "--in", "1h"}, {"enqueue", "Welcome", "--data", welcome, "--id", "w8", "--in", "1h"},
			{"delete", "Welcome"}, {"delete", "Welcome", "--dry-run"}, {"delete", "Welcome", "w7"}, {"delete", "Welcome", "w7", "--yes"}, {"delete", "Welcome", "w7", "--yes"},
			{"delete", "Welcome", "--min-retries", "1"}, {"discard", "Welcome", "--yes"}, {"delete", "Welcome"},
			{"delete", "Welcome", "--queue", "shop", "--yes"}, {"delete", "Welcome", "--queue", "shpo", "--yes"}, {"delete", "Welcome", "--queue", "shpo", "--dry-run"}, {"delete", "Welcome", "w7", "--min-retries", "1"}, {"delete", "Welcome", "w7", "--dry-run"}, {"delete", "Welcome", "--min-retries", "-1"},
		},
		"queues": {
			{"queues", "pause", "mail", "shop", "mail"}, {"queues", "resume", "mail", "--dry-run"}, {"queues", "resume", "mail"}, {"queues", "purge", "mail"}, {"queues", "purge", "mail", "--dry-run"},
			{"queues", "purge", "mail", "shop"}, {"queues", "purge", "mail", "--yes"}, {"queues", "pause", "mial"}, {"queues", "pause", "other", "--undeclared"},
			{"queues", "pause", "no_queue"}, {"queues", "pause"}, {"queues", "pauze"},
		},
		"schedules": {
			{"schedules", "pause", "Nightly", "shop--Sweep", "shop--Nightly"}, {"schedules", "resume", "Nightly", "--dry-run"}, {"schedules", "resume", "Nightly"}, {"schedules", "run", "Nightly"},
			{"schedules", "run", "Hourly"}, {"schedules", "pause"}, {"schedules", "run", "Welcome"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"text", "json"} {
				synctest.Test(t, func(t *testing.T) {
					readmeTime()
					s := newShop(t, func(c *tasks.Config) { c.Queues["shop"] = c.Queues["other"] })
					if name != "list" {
						s.drifted(t)
					}
					var all []string
					for _, args := range commands {
						if format == "json" {
							args = append(args[:len(args):len(args)], "--output", "json")
						}
						all = append(all, run(t, s.app, args...).transcript(args...))
						synctest.Wait() // what was enqueued runs
					}
					golden(t, name+"-"+format, strings.Join(all, "\n"))
				})
			}
		})
	}
}

// TestGolden_Terminal is what a terminal shows, its escapes spelt out.
func TestGolden_Terminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for name, noColor := range map[string]string{"terminal": "", "terminal-nocolor": "1"} {
		t.Setenv("NO_COLOR", noColor)
		synctest.Test(t, func(t *testing.T) {
			readmeTime()
			s := newShop(t)
			s.drifted(t)
			s.faults["delete job shop--Hourly"] = errCloud
			s.slow = 300 * time.Millisecond
			var all []string
			for _, args := range [][]string{{"sync", "--dry-run"}, {"sync"}, {"sync", "schedules", "--output", "json"}} {
				all = append(all, onTerminal("y\n").run(t, s.app, args...).transcript(args...))
			}
			golden(t, name, strings.NewReplacer("\x1b", `\e`, "\r", `\r`).Replace(strings.Join(all, "\n")))
		})
	}
}
