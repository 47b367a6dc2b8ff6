package transporttest

import (
	"context"
	"reflect"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func schedulerAbilityLaws() []schedulerLaw {
	return []schedulerLaw{
		{"abilities/scheduler-decorated", "A decorator with Unwrap shows the abilities of its scheduler.", schedulerDecorated},
	}
}

// schedulerDecorator is what middleware around a scheduler looks like.
type schedulerDecorator struct{ transport.Scheduler }

func (d schedulerDecorator) Unwrap() transport.Scheduler { return d.Scheduler }

func schedulerDecorated(t *schedulerTrial) {
	sameSchedulerAbility[transport.JobAdmin](t)
	sameSchedulerAbility[transport.JobDeclarer](t)
	sameSchedulerAbility[transport.Server](t)
	sameSchedulerAbility[transport.Sharer](t)
	sameSchedulerAbility[transport.Clock](t)
	sameSchedulerAbility[transport.PushAuthorizer](t)
}

func sameSchedulerAbility[A any](t *schedulerTrial) {
	_, bare := transport.SchedulerAs[A](t.Scheduler)
	_, wrapped := transport.SchedulerAs[A](schedulerDecorator{t.Scheduler})
	if (bare == nil) != (wrapped == nil) {
		t.errorf("%s: the scheduler answers %q, a decorator of it %q", reflect.TypeFor[A](), text(bare), text(wrapped))
	}
}

func schedulerCloseLaws() []schedulerLaw {
	return []schedulerLaw{
		{"closed/jobs", "A closed scheduler answers ErrClosed to everything; closing it again does no harm.", closedJobs},
		{"closed/declare", "A closed scheduler answers ErrClosed to DeclareJob.", closedDeclare},
		{"closed/fires", "A scheduler that fires in this process fires nothing once it is closed, retries included.", closedFires},
	}
}

// close ends the scheduler, or skips the case.
func (t *schedulerTrial) close() {
	if t.Close == nil {
		t.skipf("needs a scheduler that can be closed: there is no SchedulerDriver.Close")
	}
	t.wantError(t.Close(), nil, "Close")
}

func closedJobs(t *schedulerTrial) {
	t.put(t.job(jobName))
	t.close()
	ctx, cancel := t.context()
	defer cancel()
	calls := map[string]func(context.Context, string) error{
		"PutJob":    func(ctx context.Context, name string) error { return t.Scheduler.PutJob(ctx, t.job(name)) },
		"DeleteJob": t.Scheduler.DeleteJob,
		"Jobs": func(ctx context.Context, _ string) (last error) {
			for _, err := range t.Scheduler.Jobs(ctx) {
				last = err
			}
			return last
		},
	}
	if t.Admin != nil {
		calls["PauseJob"], calls["ResumeJob"], calls["RunJob"] = t.Admin.PauseJob, t.Admin.ResumeJob, t.Admin.RunJob
		calls["Job"] = func(ctx context.Context, name string) error { _, err := t.Admin.Job(ctx, name); return err }
	}
	for range 2 {
		for what, call := range calls {
			t.wantError(call(ctx, jobName), transport.ErrClosed, "%s after Close", what)
		}
		t.wantError(t.Close(), nil, "Close again")
	}
}

func closedDeclare(t *schedulerTrial) {
	d := schedulerAbility[transport.JobDeclarer](t)
	t.serve(jobName, done)
	t.close()
	t.wantError(d.DeclareJob(t.job(jobName)), transport.ErrClosed, "DeclareJob after Close")
}

func closedFires(t *schedulerTrial) {
	schedulerAbility[transport.Server](t) // a scheduler elsewhere goes on, and is meant to
	t.needsTime()
	box := t.failing(0)
	j := t.scheduled("0 * * * *")
	j.Retry = &transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Minute}
	t.put(j)
	box.wantUntil(65*time.Minute, time.Hour)
	t.close()
	box.wantUntil(24 * time.Hour)
}
