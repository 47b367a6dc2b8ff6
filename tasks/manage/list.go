package manage

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
)

// The sections of list.
const (
	kindTasks       = "tasks"
	kindPublishers  = "publishers"
	kindSubscribers = "subscribers"
	kindSchedules   = "schedules"
	kindQueues      = "queues"
)

func listKinds() []string {
	return []string{kindTasks, kindPublishers, kindSubscribers, kindSchedules, kindQueues}
}

func (m *manager) list() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "list [NAME...]",
		Short: "List tasks, publishers, subscribers, schedules and queues, as the code declares them",
		Long: "List tasks, publishers, subscribers, schedules and queues, as the code declares them. It asks nobody, so that it\n" +
			"tells neither what exists in the cloud nor what is paused there.",
		SilenceUsage: true,
		Args:         cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames(-1, func() []cobra.Completion {
			return m.completions(tasks.KindTask, tasks.KindPublisher, tasks.KindSubscriber, tasks.KindPeriodic)
		}),
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only "+strings.Join(listKinds(), ", "))
	completeFlag(cmd, "kind", cobra.FixedCompletions(listKinds(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = m.does("it changes nothing", func(c *call, args []string) error {
		section := kind
		if kind != "" && !slices.Contains(listKinds(), section) {
			if section += "s"; !slices.Contains(listKinds(), section) {
				return usagef("--kind %q is none of %s", kind, strings.Join(listKinds(), ", "))
			}
		}
		inv, err := m.inventory(c.now())
		if err != nil {
			return err
		}
		all := inv.names()
		if missing := inv.only(section, args); len(missing) > 0 {
			return unknown("definition", missing[0], all)
		}
		return c.print(inv, func() string { return inv.text(c) })
	})
	return cmd
}

// text is the inventory as tables. On a terminal what is long is cut.
func (inv *inventory) text(c *call) string {
	b := tables{}
	if c.console.outTTY {
		b.most = maxCell
	}
	now := c.now()
	section(&b, "Tasks", inv.Tasks, []string{"NAME", "QUEUE", "TIMEOUT", "ALIASES", "PAYLOAD", "PATH"}, func(t taskItem) []string {
		return []string{t.Name, t.Queue, t.Timeout.String(), listed(t.Aliases, b.most), bare(t.Payload), t.Path}
	})
	section(&b, "Publishers", inv.Publishers, []string{"NAME", "TOPIC", "PAYLOAD"}, func(p publisherItem) []string {
		if p.Topic == "" {
			p.Topic = "(each message's own)"
		}
		return []string{p.Name, p.Topic, bare(p.Payload)}
	})
	section(&b, "Subscribers", inv.Subscribers, []string{"NAME", "TOPIC", "SUBSCRIPTION", "DELIVERY", "FILTER", "PAYLOAD"}, func(s subscriberItem) []string {
		return []string{s.Name, s.Topic, s.Subscription, s.Delivery, s.Filter, bare(s.Payload)}
	})
	section(&b, "Schedules", inv.Schedules, []string{"NAME", "JOB", "SCHEDULE", "ZONE", "NEXT RUN"}, func(s scheduleItem) []string {
		next := "never"
		if s.NextRun != nil {
			next = when(*s.NextRun, now)
			if s.isInterval {
				next = "about " + next
			}
		}
		return []string{s.Name, s.Job, s.Schedule, s.TimeZone, next}
	})
	section(&b, "Queues", inv.Queues, []string{"NAME", "SETTINGS", "USED BY"}, func(q queueItem) []string {
		return []string{q.Name, q.text, listed(q.UsedBy, b.most)}
	})
	if b.Len() == 0 {
		return "nothing to list"
	}
	return b.String()
}

// maxCell is how many characters of a value a table shows on a terminal.
const maxCell = 80

// tables are several, below one another.
type tables struct {
	strings.Builder
	most int // characters of a cell; 0: no limit
}

// section writes a table with a heading, without the columns that are empty all along. There is none without rows.
func section[T any](b *tables, title string, items []T, columns []string, row func(T) []string) {
	if len(items) == 0 {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	rows := [][]string{columns}
	used := make([]bool, len(columns))
	for _, item := range items {
		cells := row(item)
		for i, cell := range cells {
			cells[i] = escape(cell)
			if b.most > 0 {
				cells[i] = clip(cells[i], b.most, "...")
			}
			used[i] = used[i] || cell != ""
		}
		rows = append(rows, cells)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, cells := range rows {
		line := ""
		for i, cell := range cells {
			if used[i] {
				line += "\t" + cell
			}
		}
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // a Builder never fails
	b.WriteString(title + "\n")
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}
