package manage_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress_OfLongWork_OnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, c := range []struct {
		name  string
		args  []string
		says  []string
		reads time.Duration
	}{
		{"delete", []string{"delete", "Welcome", "--yes"}, []string{`\r\e[Kdeleting: 3 tasks so far\r\e[K`}, 0},
		{"count", []string{"delete", "Welcome", "--dry-run"}, []string{`\r\e[Kcounting: 1 task so far`, `so far\r\e[K`}, time.Second},
		{"purge", []string{"queues", "purge", "mail", "shop", "--yes"}, []string{`\r\e[Kpurging: 1 of 2 queues\r\e[Kpurging: 2 of 2 queues\r\e[K`}, 0},
		{"pause", []string{"queues", "pause", "mail", "shop"}, []string{`\r\e[Kpausing: 1 of 2 queues\r\e[Kpausing: 2 of 2 queues\r\e[K`}, 0},
		{"resume", []string{"schedules", "resume", "Nightly", "Sweep"}, []string{`\r\e[Kresuming: 1 of 2 schedules\r\e[Kresuming: 2 of 2 schedules\r\e[K`}, 0},
		{"start", []string{"schedules", "run", "Nightly"}, []string{`\r\e[Kstarting: 1 of 1 schedule\r\e[K`}, 0},
		{"look up", []string{"queues", "pause", "mail", "--dry-run"}, []string{`\r\e[Klooking up: 1 of 1 queue\r\e[K`}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.deployed(t)
				if err := s.mem.PutQueue(t.Context(), "shop", s.app.Config().Queues["mail"]); err != nil {
					t.Fatal(err)
				}
				for _, id := range []string{"a", "b", "c"} {
					run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", id, "--in", "1h").want(t, 0)
				}
				s.slow = time.Second
				s.onRead = func(string) { <-time.After(c.reads) }
				e := with{terminals: &[3]bool{false, false, true}}.run(t, s.app, c.args...)
				e.want(t, 0)
				got := strings.NewReplacer("\x1b", `\e`, "\r", `\r`).Replace(e.err)
				for _, says := range c.says {
					if !strings.Contains(got, says) {
						t.Errorf("standard error has %s, want %s", got, says)
					}
				}
				if quiet := run(t, s.app, c.args...); quiet.err != "" {
					t.Errorf("without a terminal standard error has %q", quiet.err)
				}
			})
		})
	}
}
