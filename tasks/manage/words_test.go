package manage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/manage"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestSync_InThisProcess_NotesItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = "note: the transport, broker and scheduler are in this process: what is changed ends with it\n"
		mem := memory.New()
		app := newApp(t, nil, func(cfg *tasks.Config) { cfg.Transport, cfg.Broker, cfg.Scheduler, cfg.Endpoint = mem, mem, mem, "" })
		register(t, app, schedule.New(func(context.Context, Sweep) error { return nil }, schedule.Cron("0 3 * * *")), pubsub.NewPublisher[Order]())
		for _, c := range []struct{ args, note string }{
			{"sync --dry-run", all},
			{"sync", all},
			{"sync --yes --output json", all},
			{"sync queues", "note: the transport is in this process: what is changed ends with it\n"},
			{"sync subscriptions", "note: the broker is in this process: what is changed ends with it\n"},
			{"sync schedules", "note: the scheduler is in this process: what is changed ends with it\n"},
			{"queues pause mail", "note: the transport is in this process: what is changed ends with it\n"},
			{"queues resume mail --dry-run", ""},
			{"queues resume mail", "note: the transport is in this process: what is changed ends with it\n"},
			{"queues purge mail --yes", "note: the transport is in this process: what is changed ends with it\n"},
		} {
			if e := run(t, app, strings.Fields(c.args)...); e.code != 0 || e.err != c.note || strings.Contains(e.out, "note") {
				t.Errorf("%s ended with %d and %q:\n%s", c.args, e.code, e.err, e.out)
			}
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		far := newShop(t)
		for _, args := range []string{"sync", "queues pause mail", "schedules pause Nightly"} {
			if e := run(t, far.app, strings.Fields(args)...); e.code != 0 || e.err != "" {
				t.Errorf("%s ended with %d and %q", args, e.code, e.err)
			}
		}
	})
}

func TestSync_BlockedByOthers_HintsAtNoReplacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		other := &transport.Subscription{Name: "shop--audit", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "billing"}}
		if err := s.mem.CreateTopic(t.Context(), &transport.Topic{Name: "orders"}); err != nil {
			t.Fatal(err)
		}
		if err := s.mem.CreateSubscription(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		e := run(t, s.app, "sync", "subscriptions")
		if e.want(t, 1, "blocked: it belongs to the App"); strings.Contains(e.err, "--allow-replace") {
			t.Errorf("standard error has %q", e.err)
		}
	})
}

func TestSync_JSON_TellsErrors_AndWhatIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		for _, c := range []struct {
			args, fault string
			errors      []string
			confirmed   bool
			dryRun      bool
		}{
			{"--dry-run", "", []string{}, true, true},
			{"", "", []string{"refused to delete schedules shop--Hourly and shop--Weekly: there is no terminal to ask on, and no --yes"}, false, false},
			{"", "list subscriptions", []string{"pubsub: sync: nothing was changed: the cloud says no", "refused to delete schedules shop--Hourly and shop--Weekly: there is no terminal to ask on, and no --yes"}, false, false},
			{"--dry-run", "list jobs", []string{"schedule: sync: nothing was changed: the cloud says no"}, true, true},
			{"--yes", "", []string{}, true, false},
		} {
			clear(s.faults)
			if c.fault != "" {
				s.faults[c.fault] = errCloud
			}
			e := run(t, s.app, append([]string{"sync", "--output", "json"}, strings.Fields(c.args)...)...)
			var doc struct {
				Changes   []any
				Errors    []string
				Confirmed *bool
				DryRun    *bool `json:"dry_run"`
			}
			if err := json.Unmarshal([]byte(e.out), &doc); err != nil {
				t.Fatalf("%v: %s", err, e.out)
			}
			if !slices.Equal(doc.Errors, c.errors) || doc.Errors == nil || len(doc.Changes) == 0 {
				t.Errorf("sync %s: errors %q in\n%s", c.args, doc.Errors, e.out)
			}
			if doc.Confirmed != nil == c.confirmed || doc.Confirmed != nil && *doc.Confirmed || doc.DryRun == nil || *doc.DryRun != c.dryRun {
				t.Errorf("sync %s: confirmed %v, dry_run %v", c.args, doc.Confirmed, doc.DryRun)
			}
		}
	})
}

func TestSync_Question_NamesUpToThree_AndIsNoDryRun(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		for n, question := range []string{
			"delete schedule shop--Old0? [y/N] ", "delete schedules shop--Old0 and shop--Old1? [y/N] ",
			"delete schedules shop--Old0, shop--Old1 and shop--Old2? [y/N] ", "delete 4 schedules? [y/N] ",
		} {
			s.job(fmt.Sprintf("shop--Old%d", n), fmt.Sprintf("https://shop.example.com/_tasks/tasks/Old%d", n))
			e := onTerminal("n\n").run(t, s.app, "sync")
			e.want(t, 3, fmt.Sprintf("\nplanned: %d deleted, 5 unchanged\n%s", n+1, question))
			if e = run(t, s.app, "sync"); strings.Contains(e.out+e.err, "dry run") || !strings.HasSuffix(e.out, " unchanged\n") {
				t.Errorf("a refused sync prints\n%s%s", e.out, e.err)
			}
		}
	})
}

func TestDurations_AreSecondsOrGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		for i, c := range []struct {
			text string
			want time.Duration
		}{{"10", 10 * time.Second}, {"0.5", time.Second / 2}, {"1m30s", 90 * time.Second}, {"1e2", 100 * time.Second}} {
			id := fmt.Sprint("id", i)
			run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", id, "--in", c.text, "--task-timeout", "20", "--timeout", "9.5").want(t, 0)
			w, err := s.mem.Get(t.Context(), "mail", id)
			if err != nil || time.Until(w.ETA) != c.want || w.Timeout != 20*time.Second {
				t.Errorf("--in %s: %+v, %v", c.text, w, err)
			}
		}
		for _, bad := range []string{"NaN", "Inf", "1e30", "-1e30", "10 minutes", "", "1d"} {
			for _, flag := range []string{"--in", "--within", "--task-timeout", "--timeout"} {
				run(t, s.app, "enqueue", "Welcome", "--data", ana, flag, bad).want(t, 2, fmt.Sprintf("invalid argument %q for %q", bad, flag))
			}
		}
		run(t, s.app, "list", "--timeout", "-90").want(t, 2, "--timeout -1m30s is negative")
		if e := run(t, s.app, "enqueue", "--help"); !strings.Contains(e.out, "--in duration") || strings.Contains(e.out, "(default )") || strings.Contains(e.out, "(default 0") {
			t.Errorf("help says\n%s", e.out)
		}
	})
}

func TestHelp_ExamplesAreAsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, args := range [][]string{{"enqueue", "--help"}, {"sync", "-h"}, {"delete", "--help"}, {"run", "--help"}, {"publish", "--help"}} {
			e := run(t, s.app, args...)
			if e.want(t, 0, "\n  shop tasks "+args[0]+" "); strings.Contains(e.out, "\n  tasks ") {
				t.Errorf("%q: %s", args, e.out)
			}
		}
		cmd := manage.Command(s.app)
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetArgs([]string{"run", "--help"})
		if err := cmd.Execute(); err != nil || !strings.Contains(out.String(), "\n  tasks run Welcome") {
			t.Errorf("%v: %s", err, &out)
		}
		root := &cobra.Command{Use: "tasks"} // twice the same word, and help asked for twice
		root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { cmd.Println("of the root: " + cmd.Example) })
		for range 2 {
			with{root: root}.run(t, s.app, "run", "--help").want(t, 0, "of the root:   tasks tasks run Welcome")
			root.RemoveCommand(root.Commands()...)
		}
	})
}
