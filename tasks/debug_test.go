package tasks_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// A task under Debug stays in its queue, so its attempt there is not its last.
func TestDebug_IsNoLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var last, ran bool
		var err error
		task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
			m, _ := tasks.MetadataFrom(ctx)
			last, err = m.LastAttempt(ctx)
			ran = true
			return nil
		})
		dlvMemory(t, tasks.Config{}, task)
		r, enqueued := task.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.In(time.Hour))
		if enqueued != nil {
			t.Fatal(enqueued)
		}
		if got := task.Debug(t.Context(), r.ID); got != nil || !ran || last || err != nil {
			t.Errorf("Debug: %v; ran %t, last attempt %t, %v; want it to run, and not as the last", got, ran, last, err)
		}
		if got := task.Run(t.Context(), dlvOrder{ID: 7}); got != nil || !last {
			t.Errorf("Run: %v; last attempt %t, want true: nobody runs it again", got, last)
		}
	})
}
