package tasktest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

func ExampleRecorder_Advance_periodic() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	invoice := tasks.New(func(context.Context, Order) error { return nil })
	monthly := schedule.New(func(ctx context.Context, w Welcome) error {
		m, _ := tasks.MetadataFrom(ctx)
		fmt.Println(m.SchedulerJob, "on day", m.ScheduleTime.Day())
		_, err := invoice.Enqueue(ctx, Order{ID: 7})
		return err
	}, schedule.Cron("0 3 1 * *"), schedule.Task(tasks.WithName("Monthly"))).WithPayload(Welcome{UserID: 7, Email: "ana@example.com"})

	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, invoice, monthly)
	rec.Drain() // leaves periodic work
	runs, err := monthly.NextRuns(2)
	if err != nil {
		fmt.Println(err)
	}
	rec.Advance(runs[1].Sub(rec.Now()) + time.Minute)
	fmt.Println(len(tasktest.RequireEnqueuedN(t, rec, invoice, 2)), "invoices")
	// Output:
	// shop--Monthly on day 1
	// shop--Monthly on day 1
	// 2 invoices
}
