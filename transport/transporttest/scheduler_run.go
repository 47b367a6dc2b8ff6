package transporttest

import (
	"slices"
	"testing"
)

// RunScheduler runs every case about schedulers as a subtest of t, each on a SchedulerDriver of its own. newDriver is
// called once more before them, outside any bubble, to read the SchedulerDriver's fields; nothing is put on that one.
func RunScheduler(t *testing.T, newDriver func(testing.TB) SchedulerDriver) {
	t.Helper()
	eachSchedulerLaw(t, newDriver, func(tb testing.TB, f Failure) {
		tb.Helper()
		tb.Error(f)
	})
}

// CheckScheduler runs the same cases but returns the failures, in the order of the cases, instead of failing t. It is
// for testing that a bad driver is found out.
func CheckScheduler(t *testing.T, newDriver func(testing.TB) SchedulerDriver) []Failure {
	t.Helper()
	var failures []Failure
	eachSchedulerLaw(t, newDriver, func(_ testing.TB, f Failure) { failures = append(failures, f) })
	return failures
}

type schedulerLaw = lawOf[*schedulerTrial]

// schedulerLaws lists every case in the order in which they run, the simplest first.
func schedulerLaws() []schedulerLaw {
	return slices.Concat(
		putJobLaws(),
		jobCreateLaws(),
		jobLimitLaws(),
		jobListLaws(),
		jobOwnershipLaws(),
		jobContextLaws(),
		jobAdminLaws(),
		runJobLaws(),
		jobRetryLaws(),
		scheduleLaws(),
		overlapLaws(),
		jobDeclareLaws(),
		schedulerAbilityLaws(),
		schedulerCloseLaws(),
	)
}

func eachSchedulerLaw(t *testing.T, newDriver func(testing.TB) SchedulerDriver, report func(testing.TB, Failure)) {
	t.Helper()
	first := newDriver(t)
	if first.Scheduler == nil {
		report(t, Failure{
			Case: "driver", Law: "A SchedulerDriver names a Scheduler.",
			Source: "scheduler_driver.go", Seen: []string{"SchedulerDriver.Scheduler is nil"},
		})
		return
	}
	first = first.withDefaults()
	if first.Close != nil {
		defer func() { _ = first.Close() }()
	}
	runLaws(t, schedulerLaws(), first.Bubble, report, func(tb testing.TB, l schedulerLaw) *schedulerTrial {
		tb.Helper()
		return newSchedulerTrial(tb, l, newDriver(tb).withDefaults())
	})
}
