package emulator_test

import (
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// "tasks" is the default queue of the library, and a part of every task's name.
func TestTaskNames_OnAQueueCalledTasks(t *testing.T) {
	const queue = location + "/queues/tasks"
	r := start(t, emulator.WithQueues(queue))
	task := r.later("one")
	task.Name = queue + "/tasks/one"
	made, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queue, Task: task})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.get(made.Name); got.Name != queue+"/tasks/one" {
		t.Errorf("got %q", got.Name)
	}
	if err := r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: made.Name}); err != nil {
		t.Error(err)
	}
}
