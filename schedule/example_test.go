package schedule_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Report is a payload: what to report on.
type Report struct {
	Region string `json:"region" validate:"max=20"`
}

// Bill is a payload that is not valid without a customer.
type Bill struct {
	Customer string `json:"customer" validate:"required"`
}

// Over memory the task fires by itself, at 3 in the morning. Here its job is run by hand, as in Cloud Scheduler's
// console.
func ExampleNew() {
	done := make(chan bool)
	nightly := schedule.New(func(ctx context.Context, r Report) error {
		defer close(done)
		meta, _ := tasks.MetadataFrom(ctx)
		fmt.Println("the report by", meta.SchedulerJob)
		return nil
	}, schedule.Cron("0 3 * * 1-5"), schedule.TimeZone("America/Sao_Paulo"))

	mem := memory.New()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: mem})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Register(nightly); err != nil {
		log.Fatal(err)
	}
	if err := mem.RunJob(context.Background(), "shop--Report"); err != nil {
		log.Fatal(err)
	}
	<-done
	fmt.Println(app.Shutdown(context.Background()))
	// Output:
	// the report by shop--Report
	// <nil>
}

// The payload is typed, and Register validates it. Without one it would be a Bill of zero value, which is not valid.
func ExamplePeriodic_WithPayload() {
	bill := func(ctx context.Context, b Bill) error { return nil }
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = app.Shutdown(context.Background()) }()

	fmt.Println(app.Register(schedule.New(bill, schedule.Cron("@monthly"))))

	monthly := schedule.New(bill, schedule.Every("1st friday of month 09:00")).WithPayload(Bill{Customer: "ana"})
	fmt.Println(app.Register(monthly))
	job, err := schedule.Describe(app.Config(), monthly)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Name, "is sent", string(job.Body))
	// Output:
	// tasks: register: periodic "Bill": its payload would be a schedule_test.Bill of zero value, which is not valid: give it one with WithPayload: payload is not valid: customer fails rule required
	// <nil>
	// shop--Bill is sent {"customer":"ana"}
}

// The times are in the zone of the schedule.
func ExamplePeriodic_NextRuns() {
	nightly := schedule.New(func(context.Context, Report) error { return nil },
		schedule.Cron("30 2 * * 1-5"), schedule.TimeZone("America/Sao_Paulo"))
	runs, err := nightly.NextRuns(20)
	if err != nil {
		log.Fatal(err)
	}
	weekend := false
	for _, at := range runs {
		weekend = weekend || at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
	}
	fmt.Println(len(runs), "runs, each at", runs[0].Format(time.TimeOnly), "in", runs[0].Location())
	fmt.Println("on a weekend:", weekend)
	// Output:
	// 20 runs, each at 02:30:00 in America/Sao_Paulo
	// on a weekend: false
}

// A deploy runs Sync. Over memory, which Register tells what to fire, it has little to do.
func ExampleSync() {
	ctx := context.Background()
	nothing := func(context.Context, Report) error { return nil }
	nightly := schedule.New(nothing, schedule.Cron("0 3 * * *"), schedule.Task(tasks.WithName("nightly")))
	weekly := schedule.New(nothing, schedule.Cron("@weekly"), schedule.Task(tasks.WithName("weekly")), schedule.Description("the week"))
	mem := memory.New()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Endpoint: "https://shop.example.com/_tasks", Transport: mem})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = app.Shutdown(ctx) }()
	if err := app.Register(nightly, weekly); err != nil {
		log.Fatal(err)
	}
	for _, job := range []*transport.Job{ // of an earlier version, and of another App
		{Name: "shop--hourly", Schedule: "0 * * * *", URL: "https://shop.example.com/_tasks/tasks/hourly"},
		{Name: "shop-admin--hourly", Schedule: "0 * * * *", URL: "https://admin.example.com/_tasks/tasks/hourly"},
	} {
		if err := mem.PutJob(ctx, job); err != nil {
			log.Fatal(err)
		}
	}
	job, err := mem.Job(ctx, "shop--weekly")
	if err != nil {
		log.Fatal(err)
	}
	job.Schedule, job.Description = "0 12 * * 0", "by hand" // somebody was at it
	if err := mem.PutJob(ctx, job); err != nil {
		log.Fatal(err)
	}
	plan, err := schedule.Sync(ctx, app)
	fmt.Println(plan, err)
	// Output:
	// [=] schedule shop--nightly
	// [~] schedule shop--weekly: updated: schedule: 0 12 * * 0 -> 0 0 * * 0; description: by hand -> the week
	// [-] schedule shop--hourly: deleted: no periodic task declares it any more
	// 1 updated, 1 deleted, 1 unchanged <nil>
}
