package schedule

import (
	"context"
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// put makes one job what it should be.
func (s *syncing) put(ctx context.Context, want *transport.Job) converge.Outcome {
	have := s.found[want.Name]
	want = s.authorized(want, have)
	if have == nil {
		return s.done(plan.Created, want.Name, when(want), nil, s.write(ctx, want))
	}
	if have.URL == "" {
		why := "it is no HTTP request, so another's: choose another name with schedule.Task(tasks.WithName(...)), or delete it by hand"
		o := converge.One(plan.Blocked, kind, want.Name, why)
		o.Err = fmt.Errorf("%s %q: %w: %s", kind, want.Name, ErrBlocked, why)
		return o
	}
	fields := compare(have, want)
	if len(fields) == 0 {
		return s.done(plan.Unchanged, want.Name, rests(have), nil, nil)
	}
	why := converge.Words(fields)
	if still := rests(have); still != "" {
		why += "; " + still
	}
	return s.done(plan.Updated, want.Name, why, fields, s.write(ctx, want))
}

// authorized is a job with the account whose token it is to send: the scheduler's, else the one that it has.
func (s *syncing) authorized(want, have *transport.Job) *transport.Job {
	if want.Audience == "" {
		return want
	}
	j := *want
	if j.ServiceAccount = s.account; s.account == "" && have != nil {
		j.ServiceAccount = have.ServiceAccount
	}
	return &j
}

func (s *syncing) write(ctx context.Context, want *transport.Job) error {
	if s.dryRun {
		return nil
	}
	return s.scheduler.PutJob(ctx, want)
}

// delete removes a job that is ours, and nobody's any more.
func (s *syncing) delete(ctx context.Context, name string) converge.Outcome {
	var err error
	if !s.dryRun {
		err = s.scheduler.DeleteJob(ctx, name)
	}
	if errors.Is(err, transport.ErrNotFound) { // somebody was faster
		err = nil
	}
	return s.done(plan.Deleted, name, "no periodic task declares it any more", nil, err)
}

func (s *syncing) done(verb, name, why string, fields []plan.Field, err error) converge.Outcome {
	if err != nil {
		return converge.Failed(kind, name, err)
	}
	return converge.One(verb, kind, name, why, fields...)
}

// when says in short when and where a job fires.
func when(j *transport.Job) string {
	return fmt.Sprintf("%s (%s), post to %s", j.Schedule, j.TimeZone, j.URL)
}

// rests says that a job does not fire, empty for one that does.
func rests(j *transport.Job) string {
	switch j.State {
	case transport.JobPaused:
		return "it is paused, and stays so"
	case transport.JobDisabled:
		return "it is disabled by Cloud Scheduler, and stays so"
	}
	return ""
}
