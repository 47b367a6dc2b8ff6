package emulator

import (
	"context"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/emulator/internal/journal"
)

// creation is one CreateTask, alone or in a batch, on its way.
type creation struct {
	request *cloudtaskspb.CreateTaskRequest
	task    *transport.Task
	err     error // why there is no task
}

// check completes the request's task as it is to be stored.
func (c *creation) check(parent string, now time.Time) {
	c.task, c.err = checkTask(parent, c.request.Task, now)
}

// answer is the task as the request wants to see it.
func (c *creation) answer() *cloudtaskspb.Task { return viewOf(c.request.Task, c.request.ResponseView) }

// insert stores the tasks of one queue that have passed their check, names them and sets the errors of those that
// are refused. It returns once they are on disk; its error says that they may not be. then, unless nil, makes a
// record of the outcome, which is on disk if and only if the tasks are.
func (s *server) insert(ctx context.Context, parent string, now time.Time, cs []*creation, then func() record) error {
	accepted := make([]*creation, 0, len(cs))
	tasks := make([]*transport.Task, 0, len(cs))
	for _, c := range cs {
		if c.err == nil {
			accepted = append(accepted, c)
			tasks = append(tasks, c.task)
		}
	}
	if s.store == nil {
		settle(parent, accepted, s.engine.Insert(parent, tasks, now, nil))
		if then != nil {
			then()
		}
		return nil
	}
	messages := make([]string, len(accepted))
	for i, c := range accepted {
		messages[i] = marshal(c.request.Task) // here, since the queue stands still below
	}
	var group *journal.Group
	s.engine.Insert(parent, tasks, now, func(results []transport.Result) {
		settle(parent, accepted, results)
		records := make([][]byte, 0, len(accepted)+1)
		for i, c := range accepted {
			if c.err == nil {
				records = append(records, taskToRecord(parent, results[i].Receipt.ID, c.task.ID != "", now, messages[i]))
			}
		}
		if then != nil {
			if r := then(); r != nil {
				records = append(records, r)
			}
		}
		group = s.store.log.Append(true, records...)
	})
	return s.store.wait(ctx, group)
}

// settle gives creations the names, or the errors, of what came of them.
func settle(parent string, cs []*creation, results []transport.Result) {
	for i, c := range cs {
		if c.err = taskError(results[i].Err); c.err == nil {
			c.request.Task.Name = parent + "/tasks/" + results[i].Receipt.ID
		}
	}
}
