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
// # Testing
//
// Package tasktest records what is enqueued, runs it on demand and moves the clock.
package tasks
