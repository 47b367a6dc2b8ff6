package manage

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// deleted is the document of delete.
type deleted struct {
	Task    string `json:"task"`
	ID      string `json:"id,omitempty"`
	Queue   string `json:"queue,omitempty"`
	Deleted int    `json:"deleted"`
	DryRun  bool   `json:"dry_run"`
}

// deleter is what tasks of every kind are.
type deleter interface {
	Delete(ctx context.Context, id string) error
	DeleteAll(ctx context.Context, opts ...tasks.DeleteOption) (int, error)
}

func (m *manager) delete() *cobra.Command {
	var least int
	var queue string
	cmd := &cobra.Command{
		Use:     "delete NAME [ID]",
		Aliases: []string{"discard"},
		Short:   "Delete waiting tasks: one, or all of a name",
		Long: "Delete the waiting task of that ID, or all of that NAME that wait in its queue when it runs, those that came since the\n" +
			"question too; those of other definitions stay.\n" +
			"ID is the one of its receipt, \"queue/id\" for another queue than the task's own, or Cloud Tasks' full name.",
		Example: "  tasks delete Welcome 7f3a\n" +
			"  tasks delete Welcome --min-retries 5    those that have been retried five times or more",
		SilenceUsage:      true,
		Args:              arguments(1, 2, "the NAME of a task, and the ID of one that waits or none"),
		ValidArgsFunction: completeNames(1, m.taskCompletions),
	}
	cmd.Flags().IntVar(&least, "min-retries", 0, "only those that have been retried at least so often")
	cmd.Flags().StringVar(&queue, "queue", "", "to look into, in place of the task's own")
	completeFlag(cmd, "queue", completeNames(-1, m.queueCompletions))
	completeFlag(cmd, "min-retries", cobra.NoFileCompletions)
	cmd.RunE = m.does("", func(c *call, args []string) error {
		d, err := c.find(args[0], "task", taskKinds()...)
		if err != nil {
			return err
		}
		task, ok := d.(deleter)
		if !ok {
			return fmt.Errorf("%s: %w", args[0], errNoTask)
		}
		doc := deleted{Task: d.Spec().Name, DryRun: c.dryRun}
		if len(args) == 2 {
			for _, flag := range []string{"min-retries", "queue"} {
				if cmd.Flags().Changed(flag) {
					return usagef("--%s goes without an ID", flag)
				}
			}
			doc.ID = args[1]
			return c.deleteOne(task, doc)
		}
		if least < 0 {
			return usagef("--min-retries %d is negative", least)
		}
		opts := []tasks.DeleteOption{tasks.MinRetries(least)}
		if doc.Queue = queueOf(c.cfg, d.Spec()); queue != "" {
			doc.Queue, opts = queue, append(opts, tasks.OnQueue(queue))
			if err := c.queueExists(queue); err != nil {
				return err
			}
		}
		return c.deleteAll(task, doc, least, opts)
	})
	return cmd
}

// queueExists fails for a queue that is known to be missing: DeleteAll takes it for an empty one, and nobody would see a
// typo.
func (c *call) queueExists(queue string) error {
	admin, err := transport.As[transport.QueueAdmin](c.cfg.Transport)
	if err != nil || transport.CheckQueue(queue) != nil {
		return nil
	}
	if _, err = admin.Queue(c, queue); errors.Is(err, transport.ErrQueueMissing) {
		return fmt.Errorf("nothing was deleted: %w", err)
	}
	return nil // what else there is DeleteAll meets too
}

func (c *call) deleteOne(task deleter, doc deleted) error {
	if c.dryRun {
		return usagef("delete %s %s has no dry run: leave the ID out to count those that wait", doc.Task, doc.ID)
	}
	if err := c.confirm(fmt.Sprintf("delete task %s of %s", doc.ID, doc.Task)); err != nil {
		return err
	}
	if err := task.Delete(c, doc.ID); err != nil {
		return err
	}
	doc.Deleted = 1
	return c.print(doc, func() string { return oneLine("deleted " + doc.Task + " " + doc.ID) })
}

func (c *call) deleteAll(task deleter, doc deleted, least int, opts []tasks.DeleteOption) error {
	all := func(doing string, opts ...tasks.DeleteOption) (int, error) {
		ctx, erase := c.progressing(doing)
		defer erase()
		return task.DeleteAll(ctx, opts...)
	}
	var err error
	if c.dryRun || !c.yes {
		if doc.Deleted, err = all("counting", append(opts, tasks.CountOnly())...); err != nil {
			return err
		}
	}
	if !c.dryRun && (c.yes || doc.Deleted > 0) {
		what := fmt.Sprintf("delete all tasks of %s that wait on queue %s", doc.Task, doc.Queue)
		if least > 0 {
			what += fmt.Sprintf(" and have been retried %s or more", count(least, "time"))
		}
		if err := c.confirm(fmt.Sprintf("%s (%d now)", what, doc.Deleted)); err != nil {
			return err
		}
		doc.Deleted, err = all("deleting", opts...)
	}
	return errors.Join(err, c.print(doc, func() string {
		text := fmt.Sprintf("deleted %s of %s on queue %s", count(doc.Deleted, "task"), doc.Task, doc.Queue)
		if doc.DryRun {
			text = fmt.Sprintf("dry run, nothing was deleted: %s of %s on queue %s", count(doc.Deleted, "task"), doc.Task, doc.Queue)
		}
		return oneLine(text)
	}))
}
