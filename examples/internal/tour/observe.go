package tour

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Deliveries is middleware for App.Use: it sees what a task's function returned, and so what becomes of it.
func (j *Journal) Deliveries(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		result, err := next(ctx, d)
		m, _ := tasks.MetadataFrom(ctx)
		e := Event{Task: m.Name, Outcome: string(tasks.OutcomeOf(err)), N: 1, ID: m.ID}
		e.Detail = fmt.Sprintf("attempt %d", m.Attempt)
		if err != nil {
			e.Detail += ", " + strings.TrimLeft(strings.TrimPrefix(err.Error(), e.Outcome), ": ")
		}
		if e.Outcome == Failed {
			if last, err := m.LastAttempt(ctx); err == nil && !last {
				e.Outcome = Retried
			}
		}
		if parent := tasks.HeadersFrom(ctx).Get("Traceparent"); parent != "" {
			e.Detail += ", trace " + traceOf(parent)
		}
		j.record(e)
		return result, err
	}
}

// Enqueues is middleware for App.UseEnqueue. It holds the lock, so that no task is seen to run before it was
// seen to be enqueued.
func (j *Journal) Enqueues(next tasks.EnqueueFunc) tasks.EnqueueFunc {
	return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
		j.mu.Lock()
		defer j.mu.Unlock()
		results := next(ctx, ts)
		bulk := Event{Task: path.Base(ts[0].URL), Outcome: Enqueued, Detail: "in one call"}
		for i, r := range results {
			e := Event{Task: path.Base(ts[i].URL), Outcome: Enqueued, N: 1, ID: r.Receipt.ID, Detail: string(ts[i].Body)}
			switch {
			case r.Err != nil:
				e.Outcome, e.Detail = Failed, r.Err.Error()
			case r.Receipt.Duplicate:
				e.Outcome = Duplicate
			case len(ts) > 1:
				bulk.N++
				continue
			case !ts[i].ETA.IsZero():
				e.Detail += ", due in " + time.Until(ts[i].ETA).Round(10*time.Millisecond).String()
			}
			j.add(e)
		}
		if bulk.N > 0 {
			j.add(bulk)
		}
		return results
	}
}

// Refused records a payload that never became a task because it breaks its rules. Other failures are seen by
// Enqueues.
func (j *Journal) Refused(_ context.Context, task string, err error) {
	invalid, ok := errors.AsType[*tasks.ValidationError](err)
	if !ok {
		return
	}
	var broken []string
	for _, f := range invalid.Fields {
		broken = append(broken, f.String())
	}
	j.record(Event{Task: task, Outcome: Rejected, N: 1, Detail: strings.Join(broken, ", ")})
}

// Quarantine is for Config.Quarantine. A real shop would keep what it gets: tasks.QuarantineDir does.
func (j *Journal) Quarantine(_ context.Context, q tasks.Quarantined) error {
	j.record(Event{Task: q.Name, Outcome: Quarantined, N: 1, ID: q.ID, Detail: q.Reason.Error()})
	return nil
}

// traceOf is the beginning of the trace id in a traceparent: version, trace, span and flags.
func traceOf(parent string) string {
	_, trace, _ := strings.Cut(parent, "-")
	return fmt.Sprintf("%.8s", trace)
}
