package service

import (
	"context"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Stock says what is counted.
type Stock struct {
	Warehouse string `json:"warehouse" validate:"required"`
}

// Stocktaking counts what is in the warehouse, on working nights. Cloud Scheduler fires it once "cloudrun tasks sync
// schedules" has told it to.
var Stocktaking = schedule.New(stocktaking, schedule.Cron("0 3 * * MON-FRI"), schedule.TimeZone("Europe/Berlin"),
	schedule.Description("Counts the goods"),
	schedule.Retry(transport.RetryConfig{MaxAttempts: 3}),
	schedule.Task(tasks.WithName("Stocktaking")),
).WithPayload(Stock{Warehouse: "Hamburg"})

func stocktaking(ctx context.Context, s Stock) error {
	return nil // a real shop counts here, once for each Metadata.ScheduleTime
}
