package emulator

import (
	"maps"
	"slices"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/engine"
)

// restore makes the state what was saved. Nothing may run yet.
func (s *server) restore(from *saved) error {
	s.queues.graves = from.graves
	s.operations.restore(from.operations)
	for _, name := range slices.Sorted(maps.Keys(from.queues)) {
		q := from.queues[name]
		s.engine.SetQueue(name, engineConfig(q.Queue))
		if q.State == cloudtaskspb.Queue_PAUSED {
			if err := s.engine.Pause(s.base, name); err != nil {
				return err
			}
		}
		s.queues.live[name] = q.queue
		if err := s.restoreTasks(name, q); err != nil {
			return err
		}
	}
	return s.tokens.restore(from.key)
}

func (s *server) restoreTasks(name string, q *savedQueue) error {
	snaps := make([]*engine.Snapshot, 0, len(q.tasks))
	for id, t := range q.tasks {
		snap, err := t.snapshot(name, id)
		if err != nil {
			return err
		}
		snaps = append(snaps, snap)
	}
	slices.SortFunc(snaps, func(a, b *engine.Snapshot) int { return a.ETA.Compare(b.ETA) })
	for _, snap := range snaps {
		if err := s.engine.Restore(snap); err != nil {
			return err
		}
	}
	ids := slices.SortedFunc(maps.Keys(q.graves), func(a, b string) int { return q.graves[a].Compare(q.graves[b]) })
	for _, id := range ids {
		if err := s.engine.Bury(name, id, q.graves[id]); err != nil {
			return err
		}
	}
	return nil
}

func (t *savedTask) snapshot(queue, id string) (*engine.Snapshot, error) {
	m := &cloudtaskspb.Task{}
	if err := proto.Unmarshal(t.message, m); err != nil {
		return nil, err
	}
	task := toEngine(m.GetHttpRequest())
	task.ID, task.Queue = id, queue
	task.ETA, task.Timeout, task.Retry = m.ScheduleTime.AsTime(), m.DispatchDeadline.AsDuration(), toRetry(m.RetryConfig)
	if !t.due.IsZero() {
		task.ETA = t.due
	}
	return &engine.Snapshot{Task: *task, Created: t.created, History: t.history}, nil
}
