package main

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// deliveries is middleware for App.Use: it sees what a task's function returned, and so what becomes of it.
func (j *journal) deliveries(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		result, err := next(ctx, d)
		m, _ := tasks.MetadataFrom(ctx)
		e := event{task: m.Name, outcome: string(tasks.OutcomeOf(err)), n: 1, id: m.ID}
		e.detail = fmt.Sprintf("attempt %d", m.Attempt)
		if err != nil {
			e.detail += ", " + strings.TrimLeft(strings.TrimPrefix(err.Error(), e.outcome), ": ")
		}
		if e.outcome == failed {
			if last, err := m.LastAttempt(ctx); err == nil && !last {
				e.outcome = retried
			}
		}
		if parent := tasks.HeadersFrom(ctx).Get("Traceparent"); parent != "" {
			e.detail += ", trace " + traceOf(parent)
		}
		j.record(e)
		return result, err
	}
}

// enqueues is middleware for App.UseEnqueue. It holds the lock, so that no task is seen to run before it was
// seen to be enqueued.
func (j *journal) enqueues(next tasks.EnqueueFunc) tasks.EnqueueFunc {
	return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
		j.mu.Lock()
		defer j.mu.Unlock()
		results := next(ctx, ts)
		bulk := event{task: path.Base(ts[0].URL), outcome: enqueued, detail: "in one call"}
		for i, r := range results {
			e := event{task: path.Base(ts[i].URL), outcome: enqueued, n: 1, id: r.Receipt.ID, detail: string(ts[i].Body)}
			switch {
			case r.Err != nil:
				e.outcome, e.detail = failed, r.Err.Error()
			case r.Receipt.Duplicate:
				e.outcome = duplicate
			case len(ts) > 1:
				bulk.n++
				continue
			case !ts[i].ETA.IsZero():
				e.detail += ", due in " + time.Until(ts[i].ETA).Round(10*time.Millisecond).String()
			}
			j.add(e)
		}
		if bulk.n > 0 {
			j.add(bulk)
		}
		return results
	}
}

// rejected records a payload that never became a task.
func (j *journal) rejected(task string, err *tasks.ValidationError) {
	var broken []string
	for _, f := range err.Fields {
		broken = append(broken, f.String())
	}
	j.record(event{task: task, outcome: rejected, n: 1, detail: strings.Join(broken, ", ")})
}

// quarantine is for Config.Quarantine. A real shop would keep what it gets: tasks.QuarantineDir does.
func (j *journal) quarantine(_ context.Context, q tasks.Quarantined) error {
	j.record(event{task: q.Name, outcome: quarantined, n: 1, id: q.ID, detail: q.Reason.Error()})
	return nil
}

// traceOf is the beginning of the trace id in a traceparent: version, trace, span and flags.
func traceOf(parent string) string {
	_, trace, _ := strings.Cut(parent, "-")
	return fmt.Sprintf("%.8s", trace)
}
