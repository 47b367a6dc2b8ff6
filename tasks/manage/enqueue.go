package manage

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
)

// enqueued is the document of enqueue.
type enqueued struct {
	Task      string     `json:"task"`
	Queue     string     `json:"queue"`
	ID        string     `json:"id,omitempty"`
	ETA       *time.Time `json:"eta,omitempty"` // none: at once
	Duplicate bool       `json:"duplicate"`     // the id was taken: nothing was enqueued
	Finished  bool       `json:"finished"`      // and its holder has run
	DryRun    bool       `json:"dry_run"`

	URL    string          `json:"url,omitempty"`
	Header http.Header     `json:"header,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// enqueueFlags are those that become options.
type enqueueFlags struct {
	in, within, timeout duration
	at, id, queue       string
	headers             []string
}

func (m *manager) enqueue() *cobra.Command {
	var data dataFlag
	var f enqueueFlags
	cmd := &cobra.Command{
		Use:   "enqueue NAME",
		Short: "Enqueue a task",
		Example: "  tasks enqueue Welcome --data '{\"user_id\": 7}'\n" +
			"  tasks enqueue Report --data @report.json --in 1h\n" +
			"  tasks enqueue Nightly                            with the payload of its schedule",
		SilenceUsage:      true,
		Args:              arguments(1, 1, "the NAME of a task"),
		ValidArgsFunction: completeNames(1, m.taskCompletions),
	}
	data.add(cmd)
	flags := cmd.Flags()
	flags.Var(&f.in, "in", "due this long from now, such as 1h30m, or 90 for seconds")
	flags.StringVar(&f.at, "at", "", "due at this `time`, such as 2030-01-31T09:00:00Z")
	flags.Var(&f.within, "within", "due at a random moment between now and then")
	flags.StringVar(&f.id, "id", "", "of the task; one that is taken makes it a duplicate")
	flags.StringVar(&f.queue, "queue", "", "to go to, in place of the task's own")
	flags.StringArrayVar(&f.headers, "header", nil, "sent with each delivery, as `key=value` (repeatable)")
	flags.Var(&f.timeout, "task-timeout", "of one attempt, 15s to 30m")
	completeFlag(cmd, "queue", completeNames(-1, m.queueCompletions))
	for _, name := range []string{"in", "at", "within", "id", "header", "task-timeout"} {
		completeFlag(cmd, name, cobra.NoFileCompletions)
	}
	cmd.RunE = m.does("", func(c *call, args []string) error {
		d, err := c.find(args[0], "task", taskKinds()...)
		if err != nil {
			return err
		}
		opts, err := f.options(cmd)
		if err != nil {
			return err
		}
		body, err := data.body(c, d)
		if err != nil {
			return err
		}
		return c.enqueueBody(d, body, opts)
	})
	return cmd
}

func (f *enqueueFlags) options(cmd *cobra.Command) (opts []tasks.EnqueueOption, err error) {
	var times []string
	on := func(flag string, isTime bool, opt func() tasks.EnqueueOption) {
		if !cmd.Flags().Changed(flag) {
			return
		}
		if isTime {
			times = append(times, "--"+flag)
		}
		opts = append(opts, opt())
	}
	at := time.Time{}
	if f.at != "" || cmd.Flags().Changed("at") {
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return nil, usagef("--at %q is no time like 2030-01-31T09:00:00Z or 2030-01-31T09:00:00+02:00", f.at)
		}
	}
	on("in", true, func() tasks.EnqueueOption { return tasks.In(time.Duration(f.in)) })
	on("at", true, func() tasks.EnqueueOption { return tasks.At(at) })
	on("within", true, func() tasks.EnqueueOption { return tasks.Within(time.Duration(f.within)) })
	if len(times) > 1 {
		return nil, usagef("%s and %s exclude each other", times[0], times[1])
	}
	on("id", false, func() tasks.EnqueueOption { return tasks.WithID(f.id) })
	on("queue", false, func() tasks.EnqueueOption { return tasks.OnQueue(f.queue) })
	on("task-timeout", false, func() tasks.EnqueueOption { return tasks.WithTimeout(time.Duration(f.timeout)) })
	headers, err := pairs("header", f.headers)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		opts = append(opts, tasks.WithHeader(name, headers[name]))
	}
	return opts, nil
}

func (c *call) enqueueBody(d tasks.Definition, body []byte, opts []tasks.EnqueueOption) error {
	name := d.Spec().Name
	t, err := c.app.PrepareBody(c, d, body, opts...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, usageOf(err))
	}
	doc := enqueued{Task: name, Queue: t.Queue, ID: t.ID, ETA: due(t.ETA), DryRun: c.dryRun}
	if c.dryRun {
		doc.URL, doc.Header, doc.Body = t.URL, t.Header, rawJSON(t.Body)
	} else {
		r, err := tasks.EnqueueBody(c, d, body, opts...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		doc.Queue, doc.ID, doc.ETA, doc.Duplicate, doc.Finished = r.Queue, r.ID, due(r.ETA), r.Duplicate, r.Finished
		c.noteLocal(c.localTransport())
	}
	return c.print(doc, func() string { return doc.text(c.now()) })
}

func (e enqueued) text(now time.Time) string {
	task := e.Task
	if e.ID != "" {
		task += " " + e.ID
	}
	due := ""
	if e.ETA != nil {
		due = ", due " + when(*e.ETA, now)
	}
	switch {
	case e.DryRun:
		return oneLine(fmt.Sprintf("dry run, nothing was enqueued: %s on queue %s%s: %s", task, e.Queue, due, e.Body))
	case e.Finished:
		return oneLine(fmt.Sprintf("not enqueued: %s has run on queue %s already", task, e.Queue))
	case e.Duplicate:
		return oneLine(fmt.Sprintf("not enqueued: %s is on queue %s already", task, e.Queue))
	}
	return oneLine(fmt.Sprintf("enqueued %s on queue %s%s", task, e.Queue, due))
}

// due is a task's time, nil for at once.
func due(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// rawJSON is a body as JSON: as it is where it is that, else as a string.
func rawJSON(body []byte) json.RawMessage {
	if len(body) == 0 || json.Valid(body) {
		return body
	}
	text, _ := json.Marshal(string(body)) // a string can be marshalled
	return text
}
