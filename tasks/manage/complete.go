package manage

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
)

// Completion tells what the code says: it asks nobody.

// completeNames completes arguments: most of them, or any number where most is negative.
func completeNames(most int, names func() []cobra.Completion) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(names(), func(c cobra.Completion) bool {
			return slices.ContainsFunc(args, func(arg string) bool { return nameOf(c) == arg })
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes the values of a flag that is there.
func completeFlag(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, f) // fails for a flag that is not there only
}

func (m *manager) taskCompletions() []cobra.Completion {
	return m.completions(taskKinds()...)
}

func (m *manager) completions(kinds ...string) (all []cobra.Completion) {
	for _, d := range m.definitions(kinds...) {
		all = append(all, cobra.CompletionWithDesc(d.Spec().Name, about(m.app.Config(), d)))
	}
	return all
}

// about describes a definition in a few words.
func about(cfg tasks.Config, d tasks.Definition) string {
	s := d.Spec()
	text := s.Kind
	switch s.Kind {
	case tasks.KindTask:
		text = fmt.Sprintf("%s on queue %s", bare(typeName(s)), queueOf(cfg, s))
	case tasks.KindPeriodic:
		if job, err := schedule.Describe(cfg, d); err == nil {
			text = job.Schedule + ", " + job.TimeZone
		}
	case tasks.KindPublisher, tasks.KindSubscriber:
		if is, err := pubsub.Describe(cfg, d); err == nil && is.Topic != "" {
			text = s.Kind + ", topic " + is.Topic
		}
	}
	return oneLine(text)
}

func (m *manager) queueCompletions() (all []cobra.Completion) {
	if m.app == nil {
		return nil
	}
	declared := m.app.Config().Queues
	for _, name := range m.queueNames() {
		text := undeclared
		if cfg, ok := declared[name]; ok {
			text = settingsText(cfg)
		}
		all = append(all, cobra.CompletionWithDesc(name, text))
	}
	return all
}

func nameOf(c cobra.Completion) string {
	for i, r := range c {
		if r == '\t' {
			return c[:i]
		}
	}
	return c
}

// typeName is the payload's type, as code writes it.
func typeName(s tasks.Spec) string {
	if s.Payload == nil {
		return ""
	}
	return s.Payload.String()
}
