package transporttest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestCheck_BadDriver_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ fault, cases string }{ // ... means that the mistake shows in others too
		{"delivers twice", "enqueue/concurrent ids/race retry/success ..."},
		{"aliases the header", "enqueue/header ownership/header-kept"},
		{"loses zero bytes", "enqueue/body"},
		{"loses empty headers", "enqueue/header"},
		{"loses the query", "enqueue/target serve/longest"},
		{"counts attempts from 0", "enqueue/target retry/counters ..."},
		{"accepts anything", "enqueue/error limits/refused batch/partial"},
		{"returns bare sentinels", "enqueue/error"},
		{"refuses what it does not know", "enqueue/unknown-queue ..."},
		{"makes illegal ids", "enqueue/made-id"},
		{"drops a task now and then", "enqueue/concurrent ..."},
		{"misreports the id", "enqueue/receipt enqueue/made-id ..."},
		{"misreports the queue", "enqueue/receipt ..."},
		{"misreports the ETA", "enqueue/receipt batch/same"},
		{"forgets ids of deleted tasks", "ids/deleted"},
		{"hides duplicates in the receipt", "ids/waiting ids/running ids/finished ..."},
		{"takes a duplicate for a new task", "ids/waiting ids/running ids/race ..."},
		{"forgets ids of finished tasks", "ids/finished ids/deleted"},
		{"says that the holder of a finished task's id exists", "ids/finished ids/deleted"},
		{"turns the clock back", "times/clock"},
		{"loses the ETA", "times/eta"},
		{"accepts any time", "times/too-far batch/partial"},
		{"runs early", "times/eta batch/same"},
		{"ignores an ended context", "context/cancelled context/expired batch/cancelled"},
		{"enqueues under an ended context", "context/cancelled context/expired batch/cancelled"},
		{"accepts tasks over the limit", "limits/size batch/partial"},
		{"refuses a task of the largest size", "limits/size"},
		{"lends out its own task", "ownership/result"},
		{"aliases the task", "ownership/task-kept ..."},
		{"aliases the body", "ownership/task-kept ownership/body-kept"},
		{"aliases the retry settings", "ownership/retry-kept"},
		{"changes the caller's header", "ownership/changed"},
		{"writes behind the body", "ownership/changed"},
		{"forgets the previous response", "retry/counters ..."},
		{"restarts the first attempt's time", "retry/counters"},
		{"loses the body on a retry", "retry/unchanged retry/exhausted"},
		{"takes a panic for success", "retry/panic"},
		{"takes any error for a failure", "retry/success"},
		{"counts 5xx as executions", "retry/counters retry/panic deadline/overstayed"},
		{"retries 204", "retry/success"},
		{"takes a redirect for success", "retry/failure retry/counters"},
		{"ignores the task's retry settings", "retry/max-attempts retry/queue-settings retry/backoff ..."},
		{"makes one attempt too many", "retry/max-attempts ..."},
		{"gives up when either limit is reached", "retry/max-duration"},
		{"ignores the linear part of the backoff", "retry/backoff"},
		{"measures the backoff from the attempt's beginning", "retry/backoff deadline/overstayed"},
		{"ignores what the handler asks for", "retry/retry-after"},
		{"gives up in silence", "retry/exhausted"},
		{"gives notice of another status", "retry/exhausted"},
		{"gives notice without the body", "retry/exhausted"},
		{"gives notice twice", "retry/exhausted"},
		{"gives no deadline", "deadline/given deadline/overstayed"},
		{"lets handlers overstay", "deadline/overstayed"},
		{"ends a batch at its first error", "batch/partial batch/cancelled"},
		{"answers batches out of order", "batch/order batch/partial"},
		{"answers batches in part", "batch/partial batch/twins batch/cancelled"},
		{"loses the ETA in batches", "batch/same"},
		{"takes an unknown id for a gone one", "inspect/unknown inspect/finished delete/waiting delete/running"},
		{"gets tasks without their bodies", "inspect/get"},
		{"loses the second page", "inspect/list"},
		{"lists the first page twice", "inspect/list"},
		{"cannot be listed again", "inspect/list-break"},
		{"lists nothing", "inspect/list inspect/list-break"},
		{"calls a missing queue a missing task", "inspect/missing-queue queues/missing queues/deleted"},
		{"never counts answers", "inspect/counts"},
		{"stops deleting at the first unknown id", "delete/unknown"},
		{"deletes unknown ids", "delete/unknown"},
		{"retries a deleted task", "delete/running"},
		{"takes any settings", "queues/invalid"},
		{"leaves defaults unresolved", "queues/settings queues/replaced queues/resolved"},
		{"merges settings", "queues/settings queues/replaced queues/resolved"},
		{"never resumes", "queues/pause queues/purge"},
		{"purges nothing", "queues/purge"},
		{"runs now what is due only", "queues/run-now"},
		{"runs tasks of a paused queue", "queues/pause queues/purge"},
		{"resolves nothing", "queues/resolved"},
		{"keeps the tasks of a deleted queue", "queues/deleted"},
		{"deletes no queue", "queues/deleted"},
		{"deletes missing queues", "queues/deleted"},
		{"deletes every queue", "queues/deleted"},
		{"swallows tasks of a deleted queue", "queues/deleted-enqueue"},
		{"ignores declared queues", "rates/declared"},
		{"keeps the declared map", "rates/declared"},
		{"ignores the concurrency limit", "rates/concurrent rates/declared"},
		{"ignores the rate", "rates/per-second"},
		{"replaces a served endpoint", "serve/taken"},
		{"withdraws nothing", "serve/withdraw"},
		{"leaves running tasks out of the backlog", "serve/backlog"},
		{"prefers the shortest endpoint", "serve/longest serve/any"},
		{"matches endpoints by prefix alone", "serve/longest serve/any serve/unmatched"},
		{"fails tasks while nobody serves", "serve/nobody"},
		{"starts attempts during Shutdown", "shutdown/waits shutdown/closed shutdown/cancels"},
		{"does not wait in Shutdown", "shutdown/waits shutdown/cancels"},
		{"does not cancel in Shutdown", "shutdown/cancels"},
		{"accepts tasks after Shutdown", "shutdown/closed"},
		{"refuses tasks of running attempts", "shutdown/waits"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			wantFailures(t, c.cases, func(testing.TB) transporttest.Driver {
				return transporttest.Driver{Transport: newReference(c.fault), Bubble: true}
			})
		})
	}
}

func TestCheck_DriverThatShouldRefuseQueues_FailsTheCaseAboutThem(t *testing.T) {
	wantFailures(t, "enqueue/unknown-queue", strict("creates a missing queue"))
}

func TestCheck_BadDriverOnRealClock_FailsTheCaseAboutItsMistake(t *testing.T) {
	t.Parallel()
	wantFailures(t, "times/eta ...", func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: newReference("runs early"), Grace: 10 * time.Millisecond}
	})
}

func TestCheck_BadEagerDriver_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ fault, cases string }{
		{"runs later", "eager/before-return ..."},
		{"swallows the error", "eager/error"},
		{"tries again", "eager/error"},
		{"takes any error for a failure", "eager/done"},
		{"runs under an ended context", "context/cancelled context/expired"},
		{"passes on the caller's deadline", "deadline/given"},
	} {
		t.Run(c.fault, func(t *testing.T) { wantFailures(t, c.cases, inCaller(c.fault)) })
	}
}

// wantFailures checks the driver and compares the names of the cases that failed.
func wantFailures(t *testing.T, cases string, newDriver func(testing.TB) transporttest.Driver) {
	t.Helper()
	compareFailures(t, cases, transporttest.Check(t, newDriver))
}

func compareFailures(t *testing.T, cases string, failures []transporttest.Failure) {
	t.Helper()
	var failed []string
	for _, f := range failures {
		failed = append(failed, f.Case)
	}
	named, more := strings.CutSuffix(cases, " ...")
	want := strings.Fields(named)
	for _, name := range want {
		if !slices.Contains(failed, name) {
			t.Errorf("the driver passes %s, but is not to; it fails %q", name, failed)
		}
	}
	for _, name := range failed {
		if !more && !slices.Contains(want, name) {
			t.Errorf("the driver fails %s, which its mistake does not concern", name)
		}
	}
}
