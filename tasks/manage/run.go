package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
)

// ran is the document of run.
type ran struct {
	Task    string          `json:"task"`
	Outcome tasks.Outcome   `json:"outcome,omitempty"` // none of a dry run
	Why     string          `json:"why,omitempty"`     // it was discarded
	Result  json.RawMessage `json:"result,omitempty"`
	DryRun  bool            `json:"dry_run"`
}

// debugged is the document of debug.
type debugged struct {
	Task string `json:"task"`
	ID   string `json:"id"`
}

func (m *manager) run() *cobra.Command {
	var data dataFlag
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Run a task here, in this process",
		Long: "Run a task here, in this process, as a delivery would: validation, middleware and timeout included. It ends well\n" +
			"where the task is executed or discarded. --dry-run only checks the payload.",
		Example: "  tasks run Welcome --data '{\"user_id\": 7}'\n" +
			"  tasks run Nightly                            with the payload of its schedule",
		SilenceUsage:      true,
		Args:              arguments(1, 1, "the NAME of a task"),
		ValidArgsFunction: completeNames(1, m.taskCompletions),
	}
	data.add(cmd)
	cmd.RunE = m.does("", func(c *call, args []string) error {
		d, err := c.find(args[0], "task", taskKinds()...)
		if err != nil {
			return err
		}
		body, err := data.body(c, d)
		if err != nil {
			return err
		}
		doc := ran{Task: d.Spec().Name, DryRun: c.dryRun}
		if c.dryRun {
			if _, err := c.app.PrepareBody(c, d, body); err != nil {
				return fmt.Errorf("%s: %w", doc.Task, usageOf(err))
			}
			return c.print(doc, func() string { return oneLine("dry run, nothing was run: the payload of " + doc.Task + " is valid") })
		}
		is, err := c.app.RunBody(c, d, body)
		if err != nil {
			return fmt.Errorf("%s: %w", doc.Task, err)
		}
		if doc.Outcome = is.Outcome; is.Reason != nil {
			doc.Why = is.Reason.Error()
		}
		if is.Result != nil {
			doc.Result = resultJSON(is.Result)
		}
		return c.print(doc, func() string {
			switch {
			case doc.Why != "":
				return oneLine(doc.Task + ": " + doc.Why)
			case doc.Result == nil:
				return oneLine(doc.Task + ": done")
			}
			text, err := jsonText(doc.Result)
			if err != nil {
				return oneLine(string(doc.Result))
			}
			return text
		})
	})
	return cmd
}

// resultJSON is what a function returned, in words where JSON has none for it.
func resultJSON(result any) json.RawMessage {
	text, err := jsonText(result)
	if err != nil {
		text, _ = jsonText(fmt.Sprintf("%+v", result)) // a string can be marshalled
	}
	return json.RawMessage(text)
}

func (m *manager) debug() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug NAME ID",
		Short: "Run a task that waits in its queue here, in this process",
		Long: "Run a task that waits in its queue here, in this process, with its own payload and metadata. It stays in its queue.\n" +
			"ID is the one of its receipt, \"queue/id\" for another queue than the task's own, or Cloud Tasks' full name.",
		SilenceUsage:      true,
		Args:              arguments(2, 2, "the NAME of a task and the ID of one that waits"),
		ValidArgsFunction: completeNames(1, m.taskCompletions),
	}
	cmd.RunE = m.does("it runs the task", func(c *call, args []string) error {
		d, err := c.find(args[0], "task", taskKinds()...)
		if err != nil {
			return err
		}
		task, ok := d.(interface {
			Debug(context.Context, string) error
		})
		if !ok {
			return fmt.Errorf("%s: %w", args[0], errNoTask)
		}
		if err := task.Debug(c, args[1]); err != nil {
			return err
		}
		doc := debugged{d.Spec().Name, args[1]}
		return c.print(doc, func() string {
			return oneLine(fmt.Sprintf("%s %s: done here; it stays in its queue", doc.Task, doc.ID))
		})
	})
	return cmd
}

var errNoTask = errors.New("it is no task of package tasks or schedule")
