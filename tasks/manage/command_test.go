package manage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/manage"
)

func TestExitCode(t *testing.T) {
	if got := manage.ExitCode(nil); got != 0 {
		t.Errorf("of no error: %d", got)
	}
	if got := manage.ExitCode(errors.New("of another command")); got != 1 {
		t.Errorf("of another's error: %d", got)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.returns = errCloud
		for _, c := range []struct {
			args []string
			code int
		}{
			{[]string{"list"}, 0},
			{[]string{}, 0},
			{[]string{"queues"}, 0},
			{[]string{"sync", "--help"}, 0},
			{[]string{"run", "Sweep"}, 1},
			{[]string{"bogus"}, 2},
			{[]string{"list", "--bogus"}, 2},
			{[]string{"list", "--timeout", "soon"}, 2},
			{[]string{"list", "--output", "yaml"}, 2},
			{[]string{"run"}, 2},
			{[]string{"delete", "Welcome", "w7"}, 3},
			{[]string{"sync", "--dry-run", "--exit-code"}, 4},
		} {
			e := run(t, s.app, c.args...)
			e.want(t, c.code)
			if wrapped := fmt.Errorf("by the root: %w", e.cause); e.cause != nil && manage.ExitCode(wrapped) != c.code {
				t.Errorf("%q: wrapped, it is %d", c.args, manage.ExitCode(wrapped))
			}
		}
	})
}

func TestCommand_AsRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for args, want := range map[string]string{"list --kind queues": "Queues\n", "lits": `tasks has no command "lits": did you mean list?`} {
			cmd := manage.Command(s.app, nil)
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetArgs(strings.Fields(args))
			_ = cmd.Execute() // without a context, too
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %s", args, out.String())
			}
		}
	})
}

func TestCommand_UnderARootWithFlagsOfTheSameNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		root := &cobra.Command{Use: "shop"}
		root.PersistentFlags().StringP("output", "o", "wide", "of the shop")
		root.PersistentFlags().BoolP("yes", "y", false, "of the shop")
		root.PersistentFlags().StringP("data", "d", "", "of the shop")
		with{root: root}.run(t, s.app, "run", "Sum", "--data", `{"of":[1]}`, "--output", "json").want(t, 0, `"total": 1`)
	})
}

func TestCommand_SeesWhatIsRegisteredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, newCloud())
		cmd := manage.Command(app)
		register(t, app, tasks.New(func(context.Context, Sweep) error { return nil }))
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs([]string{"list", "Sweep"})
		if err := cmd.Execute(); err != nil || !strings.Contains(out.String(), "Sweep") {
			t.Errorf("%v: %s", err, out.String())
		}
	})
}

func TestCommand_StandardOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, args := range [][]string{{"list"}, {"sync"}, {"sync", "--yes"}, {"delete", "Welcome", "--yes"}, {"queues", "pause", "mail"}} {
			root := &cobra.Command{Use: "shop", SilenceErrors: true}
			root.AddCommand(manage.Command(s.app))
			root.SetOut(brokenPipe{})
			root.SetArgs(append([]string{"tasks"}, args...))
			if err := root.Execute(); !errors.Is(err, errPipe) || manage.ExitCode(err) != 1 {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
}

var errPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestCommand_StandardErrorFails_NothingIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		for _, args := range [][]string{{"sync"}, {"queues", "purge", "mail"}} {
			root := &cobra.Command{Use: "shop", SilenceErrors: true}
			root.AddCommand(manage.Command(s.app, manage.Terminal(true, true, true)))
			root.SetErr(brokenPipe{})
			root.SetIn(strings.NewReader("y\n"))
			root.SetArgs(append([]string{"tasks"}, args...))
			if err := root.Execute(); !errors.Is(err, errPipe) {
				t.Errorf("%q: %v", args, err)
			}
			if got := s.written(); len(got) > 0 {
				t.Errorf("%q wrote %q", args, got)
			}
		}
	})
}

func TestTerminal_IsACharacterDevice(t *testing.T) {
	zero, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no character device to take for a terminal: %v", err)
	}
	defer zero.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Create(t.TempDir() + "/closed")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		for _, c := range []struct {
			in, err *os.File
			says    string
		}{
			{zero, zero, "the answer is longer"}, // it was asked
			{null, zero, "there is no terminal to ask on"},
			{zero, null, "there is no terminal to ask on"},
			{file, zero, "there is no terminal to ask on"},
			{zero, file, "there is no terminal to ask on"},
			{closed, zero, "there is no terminal to ask on"},
		} {
			root := &cobra.Command{Use: "shop", SilenceErrors: true}
			root.AddCommand(manage.Command(s.app))
			root.SetIn(c.in)
			root.SetErr(c.err)
			root.SetArgs([]string{"tasks", "queues", "purge", "mail"})
			if err := root.Execute(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("input %s, error %s: %v", c.in.Name(), c.err.Name(), err)
			}
		}
	})
}

func TestCompletion_TellsNamesAndAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.written()
		s.reads = 0
		orders := []string{"orders\tpublisher, topic orders"}
		schedules := []string{"Nightly\t0 3 * * 1-5, America/Sao_Paulo", "Sweep\tevery 2 hours, UTC"}
		runnable := append([]string{"Welcome\tWelcome on queue mail", "Sum\tSum on queue shop"}, schedules...)
		queues := []string{"mail\t10/s, 5 at a time, 8 attempts, backoff 1s to 10m, 10 doublings", "shop\tnot declared: made with its first task"}
		for _, c := range []struct {
			args []string
			want []string
		}{
			{[]string{"enqueue", ""}, runnable},
			{[]string{"run", ""}, runnable},
			{[]string{"debug", ""}, runnable},
			{[]string{"delete", ""}, runnable},
			{[]string{"discard", ""}, runnable},
			{[]string{"run", "Welcome", ""}, nil},
			{[]string{"debug", "Welcome", ""}, nil},
			{[]string{"publish", ""}, orders},
			{[]string{"list", ""}, []string{runnable[0], runnable[1], orders[0], "audit\tsubscriber, topic orders", schedules[0], schedules[1]}},
			{[]string{"schedules", "run", ""}, schedules},
			{[]string{"schedules", "pause", "Nightly", ""}, schedules[1:]},
			{[]string{"queues", "purge", ""}, queues},
			{[]string{"queues", "resume", "mail", ""}, queues[1:]},
			{[]string{"enqueue", "Welcome", "--queue", ""}, queues},
			{[]string{"delete", "Welcome", "--queue", ""}, queues},
			{[]string{"list", "--output", ""}, []string{"text\tfor people", "json\tone document, for programs"}},
			{[]string{"list", "--kind", ""}, []string{"tasks", "publishers", "subscribers", "schedules", "queues"}},
			{[]string{"enqueue", "Welcome", "--data", ""}, nil},
			{[]string{"sync", "queues", "--delete", ""}, nil},
			{[]string{"sync", "schedules", ""}, nil},
		} {
			root := &cobra.Command{Use: "shop"}
			root.AddCommand(manage.Command(s.app))
			var out, errs bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&errs)
			root.SetArgs(append([]string{"__complete", "tasks"}, c.args...))
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			directive := lines[len(lines)-1]
			if got := lines[:len(lines)-1]; !slices.Equal(got, c.want) {
				t.Errorf("%q completes to\n%q, want\n%q", c.args, got, c.want)
			}
			if directive != ":4" {
				t.Errorf("%q completes with files (%s)", c.args, directive)
			}
		}
		if got := s.written(); len(got) > 0 || s.reads > 0 {
			t.Errorf("it asked the cloud: %d reads, wrote %q", s.reads, got)
		}
	})
}

func TestUnknownName_Suggests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, c := range []struct {
			args []string
			says string
		}{
			{[]string{"run", "welcome"}, `there is no task "welcome": did you mean Welcome?`},
			{[]string{"run", "Wlecome"}, "did you mean Welcome?"},
			{[]string{"run", "Welc"}, "did you mean Welcome?"},
			{[]string{"run", "Swep"}, "did you mean Sweep?"},
			{[]string{"run", "DoSweepNow"}, `there is no task "DoSweepNow": did you mean Sweep?`},
			{[]string{"run", "elco"}, "did you mean Welcome or SendWelcome?"},
			{[]string{"run", "audit"}, `"audit" is a subscriber, not a task: what it gets is sent by the command publish`},
			{[]string{"enqueue", "orders"}, `"orders" is a publisher, not a task: see the command publish`},
			{[]string{"publish", "audit"}, `"audit" is a subscriber, not a publisher`},
			{[]string{"run", "SendWelcom"}, "did you mean SendWelcome?"},
			{[]string{"run", "xyz"}, `there is no task "xyz": choose among Nightly, SendWelcome, Sum, Sweep, Welcome`},
			{[]string{"run", ""}, `there is no task "": choose among`},
			{[]string{"list", "shop--audi"}, "did you mean shop--audit?"},
			{[]string{"queues", "pause", "mali"}, "did you mean mail?"},
			{[]string{"schedules", "run", "Sunday"}, "choose among Nightly, Sweep, shop--Nightly, shop--Sweep"},
		} {
			run(t, s.app, c.args...).want(t, 2, c.says)
		}

		bare := newApp(t, newCloud())
		run(t, bare, "run", "Welcome").want(t, 2, `there is no task "Welcome", nor any other`)
		run(t, bare, "list", "--kind", "task").want(t, 0, "nothing to list")
		for i := range 12 {
			register(t, bare, tasks.New(func(context.Context, Sweep) error { return nil }, tasks.WithName(fmt.Sprintf("task%02d", i))))
		}
		run(t, bare, "run", "zzz").want(t, 2, "choose among task00, task01", "task09 and 2 more")
		run(t, bare, "run", "task").want(t, 2, "did you mean task00 or task01 or task02?")
	})
}
