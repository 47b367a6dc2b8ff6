package manage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// manager is what the commands of one App share.
type manager struct {
	app       *tasks.App
	terminals *[3]bool // standard input, output and error, where an option says it

	dryRun, yes bool
	output      string
	timeout     duration
}

// Command returns the command "tasks" over app, to be added to a root command, or to be one. Definitions that are
// registered later are seen too. Its flags have no short forms, so that they go with any of the root's. Over a nil App
// each command fails, with tasks.ErrInvalid.
func Command(app *tasks.App, opts ...Option) *cobra.Command {
	m := &manager{app: app}
	for _, o := range opts {
		if o != nil {
			o.manage(m)
		}
	}
	cmd := group("tasks", "List, sync, enqueue, run and delete the tasks of this program")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	flags := cmd.PersistentFlags()
	flags.BoolVar(&m.dryRun, "dry-run", false, "only tell what would be done")
	flags.BoolVar(&m.yes, "yes", false, "do not ask before something is deleted")
	flags.StringVar(&m.output, "output", outputText, "text or json")
	flags.Var(&m.timeout, "timeout", "of the whole command, such as 30s (default none)")
	completeFlag(cmd, "output", cobra.FixedCompletions([]cobra.Completion{
		cobra.CompletionWithDesc(outputText, "for people"),
		cobra.CompletionWithDesc(outputJSON, "one document, for programs"),
	}, cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(m.list(), m.sync(), m.enqueue(), m.publish(), m.run(), m.debug(), m.delete(), m.queues(), m.schedules())
	cmd.SetHelpFunc(helpUnder(cmd))
	return cmd
}

// helpUnder is the help of the root, where the examples have the name that the command has below it.
func helpUnder(tasks *cobra.Command) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		example := cmd.Example
		defer func() { cmd.Example = example }()
		lines := strings.Split(example, "\n")
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(line, "  tasks "); ok {
				lines[i] = "  " + tasks.CommandPath() + " " + rest
			}
		}
		cmd.Example = strings.Join(lines, "\n")
		above := tasks.Parent()
		if above == nil {
			above = &cobra.Command{} // which has cobra's own
		}
		above.HelpFunc()(cmd, args)
	}
}

// The formats of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// call is one execution of a command.
type call struct {
	*manager
	context.Context // carries the App
	cfg             tasks.Config
	cmd             *cobra.Command
	console         *console
}

// does makes the RunE of a command. noDryRun is why the command has no dry run, empty where it has one.
func (m *manager) does(noDryRun string, f func(c *call, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if m.app == nil {
			return failed(fmt.Errorf("%s: %w: the App is nil: give manage.Command the one that tasks.NewApp made", cmd.Name(), tasks.ErrInvalid))
		}
		if m.output != outputText && m.output != outputJSON {
			return usagef("--output %q is neither %s nor %s", m.output, outputText, outputJSON)
		}
		if m.timeout < 0 {
			return usagef("--timeout %s is negative", &m.timeout)
		}
		if m.dryRun && noDryRun != "" {
			return usagef("%s has no dry run: %s", cmd.Name(), noDryRun)
		}
		ctx := cmd.Context()
		if m.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(m.timeout))
			defer cancel()
		}
		c := &call{
			manager: m, Context: m.app.Context(ctx), cfg: m.app.Config(), cmd: cmd,
			console: newConsole(cmd, m.terminals),
		}
		return failed(f(c, args))
	}
}

// now is the time of the App's transport, where it keeps its own.
func (c *call) now() time.Time {
	if clock, err := transport.As[transport.Clock](c.cfg.Transport); err == nil {
		return clock.Now()
	}
	return time.Now()
}

// print writes a result: doc as JSON, or what text makes of it.
func (c *call) print(doc any, text func() string) error {
	out := ""
	if c.output == outputJSON {
		var err error
		if out, err = jsonText(doc); err != nil {
			return err
		}
	} else if out = text(); out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	if _, err := c.console.out.Write([]byte(out)); err != nil {
		return fmt.Errorf("the result could not be printed: %w", err)
	}
	return nil
}

// confirm asks whether to do what destroys something. The error, where it is not confirmed, ends with code 3.
func (c *call) confirm(what string) error {
	if c.yes {
		return nil
	}
	if !c.console.asks() {
		return &failure{code: codeRefused, text: fmt.Sprintf("refused to %s: there is no terminal to ask on, and no --yes", what)}
	}
	ok, err := c.console.ask(c, what)
	if err != nil {
		return &failure{code: codeRefused, text: fmt.Sprintf("not confirmed, nothing was done: %v", err), err: err}
	}
	if !ok {
		return &failure{code: codeRefused, text: "not confirmed, nothing was done"}
	}
	return nil
}

// group makes a command that has only others below it.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	return usagef("%s has no command %q%s", cmd.CommandPath(), name, didYouMean(cmd.SuggestionsFor(name)))
}

// arguments checks how many there are; what names them.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) >= least && (len(args) <= most || most < 0):
			return nil
		case len(args) == 0:
			return usagef("%s needs %s", cmd.CommandPath(), what)
		case most == 0 && cmd.HasSubCommands():
			return unknownCommand(cmd, args[0])
		case most == 0:
			return usagef("%s takes no arguments, not %q", cmd.CommandPath(), args[0])
		case len(args) < least:
			return usagef("%s needs %s, not just %q", cmd.CommandPath(), what, strings.Join(args, " "))
		}
		return usagef("%s takes %s, not %q too", cmd.CommandPath(), what, args[most])
	}
}

// usageOf marks an error that shows before anything is done: what is asked for, or the payload, is not valid.
func usageOf(err error) error {
	_, decode := errors.AsType[*tasks.DecodeError](err)
	_, validation := errors.AsType[*tasks.ValidationError](err)
	if decode || validation || errors.Is(err, tasks.ErrInvalid) || errors.Is(err, tasks.ErrTooFar) || errors.Is(err, tasks.ErrTooLarge) {
		return usageError(err)
	}
	return err
}
