// Package schedule is recurring work: a [Periodic] task is a tasks.Task with a schedule, which Cloud Scheduler, or
// memory on a laptop, fires at its times.
//
// # Smallest program
//
//	var Nightly = schedule.New(report, schedule.Cron("0 3 * * 1-5"), schedule.TimeZone("America/Sao_Paulo"))
//
//	func report(ctx context.Context, r Report) error { ... }
//
//	err := app.Register(Nightly)
//	plan, err := schedule.Sync(ctx, app) // in a deploy; memory needs none
//
// # Delivery guarantees
//
// At least once at each time of the schedule, one run of a job after the other. tasks.Metadata.ScheduleTime is the
// time that a run was planned for, of five-field schedules: the key for idempotency. A run that fails is not retried
// unless [Retry] says so, and never beyond the next time of the schedule. A run that fails for good is lost, unless
// tasks.Config.Quarantine is set and [Retry] is not: then that has it.
//
// Outcomes are those of tasks: tasks.Snooze turns the run into a task, which its queue retries.
//
// # Time
//
// The wall clock of [TimeZone] rules. A time that the clock skips in spring does not run, one that repeats in autumn
// runs twice: UTC, the default, has neither.
//
// # Names
//
// The job of a task is called "<app>--<task>", of Config.Name, Config.Delimiter and the task's name, with a hyphen in
// place of what no job id may hold. So that no two Apps share a prefix, a hyphen and a hash of eight hexadecimal digits
// follow the name of an App that needs such a hyphen, or that ends like one that has a hash: "my.shop" becomes
// "my-shop-38792826--". Two tasks of an App that would share a job are refused by Register. That prefix and the App's
// endpoint are all by which [Sync] knows its own: jobs have no labels.
//
// # Concurrency
//
// A Periodic is safe for concurrent use and starts no goroutine.
//
// # Limits
//
// Those of Cloud Scheduler, found by Register: transport.Job.Check, and one run a minute at most. [Interval] has
// shorter ones for development.
//
// # Testing
//
// NextRuns and NextRunsAfter tell when a task would run. Package tasktest builds the push of Cloud Scheduler and runs periodic tasks
// as its clock moves. With transport/memory they fire in this process.
package schedule
