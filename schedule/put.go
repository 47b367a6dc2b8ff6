package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// put makes one job what it should be.
func (s *syncing) put(ctx context.Context, want *transport.Job) converge.Outcome {
	have := s.found[want.Name]
	want = s.authorized(want, have)
	if have == nil {
		return s.done(plan.Created, want.Name, when(want), nil, s.write(ctx, want, s.create))
	}
	if have.URL == "" {
		why := "it is no HTTP request, so another's: choose another name with schedule.Task(tasks.WithName(...)), or delete it by hand"
		o := converge.One(plan.Blocked, kind, want.Name, why)
		o.Err = fmt.Errorf("%s %q: %w: %s", kind, want.Name, ErrBlocked, why)
		return o
	}
	fields := compare(have, want, s.isSibling(have.URL, want.URL))
	if len(fields) == 0 {
		return s.done(plan.Unchanged, want.Name, rests(have), nil, nil)
	}
	why := converge.Words(fields)
	if still := rests(have); still != "" {
		why += "; " + still
	}
	return s.done(plan.Updated, want.Name, why, fields, s.write(ctx, want, s.scheduler.PutJob))
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

// write does it, unless nobody asked for that, or it could only fail.
func (s *syncing) write(ctx context.Context, want *transport.Job, do func(context.Context, *transport.Job) error) error {
	switch {
	case s.noAccount && want.Audience != "" && want.ServiceAccount == "":
		return fmt.Errorf("%w: a token for Audience %q needs a service account, and the scheduler knows none: give it one (cloudscheduler.WithServiceAccount, CLOUD_TASKS_SERVICE_ACCOUNT), or give up the token with schedule.NoOIDC",
			tasks.ErrInvalid, want.Audience)
	case s.dryRun:
		return nil
	}
	return do(ctx, want)
}

// create makes a job that was not listed, in one write where the scheduler can.
func (s *syncing) create(ctx context.Context, want *transport.Job) error {
	if s.creator == nil {
		return s.scheduler.PutJob(ctx, want)
	}
	err := s.creator.CreateJob(ctx, want)
	if errors.Is(err, transport.ErrExists) || errors.Is(err, transport.ErrUnsupported) { // somebody was faster, or it cannot after all
		err = s.scheduler.PutJob(ctx, want)
	}
	return err
}

// isSibling reports whether a job is posted to another App of this name in this process: the same path under another
// endpoint. Whichever of them is there gets it.
func (s *syncing) isSibling(have, want string) bool {
	rest, ok := strings.CutPrefix(want, s.cfg.Endpoint)
	return ok && s.local && have != want && strings.HasSuffix(have, rest)
}

// delete removes a job that is ours, and nobody's any more.
func (s *syncing) delete(ctx context.Context, name string) converge.Outcome {
	if !converge.MayDestroy(ctx, kind, name) {
		return converge.Unconfirmed(kind, name, ErrBlocked)
	}
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
