// Package manage is the command line of an App: what it declares, one command that makes the cloud match the code, and
// commands to enqueue, run, debug and delete its tasks. It hangs under the program's own root command:
//
//	root := &cobra.Command{Use: "shop"}
//	root.AddCommand(manage.Command(app))
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	if err := root.ExecuteContext(ctx); err != nil { // cobra has printed it
//		os.Exit(manage.ExitCode(err))
//	}
//
// # Commands
//
//	tasks list [NAME...] [--kind KIND]             what the code declares; asks nobody
//	tasks sync [--dry-run] [--exit-code] [--allow-replace]      queues, then subscriptions, then schedules
//	tasks sync queues [--delete NAME]...
//	tasks sync subscriptions [--allow-replace]
//	tasks sync schedules
//	tasks enqueue NAME [--data JSON] [--in D | --at T | --within D] [--id ID] [--queue NAME]
//	                   [--header K=V]... [--task-timeout D]
//	tasks publish NAME [--data JSON] [--attribute K=V]... [--key KEY]
//	tasks run NAME [--data JSON]                   here, in this process
//	tasks debug NAME ID                            a task that waits, here; it stays in its queue
//	tasks delete NAME [ID] [--min-retries N] [--queue NAME]     also called discard
//	tasks queues pause|resume|purge NAME... [--undeclared]
//	tasks schedules run|pause|resume NAME...       by task or job
//
// A payload is checked before anything leaves, unknown fields included: it is typed by hand. It is JSON, a file's
// (--data @file) or standard input's (--data -). Without one, a periodic task gets the payload of its schedule.
// Durations are seconds or Go's: 90, 0.5, 1m30s.
//
// # What destroys
//
// A sync that would delete or replace something, delete and queues purge ask first, on a terminal. Where there is none
// they refuse, unless --yes is given. A sync plans before it asks, and destroys nothing that this plan did not tell of: what
// came since is blocked, for the next sync. delete counts before it asks; it deletes all that wait when it runs, and so
// does purge.
//
// --dry-run changes nothing; commands that have no dry run refuse it. --timeout bounds the whole command, which
// otherwise takes as long as its context lasts. Signals are the program's: cancel the context that the root is executed
// with, and the command stops where that is safe.
//
// # Exit codes
//
// [ExitCode] tells them:
//
//	0  done; for run and debug: the task was executed, or discarded
//	1  something could not be done, or not all of it; for run and debug: any other outcome
//	2  the command line, or a payload, is not valid, or there is nothing to sync; nothing was done
//	3  not confirmed; nothing was done
//	4  with --dry-run --exit-code: the sync would change something
//
// # Output
//
// Standard output has results, standard error all else: questions, progress, notes, errors. Nothing that comes from
// elsewhere is printed raw: what could move the cursor is escaped. Colours are for terminals, unless NO_COLOR is set.
// With --output json a command prints one document, even if it then fails for a part; durations are strings such as
// "1m30s", times RFC 3339, and fields without a value are left out but where a list is said to be there:
//
//	list       {"app", "tasks": [{"name", "queue", "timeout", "aliases", "payload", "path"}],
//	           "publishers": [{"name", "topic", "payload"}],
//	           "subscribers": [{"name", "topic", "subscription", "delivery": "push" or "pull", "endpoint", "filter", "payload"}],
//	           "schedules": [{"name", "job", "schedule", "time_zone", "next_run", "description", "queue", "timeout", "aliases", "payload", "path"}],
//	           "queues": [{"name", "declared", "settings": {"max_dispatches_per_second" (or "unlimited_rate"), "max_burst",
//	           "max_concurrent_dispatches", "max_attempts" (-1: unlimited), "max_retry_duration", "min_backoff", "max_backoff",
//	           "max_doublings" (0: none)}, "used_by"}]}; all lists of sections are there; "next_run" of a schedule like
//	           "every 2 hours" is what it would be if the job were made now
//	sync       {"changes": [{"verb", "kind", "name", "fields": [{"name", "from", "to"}], "why"}], "errors": [texts], "dry_run",
//	           "confirmed"} (see package plan); "errors" is always there, and empty when all went well; "confirmed" is
//	           there, and false, where the changes were planned and not confirmed: none was made
//	enqueue    {"task", "queue", "id", "eta", "duplicate", "finished", "dry_run"}; a dry run adds "url", "header", "body"
//	publish    {"publisher", "topic", "id", "dry_run"}
//	run        {"task", "outcome": "executed" or "discarded", "why" it was discarded, "result", "dry_run"}
//	debug      {"task", "id"}
//	delete     {"task", "id", "queue", "deleted", "dry_run"}
//	queues, schedules   {"actions": [{"verb", "kind", "name", "why"}], "dry_run"}; verbs: "paused", "resumed", "purged",
//	           "started", "failed"
//
// # Concurrency
//
// A command is executed once at a time, as cobra has it.
package manage
