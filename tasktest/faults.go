package tasktest

import "math/rand/v2"

// FailNext lets the next n enqueues and publishes fail with err, before anything is enqueued or published. Those of a
// handler and of a snooze count too, and each try of a retried one; with EnqueueAll and PublishAll each payload counts.
func (r *Recorder) FailNext(n int, err error) {
	r.t.Helper()
	r.fault("FailNext", n, fault{err: err})
}

// FailAfterCommit lets the next n enqueues and publishes succeed and answer err all the same, as when an answer is
// lost on its way: the task or message is there, and each of the n answers is lost, that it is a duplicate too. Faults
// set by several calls of FailNext and FailAfterCommit come one after the other, in the order of those calls.
func (r *Recorder) FailAfterCommit(n int, err error) {
	r.t.Helper()
	r.fault("FailAfterCommit", n, fault{err: err, committed: true})
}

func (r *Recorder) fault(name string, n int, f fault) {
	r.t.Helper()
	if n < 1 || f.err == nil {
		r.t.Fatalf("tasktest: %s(%d, %v): it takes a number from 1 and an error", name, n, f.err)
	}
	r.transport.fail(n, f)
}

// DeliverTwice delivers, from now on, every task and message twice for each time that it is due. The first answer
// decides.
func (r *Recorder) DeliverTwice() { r.transport.twice.Store(true) }

// Shuffle runs, from now on, what is due at the same time in an order drawn from seed: the same seed, the same
// order.
func (r *Recorder) Shuffle(seed uint64) { r.pick = rand.New(rand.NewPCG(seed, seed)).IntN }
