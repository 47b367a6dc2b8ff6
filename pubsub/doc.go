// Package pubsub is typed events over Pub/Sub: a [Publisher] sends messages whose data is an M, a [Subscriber]
// receives them as Message[M]. Both are registered with a tasks.App, as tasks are.
//
// # Smallest program
//
//	var OrderPaid = pubsub.NewPublisher[Order](pubsub.Topic("orders"))
//	var Audit = pubsub.NewSubscriber(audit, pubsub.Topic("orders"), pubsub.Subscription("audit"))
//
//	func audit(ctx context.Context, m pubsub.Message[Order]) error { ... }
//
//	err := app.Register(OrderPaid, Audit)
//	id, err := OrderPaid.Publish(ctx, Order{...})
//
// # Delivery guarantees
//
// At least once, to every subscription of the topic that exists when the message is published. A subscriber that
// returns an error, or takes longer than the ack deadline, gets the message again, after a pause that [Backoff]
// bounds; one that failed [MaxDeliveryAttempts] times goes to the topic of [DeadLetter]. What does not decode or
// validate is never acknowledged, unless tasks.Config.Quarantine has taken it.
//
// Outcomes are those of tasks: tasks.Discard acknowledges, tasks.RetryAfter is a nack, tasks.Snooze turns the message
// into a task that runs later. Tasks keep no order: what is snoozed is overtaken, even by what has its ordering key.
//
// # Changing a payload
//
// What package tasks says of it holds for the data of messages: those of an older version wait in the subscription, and
// while a deploy rolls either version gets what the other publishes. [UpgradeFrom] is the twin of tasks.UpgradeFrom.
//
// # Names
//
// A name that is given is used as it is. One that is not is derived: the type of M, or the definition's name, in
// kebab-case behind "<app>--". [Sync] makes the topics and subscriptions of an App exist as the code says; memory
// needs no Sync.
//
// # Concurrency
//
// Publishers and subscribers are safe for concurrent use and start no goroutine; [Receive] owns those that pull.
//
// # Limits
//
// 10 MB for a message, and those of transport.Message.Check. An error of Publish matches tasks.ErrTooLarge or
// tasks.ErrInvalid then, and nothing was sent.
//
// # Testing
//
// Package tasktest records what is published and delivers messages. With transport/memory everything runs in
// this process, retries, filters, ordering and dead letters included.
package pubsub
