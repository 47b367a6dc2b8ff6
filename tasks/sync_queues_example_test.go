package tasks_test

import (
	"context"
	"fmt"
	"log"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// A deploy makes the queues what Config.Queues says, before the program runs. Memory stands in for Cloud Tasks here: it
// has queues that somebody changed, and one of an older version.
func ExampleSyncQueues() {
	ctx := context.Background()
	queues := memory.New(memory.WithQueues(map[string]transport.QueueConfig{
		"mail":    {MaxDispatchesPerSecond: 5},
		"reports": {MaxConcurrentDispatches: 2},
		"letters": {},
	}))
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: queues, Queues: map[string]transport.QueueConfig{
		"mail":    {MaxDispatchesPerSecond: 50, Retry: transport.RetryConfig{MaxAttempts: 5}},
		"reports": {MaxConcurrentDispatches: 2},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Shutdown(ctx)

	plan, err := tasks.SyncQueues(ctx, app, tasks.DeleteQueues("letters")) // with tasks.QueuesDryRun(): nothing is changed
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan)
	// Output:
	// [~] queue mail: updated: rate: 5/s -> 50/s; attempts: 100 -> 5
	// [=] queue reports
	// [-] queue letters: deleted: nothing waits in it
	// 1 updated, 1 deleted, 1 unchanged
}
