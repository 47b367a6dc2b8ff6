// Package tasktest tests code that enqueues typed tasks and publishes typed messages, and the tasks and subscribers
// themselves.
//
//	func TestSignup(t *testing.T) {
//		rec := tasktest.New(t, SendWelcome)
//		Signup(rec.Context(), "ana@example.com")
//		got := tasktest.RequireEnqueued(t, rec, SendWelcome, tasktest.OnQueue("mail"))
//		rec.Drain() // got.Args is a Welcome; now it runs, retries and ETAs included
//	}
//
// # What is real
//
// A [Recorder] is a tasks.App over the queues of the in-memory transport, so that what is enqueued is validated,
// encoded, delivered and retried by the code that runs in production. Only time stands still: nothing runs until
// [Recorder.Drain] or [Recorder.Advance] moves the clock, and then it runs in the test's own goroutine.
//
// A single delivery, with chosen metadata and a verdict to look at, is [Run]'s; the request that it comes as, for a
// test of one's own routes, is [Request]'s. An endpoint that checks tokens is tried with those of a [Signer].
//
// # Messages
//
// What is published is recorded ([RequirePublished]) and reaches the recorder's subscribers, those that pull as
// well, as their subscriptions say: filters, retries, order and dead letters. pubsub.Sync and pubsub.Receive have no
// part in it. One message delivered is [Deliver]'s, its request [PushRequest]'s.
//
// # Periodic work
//
// The schedules of the recorder's periodic tasks fire in [Recorder.Advance], each at its own times, retries included,
// and not in [Recorder.Drain]. What they fire is no enqueue, and none of the assertions counts it; failures show it, and
// [RequireNoneGivenUp] finds runs that failed for good. A periodic task that is enqueued is a task as any other. One run
// with a verdict to look at is [Run]'s, as of any task.
//
// # Delivery guarantees
//
// At least once, in no order, is what production promises. [Recorder.DeliverTwice], [Recorder.Shuffle],
// [Recorder.FailNext] and [Recorder.FailAfterCommit] make a test live with it. [Golden] keeps a change from
// stranding what waits in production, or breaking who subscribes.
//
// # Concurrency
//
// Everything works under t.Parallel over package-level tasks, publishers and subscribers, as long as work is enqueued
// and published under Recorder.Context, and inside testing/synctest bubbles. The recorder is shut down when its test
// ends.
//
// # Limits
//
// The waits of an enqueue that is retried (backoff.Policy) and the deadline of a run go by package time: a test
// of those belongs into a bubble. Drain takes 10,000 runs for a circle, and gives a message up after 100 attempts.
// A subscription that is pulled has the pauses of one that is pushed.
//
// # Failures
//
// An assertion that fails shows what was expected, how the nearest entries differ field by field, and all that
// was recorded.
package tasktest
