package schedule_test

import (
	"context"
	"fmt"
	"testing"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/iterator"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

const schMany = 500

// BenchmarkSync_Unchanged is a deploy that changes nothing: 500 jobs over gRPC to the emulator. By hand: list them, and
// look each one up by name.
func BenchmarkSync_Unchanged(b *testing.B) {
	c, app := schSynced(b)
	want := map[string]string{}
	for j, err := range c.scheduler.Jobs(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		want[schLocation+"/jobs/"+j.Name] = j.Schedule
	}
	b.Run("side=hand", func(b *testing.B) {
		for b.Loop() {
			same := 0
			for it := c.client.ListJobs(b.Context(), &schedulerpb.ListJobsRequest{Parent: schLocation}); ; {
				j, err := it.Next()
				if err == iterator.Done {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				if want[j.GetName()] == j.GetSchedule() {
					same++
				}
			}
			if same != schMany {
				b.Fatalf("%d jobs are the same", same)
			}
		}
	})
	b.Run("side=typedtasks", func(b *testing.B) {
		for b.Loop() {
			plan, err := schedule.Sync(b.Context(), app)
			if err != nil || plan.Changed() {
				b.Fatal(err, plan)
			}
		}
	})
}

// BenchmarkSync_Create is the first deploy of 500 jobs. By hand: one CreateJob after the other.
func BenchmarkSync_Create(b *testing.B) {
	b.Run("side=hand", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c, jobs := newSchCloud(b), schJobs(b)
			b.StartTimer()
			for _, j := range jobs {
				if _, err := c.client.CreateJob(b.Context(), &schedulerpb.CreateJobRequest{Parent: schLocation, Job: j}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("side=typedtasks", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := newSchCloud(b)
			app := schManyApp(b, c)
			b.StartTimer()
			if _, err := schedule.Sync(b.Context(), app); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// schJobs are the jobs as Sync makes them.
func schJobs(b *testing.B) (jobs []*schedulerpb.Job) {
	b.Helper()
	c, _ := schSynced(b)
	for it := c.client.ListJobs(b.Context(), &schedulerpb.ListJobsRequest{Parent: schLocation}); ; {
		j, err := it.Next()
		if err == iterator.Done {
			return jobs
		}
		if err != nil {
			b.Fatal(err)
		}
		jobs = append(jobs, j)
	}
}

func schSynced(b *testing.B) (*schCloud, *tasks.App) {
	b.Helper()
	c := newSchCloud(b)
	app := schManyApp(b, c)
	if _, err := schedule.Sync(b.Context(), app); err != nil {
		b.Fatal(err)
	}
	return c, app
}

func schManyApp(b *testing.B, c *schCloud) *tasks.App {
	b.Helper()
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Endpoint: "https://shop.example.com/_tasks", Transport: memory.New(), Scheduler: c.scheduler, Audience: "https://shop.example.com",
	})
	if err != nil {
		b.Fatal(err)
	}
	var defs []tasks.Definition
	for i := range schMany {
		defs = append(defs, schedule.New(func(context.Context, struct{}) error { return nil },
			schedule.Cron("0 3 * * *"), schedule.Task(tasks.WithName(fmt.Sprintf("task-%d", i)))))
	}
	if err := app.Register(defs...); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	return app
}
