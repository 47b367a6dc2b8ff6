package manage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// drift is what a sync of a drifted shop writes.
func drift() []string {
	return []string{"delete job shop--Hourly", "delete job shop--Weekly", "put job shop--Nightly", "put job shop--Sweep", "put queue mail"}
}

func TestSync_DryRun_ChangesNothing(t *testing.T) {
	for _, args := range [][]string{{"sync"}, {"sync", "queues", "--delete", "old"}, {"sync", "--allow-replace"}, {"sync", "subscriptions", "--allow-replace"}, {"sync", "schedules"}, {"sync", "--yes"}, {"sync", "--exit-code"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.drifted(t)
			e := run(t, s.app, append(args, "--dry-run")...)
			if got := s.written(); len(got) > 0 {
				t.Errorf("%q wrote %q", args, got)
			}
			e.want(t, e.code, "dry run, nothing was done: ")
		})
	}
}

func TestSync_Destroying_IsAskedFor(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	const question = "delete schedules shop--Hourly and shop--Weekly? [y/N] "
	for _, c := range []struct {
		name string
		how  with
		args []string
		code int
		says []string
		done bool
	}{
		{"yes", onTerminal("y\n"), nil, 0, []string{question, "1 created, 2 updated, 2 deleted"}, true},
		{"YES, without a line break", onTerminal(" YES "), nil, 0, []string{question}, true},
		{"no", onTerminal("n\n"), nil, 3, []string{question, "Error: not confirmed, nothing was done\n"}, false},
		{"anything else", onTerminal("sure\n"), nil, 3, []string{question}, false},
		{"just return", onTerminal("\n"), nil, 3, []string{question}, false},
		{"nobody there", onTerminal(""), nil, 3, []string{question + "\nError: not confirmed, nothing was done: there was no answer"}, false},
		{"somebody fell asleep on the keyboard", onTerminal(strings.Repeat("y", 2000)), nil, 3, []string{"the answer is longer than 1024 characters"}, false},
		{"no terminal", with{}, nil, 3, []string{"[-] schedule shop--Hourly", "Error: refused to delete schedules shop--Hourly and shop--Weekly: there is no terminal to ask on, and no --yes"}, false},
		{"standard error is none", with{in: strings.NewReader("y\n"), terminals: &[3]bool{true, true, false}}, nil, 3, []string{"refused to delete schedules shop--Hourly and shop--Weekly"}, false},
		{"--yes", with{}, []string{"--yes"}, 0, []string{"1 created, 2 updated, 2 deleted"}, true},
		{"--yes on a terminal", onTerminal(""), []string{"--yes"}, 0, []string{"1 created, 2 updated, 2 deleted"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.drifted(t)
				c.how.run(t, s.app, append([]string{"sync"}, c.args...)...).want(t, c.code, c.says...)
				want := []string{}
				if c.done {
					want = drift()
				}
				if got := s.written(); !slices.Equal(got, want) {
					t.Errorf("wrote %q, want %q", got, want)
				}
			})
		})
	}
}

func TestSync_AskedFor_ShowsThePlanOnce(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		for _, c := range []struct {
			how      with
			args     []string
			out, err int
		}{
			{onTerminal("n\n"), nil, 0, 1},
			{onTerminal("n\n"), []string{"--output", "json"}, 1, 1}, // a program reads the former
			{with{}, nil, 1, 0},
			{with{}, []string{"--output", "json"}, 1, 0},
		} {
			e := c.how.run(t, s.app, append([]string{"sync"}, c.args...)...)
			e.want(t, 3)
			if out, err := strings.Count(e.out, "shop--Sweep"), strings.Count(e.err, "shop--Sweep"); out != c.out || err != c.err {
				t.Errorf("%q: the plan is %d times on standard output and %d times on standard error, want %d and %d", c.args, out, err, c.out, c.err)
			}
		}
	})
}

func TestSync_DestroysNothing_NeedsNoYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		run(t, s.app, "sync").want(t, 0, "[+] queue mail", "[+] topic orders", "[+] subscription shop--audit", "[+] schedule shop--Nightly", "5 created")
		want := []string{"create subscription shop--audit", "create topic orders", "put job shop--Nightly", "put job shop--Sweep", "put queue mail"}
		if got := s.written(); !slices.Equal(got, want) {
			t.Errorf("wrote %q, want %q", got, want)
		}
		run(t, s.app, "sync").want(t, 0, "5 unchanged\n")
		run(t, s.app, "sync", "--dry-run", "--exit-code").want(t, 0, "dry run, nothing was done: 5 unchanged\n")
		if got := s.written(); len(got) > 0 {
			t.Errorf("the second time wrote %q", got)
		}
	})
}

func TestSync_ExitCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		e := run(t, s.app, "sync", "--dry-run", "--exit-code")
		if e.want(t, 4); e.err != "" || e.cause == nil || !strings.Contains(e.cause.Error(), "not what the code says") {
			t.Errorf("standard error has %q, the error is %v", e.err, e.cause)
		}
		run(t, s.app, "sync", "schedules", "--exit-code").want(t, 2, "--exit-code goes with --dry-run")
		s.faults["list jobs"] = errCloud
		run(t, s.app, "sync", "--dry-run", "--exit-code").want(t, 1, "the cloud says no")
		if e := run(t, s.app, "sync", "schedules"); e.out != "" || e.code != 1 { // there is no plan
			t.Errorf("ended with %d, printed %q", e.code, e.out)
		}
	})
}

func TestSync_Replacing_IsAskedFor(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		t.Cleanup(func() { c.close(t) })
		audit := func(filter string) *tasks.App {
			app := newApp(t, c)
			register(t, app, pubsub.NewSubscriber(func(context.Context, pubsub.Message[Order]) error { return nil },
				pubsub.Topic("orders"), pubsub.WithName("audit"), pubsub.Filter(filter)))
			return app
		}
		run(t, audit(`attributes.a = "1"`), "sync").want(t, 0)
		c.written()
		app := audit(`attributes.a = "2"`)
		run(t, app, "sync", "subscriptions").want(t, 1, "[!] subscription shop--audit: blocked", "1 of 2 changes blocked", "sync subscriptions --allow-replace")
		run(t, app, "sync", "--allow-replace").want(t, 3, "refused to replace subscription shop--audit:")
		run(t, app, "sync", "queues", "--allow-replace").want(t, 2, "unknown flag: --allow-replace")
		run(t, app, "sync", "schedules", "--allow-replace").want(t, 2, "unknown flag: --allow-replace")
		run(t, app, "sync", "subscriptions", "--allow-replace").want(t, 3, "refused to replace subscription shop--audit:")
		if got := c.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
		onTerminal("y\n").run(t, app, "sync", "subscriptions", "--allow-replace").want(t, 0, "replace subscription shop--audit? [y/N]", "1 replaced")
		if got, want := c.written(), []string{"create subscription shop--audit", "delete subscription shop--audit"}; !slices.Equal(got, want) {
			t.Errorf("wrote %q, want %q", got, want)
		}
	})
}

func TestSync_DeleteQueue_IsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		if err := s.mem.PutQueue(t.Context(), "old", transport.QueueConfig{}); err != nil {
			t.Fatal(err)
		}
		run(t, s.app, "sync", "queues", "--delete", "old").want(t, 3, "refused to delete queue old:")
		run(t, s.app, "sync", "queues", "--delete", "old", "--yes").want(t, 0, "[-] queue old: deleted")
		if got := s.written(); !slices.Equal(got, []string{"delete queue old"}) {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestSync_WhatFails_HindersNothingElse(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		args        []string
		says        []string
		wrote       []string
	}{
		{"a job", "put job shop--Sweep", []string{"--yes"}, []string{"[!] schedule shop--Sweep: failed: the cloud says no", "Error: sync: 1 of 7 changes failed\n"},
			[]string{"delete job shop--Hourly", "delete job shop--Weekly", "put job shop--Nightly", "put queue mail"}},
		{"a queue's look-up", "read queue mail", []string{"--yes"}, []string{"[!] queue mail: failed: the cloud says no", "Error: sync: 1 of 7 changes failed\n"},
			[]string{"delete job shop--Hourly", "delete job shop--Weekly", "put job shop--Nightly", "put job shop--Sweep"}},
		{"the list of jobs", "list jobs", nil, []string{"[~] queue mail", "Error: sync: schedule: sync:", "the cloud says no"}, []string{"put queue mail"}},
		{"the list of subscriptions, of which no topic is made then", "list subscriptions", []string{"--yes"}, []string{"2 deleted", "Error: sync: pubsub: sync:", "the cloud says no"}, drift()},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.drifted(t)
				s.faults[c.fault] = errCloud
				e := run(t, s.app, append([]string{"sync"}, c.args...)...)
				e.want(t, 1, c.says...)
				if !errors.Is(e.cause, errCloud) {
					t.Errorf("the error is %v", e.cause)
				}
				if got := s.written(); !slices.Equal(got, c.wrote) {
					t.Errorf("wrote %q, want %q", got, c.wrote)
				}
				if n := strings.Count(e.err, "the cloud says no"); strings.Contains(e.out, "failed") && n > 0 {
					t.Errorf("it is told twice:\n%s%s", e.out, e.err)
				}
			})
		})
	}
}

func TestSync_WithoutAPlan_IsNotApplied(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		old := &transport.Subscription{Name: "shop--old", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop"}}
		if err := s.mem.CreateSubscription(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		s.faults["list jobs"] = errCloud
		w, answer := onTerminal(""), strings.NewReader("y\n")
		w.in = readerFunc(func(p []byte) (int, error) { // while the question stands, jobs can be listed again
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.faults, "list jobs")
			return answer.Read(p)
		})
		w.run(t, s.app, "sync").want(t, 1, "delete subscription shop--old? [y/N]", "the cloud says no")
		if got := s.written(); !slices.Equal(got, []string{"delete subscription shop--old", "put queue mail"}) {
			t.Errorf("wrote %q: what it deletes was never shown", got)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSync_NothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		bare := newApp(t, c, func(cfg *tasks.Config) { cfg.Queues = nil })
		for _, args := range [][]string{{"sync"}, {"sync", "queues"}, {"sync", "subscriptions"}, {"sync", "schedules"}} {
			run(t, bare, args...).want(t, 2, "nothing to sync: ")
		}
		run(t, bare, "sync").want(t, 2, "Config.Queues declares none, there are neither publishers nor subscribers, there are no periodic tasks")
		run(t, newApp(t, c), "sync").want(t, 0, "[+] queue mail", "1 created") // the sections that there is nothing of are left out
	})
}

func TestSync_NotConfigured_SaysWhatToSet(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*tasks.Config)
		args []string
		says []string
	}{
		{"no broker", func(cfg *tasks.Config) { cfg.Broker = nil }, []string{"sync", "--yes"}, []string{"sync subscriptions: ", "set Config.Broker"}},
		{"no scheduler", func(cfg *tasks.Config) { cfg.Scheduler = nil }, []string{"sync", "--yes"}, []string{"sync schedules: ", "Config.Scheduler"}},
		{"neither", func(cfg *tasks.Config) { cfg.Broker, cfg.Scheduler = nil, nil }, []string{"sync"}, []string{"set Config.Broker", "Config.Scheduler"}},
		{"no name", func(cfg *tasks.Config) { cfg.Name = "" }, []string{"sync", "--yes"}, []string{"sync subscriptions: Config.Name is empty", "sync schedules: Config.Name is empty"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t, c.set)
			run(t, s.app, c.args...).want(t, 1, c.says...)
			if got := s.written(); len(got) > 0 {
				t.Errorf("%s: wrote %q", c.name, got)
			}
		})
	}
}

func TestSync_Cancelled_StopsWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		s.slow = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		e := with{ctx: ctx}.run(t, s.app, "sync", "--yes")
		if e.want(t, 1); !errors.Is(e.cause, context.DeadlineExceeded) {
			t.Errorf("the error is %v", e.cause)
		}
		if got := s.written(); !slices.Equal(got, []string{"put queue mail"}) {
			t.Errorf("wrote %q", got)
		}
		e = run(t, s.app, "sync", "schedules", "--yes", "--timeout", "500ms") // the command's own
		if e.want(t, 1); !errors.Is(e.cause, context.DeadlineExceeded) {
			t.Errorf("the error is %v", e.cause)
		}
		run(t, s.app, "sync", "--timeout", "-1s").want(t, 2, "--timeout -1s is negative")
	})
}

func TestSync_CancelledAtTheQuestion_DoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		ctx, cancel := context.WithCancel(t.Context())
		w := onTerminal("")
		w.ctx = ctx
		leave := make(chan struct{})
		w.in = readerFunc(func([]byte) (int, error) { cancel(); <-leave; return 0, errCloud })
		w.run(t, s.app, "sync").want(t, 3, "not confirmed, nothing was done: context canceled")
		close(leave)
		if got := s.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestSync_Progress_OnATerminalOnly_AndErased(t *testing.T) {
	for _, c := range []struct {
		name, term string
		err        bool
		slow       time.Duration
		want       string
	}{
		{"slow", "xterm", true, 300 * time.Millisecond, `\r\e[Kapplying: 9 of 20 schedules`},
		{"fast", "xterm", true, 0, ""},
		{"no terminal", "xterm", false, 300 * time.Millisecond, ""},
		{"a dumb terminal", "dumb", true, 300 * time.Millisecond, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("TERM", c.term)
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.deployed(t)
				for i := range 20 {
					s.job(fmt.Sprintf("shop--Old%d", i), fmt.Sprintf("https://shop.example.com/_tasks/tasks/Old%d", i))
				}
				s.slow = c.slow
				e := with{terminals: &[3]bool{false, false, c.err}}.run(t, s.app, "sync", "--yes")
				e.want(t, 0)
				got := strings.NewReplacer("\x1b", `\e`, "\r", `\r`).Replace(e.err)
				if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || c.want != "" && !strings.HasSuffix(got, `schedules\r\e[K`) {
					t.Errorf("standard error has %s", got)
				}
				if strings.ContainsAny(e.out, "\x1b\r") {
					t.Errorf("standard output has %q", e.out)
				}
			})
		})
	}
}
