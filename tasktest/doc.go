// Package tasktest tests code that enqueues typed tasks, and the tasks themselves.
//
//	func TestSignup(t *testing.T) {
//		rec := tasktest.New(t, SendWelcome)
//		Signup(rec.Context(), "ana@example.com")
//		got := tasktest.RequireEnqueued(t, rec, SendWelcome, tasktest.OnQueue("mail"))
//		if got.Args.Email != "ana@example.com" { ... }
//		rec.Drain() // now run it, retries and ETAs included
//	}
//
// # What is real
//
// A [Recorder] is a tasks.App over the queues of the in-memory transport, so that what is enqueued is validated,
// encoded, delivered and retried by the code that runs in production. Only time stands still: nothing runs until
// [Recorder.Drain] or [Recorder.Advance] moves the clock, and then it runs in the test's own goroutine.
//
// # Concurrency
//
// Everything works under t.Parallel over package-level tasks, as long as work is enqueued under Recorder.Context,
// and inside testing/synctest bubbles. The recorder is shut down when its test ends.
//
// # Failures
//
// An assertion that fails shows what was expected, how the nearest entries differ field by field, and all that
// was recorded.
package tasktest
