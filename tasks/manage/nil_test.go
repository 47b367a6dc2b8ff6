package manage_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/manage"
)

// leafs are the commands that do something.
func leafs(cmd *cobra.Command) (all []*cobra.Command) {
	if cmd.RunE != nil && (len(cmd.Commands()) == 0 || cmd.Name() == "sync") {
		all = append(all, cmd)
	}
	for _, sub := range cmd.Commands() {
		all = append(all, leafs(sub)...)
	}
	return all
}

func TestCommand_NilApp_EachCommandSaysSo(t *testing.T) {
	commands := leafs(manage.Command(nil))
	if len(commands) < 15 {
		t.Fatalf("found %d commands", len(commands))
	}
	for _, cmd := range commands {
		path := strings.Fields(cmd.CommandPath())[1:]
		args := path
		switch cmd.Name() {
		case "list", "sync", "subscriptions":
		case "debug":
			args = append(args, "Welcome", "w7")
		case "queues", "schedules": // of sync
		default:
			args = append(args, "Welcome")
		}
		e := run(t, nil, args...)
		if e.want(t, 1, "the App is nil"); !errors.Is(e.cause, tasks.ErrInvalid) {
			t.Errorf("%q: %v", args, e.cause)
		}
		for _, last := range []string{"", "--queue", "--output"} {
			if last == "--queue" && cmd.Flags().Lookup("queue") == nil {
				continue
			}
			root := &cobra.Command{Use: "shop"}
			root.AddCommand(manage.Command(nil))
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&out)
			complete := append([]string{"__complete", "tasks"}, path...)
			if last != "" {
				complete = append(complete, last)
			}
			root.SetArgs(append(complete, ""))
			if err := root.Execute(); err != nil || strings.Contains(out.String(), "Welcome") {
				t.Errorf("%q: %v, %s", complete, err, out.String())
			}
		}
	}
	run(t, nil).want(t, 0, "Available Commands")
}
