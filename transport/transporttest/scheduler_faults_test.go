package transporttest_test

import (
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestCheckScheduler_BadDriver_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ fault, cases string }{ // ... means that the mistake shows in others too
		{"adds to the headers", "put/replaces ..."},
		{"believes the caller's state", "put/new"},
		{"does not clear what is not set", "put/clears ..."},
		{"loses the description", "put/creates put/replaces ..."},
		{"loses the method", "put/creates put/replaces ..."},
		{"loses the retry settings", "put/creates put/defaults retry/job-attempts ..."},
		{"loses zero bytes", "put/creates put/replaces ..."},
		{"makes up a deadline", "put/defaults overlap/deadline ..."},
		{"makes up an audience", "put/defaults ..."},
		{"puts a job once", "put/replaces put/clears run/latest ..."},
		{"tells no time for what is due", "put/new schedule/next"},
		{"forgets a job where it refuses a change", "limits/job-refused limits/schedule limits/job-size"},
		{"lowers the case of names", "limits/job-accepted ..."},
		{"refuses the longest name", "limits/job-accepted"},
		{"returns bare sentinels", "limits/job-error"},
		{"takes any job", "limits/job-refused limits/job-size declare/job-invalid"},
		{"takes any schedule", "limits/schedule limits/job-error declare/job-invalid"},
		{"takes any zone", "limits/schedule declare/job-invalid"},
		{"takes jobs over the limit", "limits/job-size"},
		{"deletes all jobs", "jobs/delete ..."},
		{"finds every job", "jobs/missing ..."},
		{"has a job from the start", "jobs/none ..."},
		{"keeps a name paused", "jobs/delete"},
		{"lists no state", "jobs/list pause/state ..."},
		{"lists twice", "jobs/list jobs/many ..."},
		{"loses the second page", "jobs/many"},
		{"fills in the caller's job", "ownership/job-changed ..."},
		{"keeps the caller's job", "ownership/job-kept declare/job-kept"},
		{"lends out its own body", "ownership/job-fired"},
		{"lends out its own job", "ownership/job-lent ownership/job-fired"},
		{"writes behind the body", "ownership/job-changed"},
		{"acts under an ended context", "context/job-cancelled context/job-expired"},
		{"ignores ended contexts", "context/job-cancelled context/job-expired"},
		{"puts under an ended context", "context/job-cancelled context/job-expired"},
		{"does not resume", "pause/state pause/again schedule/paused"},
		{"pauses once", "pause/again"},
		{"resumes what is put", "pause/put schedule/paused declare/job-again"},
		{"does not name the job", "run/headers"},
		{"does not run what is paused", "run/paused"},
		{"does not tell when it ran", "run/outcome schedule/next"},
		{"drops the job's headers", "run/headers ownership/job-fired ..."},
		{"ends runs of what is deleted", "run/deleted"},
		{"fires at once", "run/fires schedule/times ..."},
		{"resumes what is run", "run/paused"},
		{"runs twice by hand", "run/fires schedule/by-hand ..."},
		{"sends forged headers", "run/reserved run/headers ..."},
		{"sends no content type", "run/content-type"},
		{"tells of failures for ever", "run/outcome"},
		{"tells of no failure", "run/outcome"},
		{"tells the time in UTC", "run/headers schedule/zone schedule/clock-changes"},
		{"tells the time of any schedule", "run/content-type"},
		{"waits for the answer", "run/returns ..."},
		{"does not wait before retries", "retry/job-backoff retry/job-defaults ..."},
		{"doubles without end", "retry/job-backoff ..."},
		{"has defaults of its own", "retry/job-defaults"},
		{"ignores the retry duration", "retry/job-duration"},
		{"makes one attempt too many", "retry/job-none retry/job-attempts ..."},
		{"never retries", "retry/job-failure retry/job-attempts ..."},
		{"retries after success", "retry/job-failure retry/job-success declare/job-made"},
		{"retries past the schedule", "retry/job-schedule"},
		{"retries unasked", "retry/job-none"},
		{"takes 202 for a failure", "retry/job-failure"},
		{"takes a panic for success", "retry/job-panic"},
		{"takes any answer for success", "retry/job-failure ..."},
		{"tells the time of the attempt", "retry/job-unchanged retry/job-schedule"},
		{"begins anew at each put", "schedule/put ..."},
		{"fires what is paused", "schedule/paused"},
		{"fires what was deleted", "schedule/deleted ..."},
		{"forgets seconds of hours", "schedule/times schedule/day ..."},
		{"ignores time zones", "schedule/zone schedule/clock-changes ..."},
		{"is late", "schedule/times schedule/day ..."},
		{"keeps the old schedule", "schedule/rescheduled"},
		{"makes up for what was missed", "schedule/paused"},
		{"runs instead of the schedule", "schedule/by-hand"},
		{"tells the time before", "schedule/times schedule/zone ..."},
		{"has a task's deadline", "overlap/deadline"},
		{"lets attempts overstay", "overlap/deadline"},
		{"makes up for each time", "overlap/pile"},
		{"overlaps", "overlap/none overlap/pile ..."},
		{"declares over the pause", "declare/job-again declare/job-shared"},
		{"drops what was put", "declare/job-gone"},
		{"fires at each who declared", "declare/job-shared"},
		{"keeps what nobody serves", "declare/job-gone"},
		{"cannot be closed twice", "closed/jobs"},
		{"fires after the end", "closed/fires"},
		{"goes on after the end", "closed/jobs"},
		{"takes declarations after the end", "closed/declare"},
		{"takes jobs after the end", "closed/jobs"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			wantSchedulerFailures(t, c.cases, scheduling(c.fault))
		})
	}
}

func TestCheckScheduler_BadDriverOnRealClock_FailsTheCaseAboutItsMistake(t *testing.T) {
	t.Parallel()
	wantSchedulerFailures(t, "run/content-type", func(testing.TB) transporttest.SchedulerDriver {
		return transporttest.SchedulerDriver{Scheduler: newAlmanac("sends no content type"), Grace: 10 * time.Millisecond}
	})
}

func wantSchedulerFailures(t *testing.T, cases string, newDriver func(testing.TB) transporttest.SchedulerDriver) {
	t.Helper()
	compareFailures(t, cases, transporttest.CheckScheduler(t, newDriver))
}
