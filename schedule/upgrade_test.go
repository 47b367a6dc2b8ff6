package schedule_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// A job keeps the payload of the version that has synced it until the next one does.
func TestTask_UpgradeFrom_TakesThePayloadOfAJobThatAnOlderVersionHasSynced(t *testing.T) {
	type customers struct {
		All []string `json:"all" validate:"required"`
	}
	synctest.Test(t, func(t *testing.T) {
		var log schLog
		named := schedule.Task(tasks.WithName("bill"))
		fromBill := tasks.UpgradeFrom(func(_ context.Context, old schBill) (customers, error) { return customers{[]string{old.Customer}}, nil })
		mem := memory.New()
		var kept []tasks.Quarantined
		app := schApp(t, tasks.Config{Endpoint: "-", Transport: mem, Quarantine: func(_ context.Context, q tasks.Quarantined) error { kept = append(kept, q); return nil }})
		p := schedule.New(func(_ context.Context, c customers) error { log.add("%s", c.All); return nil }, schedule.Cron("@hourly"), named, schedule.Task(fromBill)).
			WithPayload(customers{[]string{"ana", "bo"}})
		schRegister(t, app, p)
		before := schedule.New(schNothing[schBill], schedule.Cron("@hourly"), named).WithPayload(schBill{"cy"})
		for body, want := range map[string]string{
			string(schDescribe(t, app, p).Body): "[ana bo]",
			string(schBody(t, before)):          "[cy]",
			`{"customers": ["cy"]}`:             "",
		} {
			job := schDescribe(t, app, p)
			job.Body = []byte(body)
			if err := mem.PutJob(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := log.take(); got != want || (want == "") != (len(kept) == 1) {
				t.Errorf("%s: ran with %q, kept %+v, want %q", body, got, kept, want)
			}
			kept = nil
		}
		if _, err := p.Enqueue(t.Context(), customers{}); err == nil {
			t.Error("enqueued what is not valid")
		}
	})
}

// schBody is the payload of a job, as an App of its own would put it.
func schBody(t *testing.T, d tasks.Definition) []byte {
	t.Helper()
	app := schApp(t, tasks.Config{})
	schRegister(t, app, d)
	return schDescribe(t, app, d).Body
}
