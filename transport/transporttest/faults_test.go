package transporttest_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestCheck_BadDriver_FailsTheCaseAboutItsMistake(t *testing.T) {
	for _, fault := range []string{
		"ends a batch at its first error",
		"answers batches out of order",
		"answers batches in part",
		"loses the ETA in batches",
		"takes an unknown id for a gone one",
		"lends out its own task",
		"gets tasks without their bodies",
		"loses the second page",
		"lists the first page twice",
		"cannot be listed again",
		"lists nothing",
		"forgets ids of deleted tasks",
		"stops deleting at the first unknown id",
		"deletes unknown ids",
		"calls a missing queue a missing task",
		"leaves defaults unresolved",
		"merges settings",
		"ignores declared queues",
		"keeps the declared map",
		"never resumes",
		"purges nothing",
		"runs now what is due only",
		"replaces a served endpoint",
		"withdraws nothing",
		"starts attempts during Shutdown",
		"does not wait in Shutdown",
		"does not cancel in Shutdown",
		"leaves running tasks out of the backlog",
		"turns the clock back",
		"runs tasks of a paused queue",
		"ignores the concurrency limit",
		"ignores the rate",
		"delivers twice",
		"aliases the task",
		"aliases the body",
		"aliases the header",
		"loses zero bytes",
		"loses empty headers",
		"loses the query",
		"loses the ETA",
		"counts attempts from 0",
		"forgets the previous response",
		"restarts the first attempt's time",
		"loses the body on a retry",
		"gives no deadline",
		"takes a panic for success",
		"takes any error for a failure",
		"lets handlers overstay",
		"never counts answers",
		"counts 5xx as executions",
		"retries a deleted task",
		"retries 204",
		"takes a redirect for success",
		"ignores the task's retry settings",
		"aliases the retry settings",
		"makes one attempt too many",
		"gives up when either limit is reached",
		"ignores the linear part of the backoff",
		"measures the backoff from the attempt's beginning",
		"ignores what the handler asks for",
		"gives up in silence",
		"gives notice of another status",
		"gives notice without the body",
		"gives notice twice",
		"changes the caller's header",
		"writes behind the body",
		"ignores an ended context",
		"enqueues under an ended context",
		"accepts tasks after Shutdown",
		"refuses tasks of running attempts",
		"creates a missing queue",
		"hides duplicates in the receipt",
		"takes a duplicate for a new task",
		"forgets ids of finished tasks",
		"says that the holder of a finished task's id exists",
		"accepts tasks over the limit",
		"accepts any time",
		"accepts anything",
		"returns bare sentinels",
		"refuses a task of the largest size",
		"makes illegal ids",
		"drops a task now and then",
		"runs early",
		"misreports the id",
		"misreports the queue",
		"misreports the ETA",
		"prefers the shortest endpoint",
		"matches endpoints by prefix alone",
		"fails tasks while nobody serves",
	} {
		t.Run(fault, func(t *testing.T) {
			var got []string
			for _, f := range transporttest.Check(t, func(testing.TB) transporttest.Driver {
				return transporttest.Driver{Transport: newReference(fault), Bubble: true}
			}) {
				got = append(got, f.Case)
			}
			t.Logf("GOT %q: %q", fault, got)
		})
	}
}
