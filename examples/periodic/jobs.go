package main

import (
	"context"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Report is sent each working night.
type Report struct {
	Kind string `json:"kind" validate:"oneof=sales stock"`
}

// Bill closes a month.
type Bill struct {
	Currency string `json:"currency" validate:"len=3"`
}

// Beat has no fields: nothing has to be said.
type Beat struct{}

// The periodic tasks. Their second argument says when they fire: five fields of cron, or Cloud Scheduler's English.

func nightly(log *journal, when schedule.When) *schedule.Periodic[Report] {
	return schedule.New(func(ctx context.Context, r Report) error {
		return log.ran(ctx, "the %s report", r.Kind)
	}, when, schedule.TimeZone("America/Sao_Paulo"),
		schedule.Description("What was sold on the day before"),
		schedule.Retry(transport.RetryConfig{MaxAttempts: 4}), // retried three times, after 5 s, 10 s and 20 s
		schedule.Task(tasks.WithName("Nightly"), tasks.WithTimeout(10*time.Minute)),
	).WithPayload(Report{Kind: "sales"})
}

func monthly(log *journal) *schedule.Periodic[Bill] {
	return schedule.New(func(ctx context.Context, b Bill) error {
		return log.ran(ctx, "bills in %s", b.Currency)
	}, schedule.Every("1st friday of month 09:00"), schedule.TimeZone("Europe/Berlin"),
		schedule.Task(tasks.WithName("Monthly")),
	).WithPayload(Bill{Currency: "EUR"})
}

// atThree is when the report is due, until the next release.
func atThree() schedule.When { return schedule.Cron("0 3 * * MON-FRI") }

// heartbeat fires each second, which is for development: Cloud Scheduler's finest schedule is a minute.
func heartbeat(log *journal) *schedule.Periodic[Beat] {
	return schedule.New(func(ctx context.Context, _ Beat) error {
		return log.ran(ctx, "a heartbeat")
	}, schedule.Interval(time.Second), schedule.Task(tasks.WithName("Heartbeat")))
}
