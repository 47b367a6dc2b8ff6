package manage

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// syncer makes one kind of resource what the code says.
type syncer struct {
	kind    string
	local   string // what it changes, where that is in this process
	none    string // why there is nothing to do, empty where there is something
	missing error  // what the App's configuration lacks
	sync    func(ctx context.Context, dryRun bool) (plan.Plan, error)
}

func (m *manager) sync() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Make queues, subscriptions and schedules what the code says",
		Long: "Make queues, subscriptions (with their topics) and schedules what the code says, in this order. What the program\n" +
			"has none of is left out. Subscriptions and schedules of this program that the code no longer declares are deleted,\n" +
			"once that is confirmed; whatever else is in the project stays as it is.",
		Example: "  tasks sync --dry-run              what would be done\n" +
			"  tasks sync --yes                  in a deploy\n" +
			"  tasks sync --dry-run --exit-code  has anything drifted? exits with 4 then",
		SilenceUsage:      true,
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.PersistentFlags().BoolVar(&f.exitCode, "exit-code", false, "with --dry-run: exit with 4 if something would change")
	f.addReplace(cmd)
	cmd.RunE = m.does("", func(c *call, _ []string) error {
		return c.syncSome(f, false, c.queueSyncer(nil), c.subscriptionSyncer(f.replace), c.scheduleSyncer())
	})
	cmd.AddCommand(m.syncQueues(f), m.syncSubscriptions(f), m.syncSchedules(f))
	return cmd
}

// syncFlags are those of sync and all below it.
type syncFlags struct{ exitCode, replace bool }

// addReplace adds --allow-replace to a command that has subscriptions among what it syncs; others refuse it.
func (f *syncFlags) addReplace(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.replace, "allow-replace", false, "delete and recreate subscriptions whose topic, filter or ordering has changed; what waits in them is lost")
}

func (m *manager) syncQueues(f *syncFlags) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "queues",
		Short: "Make the queues of Config.Queues what the code says",
		Long: "Make the queues of Config.Queues what the code says. None is paused or resumed, and none deleted but those that\n" +
			"--delete names, with all that waits in them.",
		SilenceUsage:      true,
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringArrayVar(&names, "delete", nil, "delete the queue of this `name`, which the code must not use (repeatable)")
	completeFlag(cmd, "delete", cobra.NoFileCompletions)
	cmd.RunE = m.does("", func(c *call, _ []string) error {
		for _, name := range names {
			if err := transport.CheckQueue(name); err != nil {
				return usagef("--delete: %w", err)
			}
		}
		return c.syncSome(f, true, c.queueSyncer(names))
	})
	return cmd
}

func (m *manager) syncSubscriptions(f *syncFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "subscriptions",
		Short:             "Make topics and subscriptions what publishers and subscribers say",
		SilenceUsage:      true,
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.addReplace(cmd)
	cmd.RunE = m.does("", func(c *call, _ []string) error { return c.syncSome(f, true, c.subscriptionSyncer(f.replace)) })
	return cmd
}

func (m *manager) syncSchedules(f *syncFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "schedules",
		Short:             "Make the scheduler's jobs what periodic tasks say",
		SilenceUsage:      true,
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = m.does("", func(c *call, _ []string) error { return c.syncSome(f, true, c.scheduleSyncer()) })
	return cmd
}

func (c *call) queueSyncer(names []string) syncer {
	s := syncer{kind: kindQueues, sync: func(ctx context.Context, dryRun bool) (plan.Plan, error) {
		var opts []tasks.QueueSyncOption
		if dryRun {
			opts = append(opts, tasks.QueuesDryRun())
		}
		if len(names) > 0 {
			opts = append(opts, tasks.DeleteQueues(names...))
		}
		return tasks.SyncQueues(ctx, c.app, opts...)
	}}
	if len(c.cfg.Queues) == 0 && len(names) == 0 {
		s.none = "Config.Queues declares none"
	}
	if c.localTransport() {
		s.local = "transport"
	}
	return s
}

func (c *call) subscriptionSyncer(replace bool) syncer {
	s := syncer{kind: "subscriptions", sync: func(ctx context.Context, dryRun bool) (plan.Plan, error) {
		var opts []pubsub.SyncOption
		if dryRun {
			opts = append(opts, pubsub.DryRun())
		}
		if replace {
			opts = append(opts, pubsub.AllowReplace())
		}
		return pubsub.Sync(ctx, c.app, opts...)
	}}
	if c.localBroker() {
		s.local = "broker"
	}
	switch {
	case len(c.definitions(tasks.KindPublisher, tasks.KindSubscriber)) == 0:
		s.none = "there are neither publishers nor subscribers"
	case c.cfg.Broker == nil:
		s.missing = tasks.ErrNoBroker
	default:
		s.missing = c.nameless("subscriptions")
	}
	return s
}

func (c *call) scheduleSyncer() syncer {
	s := syncer{kind: kindSchedules, sync: func(ctx context.Context, dryRun bool) (plan.Plan, error) {
		var opts []schedule.SyncOption
		if dryRun {
			opts = append(opts, schedule.DryRun())
		}
		return schedule.Sync(ctx, c.app, opts...)
	}}
	if c.localScheduler() {
		s.local = "scheduler"
	}
	switch {
	case len(c.definitions(tasks.KindPeriodic)) == 0:
		s.none = "there are no periodic tasks"
	case c.cfg.Scheduler == nil:
		s.missing = tasks.ErrNoScheduler
	default:
		s.missing = c.nameless("schedules")
	}
	return s
}

// nameless is why an App without a name cannot sync.
func (c *call) nameless(kind string) error {
	if c.cfg.Name != "" {
		return nil
	}
	return fmt.Errorf("Config.Name is empty: set it, so that the %s of this program can be told from another's", kind)
}
