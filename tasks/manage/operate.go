package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// actions is the document of queues and schedules.
type actions struct {
	Actions []action `json:"actions"`
	DryRun  bool     `json:"dry_run"`
}

// action is what was done with one resource.
type action struct {
	Verb string `json:"verb"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
}

const (
	verbPaused  = "paused"
	verbResumed = "resumed"
	verbPurged  = "purged"
	verbStarted = "started"
	verbFailed  = "failed"
)

func (m *manager) queues() *cobra.Command {
	return group("queues", "Pause, resume and purge queues",
		m.queueCommand("pause", verbPaused, "Stop dispatching the tasks of queues", transport.QueueAdmin.Pause),
		m.queueCommand("resume", verbResumed, "Dispatch the tasks of queues again", transport.QueueAdmin.Resume),
		m.queueCommand("purge", verbPurged, "Delete all tasks that wait in queues", transport.QueueAdmin.Purge),
	)
}

func (m *manager) queueCommand(use, verb, short string, do func(transport.QueueAdmin, context.Context, string) error) *cobra.Command {
	undeclared := false
	cmd := &cobra.Command{
		Use: use + " NAME...", Short: short, SilenceUsage: true,
		Args:              arguments(1, -1, "the NAMEs of queues"),
		ValidArgsFunction: completeNames(-1, m.queueCompletions),
	}
	cmd.Flags().BoolVar(&undeclared, "undeclared", false, "queues too that the code does not name")
	cmd.RunE = m.does("", func(c *call, names []string) error {
		names = sortedUnique(names)
		known := c.queueNames()
		for _, name := range names {
			if err := transport.CheckQueue(name); err != nil {
				return usageError(err)
			}
			if !undeclared && !slices.Contains(known, name) {
				return unknown("queue", name, known)
			}
		}
		admin, err := transport.As[transport.QueueAdmin](c.cfg.Transport)
		if err != nil {
			return err
		}
		if verb == verbPurged && !c.dryRun {
			what := fmt.Sprintf("delete all that waits in queue %s", strings.Join(names, ", "))
			if len(names) > 1 {
				what = fmt.Sprintf("delete all that waits in the %d queues %s", len(names), strings.Join(names, ", "))
			}
			if err := c.confirm(what); err != nil {
				return err
			}
		}
		done := false
		err = c.act("queue", verb, names, func(name string) error {
			if c.dryRun {
				_, err := admin.Queue(c, name)
				return err
			}
			err := do(admin, c, name)
			done = done || err == nil
			return err
		})
		if done && c.localTransport() {
			c.noteEnds("transport")
		}
		return err
	})
	return cmd
}

func (m *manager) schedules() *cobra.Command {
	return group("schedules", "Run, pause and resume the scheduler's jobs",
		m.scheduleCommand("run", verbStarted, "Fire schedules now, beside their times", transport.JobAdmin.RunJob),
		m.scheduleCommand("pause", verbPaused, "Stop firing schedules", transport.JobAdmin.PauseJob),
		m.scheduleCommand("resume", verbResumed, "Fire schedules again", transport.JobAdmin.ResumeJob),
	)
}

func (m *manager) scheduleCommand(use, verb, short string, do func(transport.JobAdmin, context.Context, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " NAME...", Short: short, SilenceUsage: true,
		Args:              arguments(1, -1, "the NAMEs of periodic tasks, or of their jobs"),
		ValidArgsFunction: completeNames(-1, func() []cobra.Completion { return m.completions(tasks.KindPeriodic) }),
	}
	cmd.RunE = m.does("", func(c *call, names []string) error {
		var jobs []string
		for _, name := range names {
			id, err := c.jobID(name)
			if err != nil {
				return err
			}
			if !slices.Contains(jobs, id) {
				jobs = append(jobs, id)
			}
		}
		if c.cfg.Scheduler == nil {
			return tasks.ErrNoScheduler
		}
		admin, err := transport.SchedulerAs[transport.JobAdmin](c.cfg.Scheduler)
		if err != nil {
			return err
		}
		done := false
		err = c.act("schedule", verb, jobs, func(id string) error {
			if c.dryRun {
				_, err := admin.Job(c, id)
				return err
			}
			err := do(admin, c, id)
			done = done || err == nil
			return err
		})
		switch local := done && c.localScheduler(); {
		case verb == verbStarted:
			c.noteLocal(local)
		case local:
			c.noteEnds("scheduler")
		}
		return err
	})
	return cmd
}

// act does something with each of several resources, and prints what became of them. One that fails hinders no other.
func (c *call) act(kind, verb string, names []string, do func(name string) error) error {
	doc := actions{Actions: []action{}, DryRun: c.dryRun}
	doing := strings.TrimSuffix(verb, "ed") + "ing"
	if c.dryRun {
		doing = "looking up"
	}
	ctx, erase := c.progressing(doing)
	progress := plan.ProgressFrom(ctx)
	var errs []error
	for i, name := range names {
		if c.Err() != nil {
			errs = append(errs, fmt.Errorf("%s %s was not begun: %w", kind, name, c.Err()))
			break
		}
		a := action{Verb: verb, Kind: kind, Name: name}
		if err := do(name); err != nil {
			a.Verb, a.Why = verbFailed, err.Error()
			errs = append(errs, err)
		}
		doc.Actions = append(doc.Actions, a)
		progress(i+1, len(names), kind)
	}
	erase()
	return errors.Join(append(errs, c.print(doc, doc.text))...)
}

func (a actions) text() string {
	var b strings.Builder
	for _, one := range a.Actions {
		line := one.Kind + " " + one.Name + ": "
		switch {
		case one.Verb == verbFailed:
			line += "failed"
		case a.DryRun:
			line += "would be " + one.Verb
		default:
			line += one.Verb
		}
		b.WriteString(oneLine(line) + "\n")
	}
	return b.String()
}
