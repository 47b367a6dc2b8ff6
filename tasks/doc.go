// Package tasks runs typed functions later: a payload of type T is validated, enqueued, delivered, validated
// again and handed to a func(context.Context, T) error. What carries it is a [transport.Transport]: memory in
// this process, Cloud Tasks in production, with the same code in between.
//
//	var SendWelcome = tasks.New(sendWelcome)
//
//	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
//	err = app.Register(SendWelcome)
//	_, err = SendWelcome.Enqueue(ctx, Welcome{UserID: 7}, tasks.In(time.Hour))
//
// # Delivery guarantees
//
// At least once, in no order: functions must be idempotent. What fn returns decides: nil is done, [Discard]
// done without retry, [Snooze] again later, [RetryAfter] a brake on the queue, any other error or a panic a
// retry as the queue says. A payload that does not decode or validate never reaches fn; [Config].Quarantine
// keeps it from looping or being lost.
//
// # Concurrency
//
// Everything is safe for concurrent use. Definitions are usually package variables; which [App] their work
// belongs to is decided by the context (App.Context), or by the one live App that they are registered with.
//
// # Limits
//
// A task is at most about 1 MiB with its headers, due at most 720 h ahead, and one attempt takes at most 30
// minutes: see the constants of package transport.
//
// # Who may deliver
//
// The endpoint runs what it is sent. [Config].Authenticator decides who may send: oidc.New of package transport/oidc, or
// [TrustNetwork] where something in front of the service decides. [App.ServeHTTP] tells what else is refused.
//
// # Changing a payload
//
// What waits was enqueued by an older version, and while a deploy rolls the older version gets what the newer one has
// enqueued. With [JSONCodec] as it comes, and bodies of both:
//   - A field added: old bodies lack it. If it is not required it is zero; if it is, they are rejected, unless the type's
//     UnmarshalJSON sets a default, or [UpgradeFrom] makes a payload of them.
//   - A field removed: it is ignored. The older version rejects what the newer enqueues if it requires the field: stop
//     requiring it one deploy before.
//   - A field renamed: one removed and one added. A field that is not required loses its value without a word. Take
//     both names in UnmarshalJSON, see the example; or make the new one required, and use [UpgradeFrom].
//   - A field of another type: [UpgradeFrom], since old bodies do not decode.
//   - A field of another meaning, cents that become euros: nobody can tell old bodies from new ones. Give the field a new
//     name, which is required, and use [UpgradeFrom]; or make a new task beside the old one.
//   - A task renamed, or the type that it is named after: [WithAliases] keeps the old name served. Package tasktest has
//     Golden, whose test fails when a name or a payload's shape changes.
//
// An [UpgradeFrom] can go once the log's lines have no upgraded_from any more, and nothing older waits. What is rejected
// is retried until its queue gives up, or handed to [Config].Quarantine, from where it can be enqueued again. [Task.Debug]
// tries a task that waits.
//
// # Logging
//
// [Config].Logger gets one line for each outcome of a delivery, "task executed" or "message failed", say:
//   - Debug: what ran in its caller ([Task.Run], eager); without a Logger of its own, in [slog.Default], executed and
//     enqueued, unless the payload was an older one
//   - Info: executed, enqueued (a message that became a task), snoozed, discarded
//   - Warn: failed, retry_later, rejected; who was refused, and bodies that were not read
//   - Error: quarantined, or not quarantined because that failed; a panic, with its stack; a task out of attempts
//
// Its attributes: task, id, queue and attempt, or of a message: subscriber, id, attempt and subscription; outcome;
// duration; job, of a scheduler; upgraded_from, the type of an older payload; error; quarantine_error and last_attempt_error, of what went wrong beside; trace_id,
// or Cloud Logging's fields with [Config].CloudLoggingProject; payload with [Config].LogPayloads; stack. Enqueued tasks
// ("task enqueued": task, id, queue, due, duplicate) and published messages ("message published": topic, id) are told at
// level Debug. A push that is refused, names no definition, or whose body is not read, is told of with path, and what its
// headers say of id, queue, attempt and trace; anyone can send those. Text that came from outside is escaped where it does not print. A level that is off costs nothing.
//
// # Testing
//
// Package tasktest records what is enqueued, runs it on demand and moves the clock.
package tasks
