package transporttest

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/typedtasks/typedtasks/transport"
)

func jobCreateLaws() []schedulerLaw {
	return []schedulerLaw{
		{"create/job-made", "CreateJob makes a job as PutJob does, with all its settings, and it is the scheduler's own copy.", jobCreateMade},
		{"create/job-exists", "CreateJob of a job that exists answers ErrExists and changes nothing; after DeleteJob it is free to be created.", jobCreateExists},
		{"create/job-declared", "CreateJob of a job that was declared answers ErrExists.", jobCreateDeclared},
		{"create/job-schedule", "CreateJob with a schedule or a time zone that is none answers ErrInvalid, and makes no job.", jobCreateSchedule},
		{"create/job-invalid", "CreateJob of what Job.Check refuses answers as PutJob does, and makes no job.", jobCreateInvalid},
		{"create/job-race", "Of several that create one job at the same time one succeeds, and the others get ErrExists.", jobCreateRace},
		{"create/job-context", "CreateJob does nothing under a context that has ended.", jobCreateContext},
		{"create/job-closed", "A closed scheduler answers ErrClosed to CreateJob.", jobCreateClosed},
	}
}

// creator finds the ability, or skips the case.
func (t *schedulerTrial) creator() transport.JobCreator {
	return schedulerAbility[transport.JobCreator](t)
}

// create returns whatever comes.
func (t *schedulerTrial) create(j *transport.Job) error {
	ctx, cancel := t.context()
	defer cancel()
	return t.creator().CreateJob(ctx, j)
}

func jobCreateMade(t *schedulerTrial) {
	given, was := t.fullJob(jobName), t.fullJob(jobName)
	if err := t.create(given); err != nil {
		t.fatalf("CreateJob: %v", err)
	}
	if !reflect.DeepEqual(given, was) {
		t.errorf("the caller's job was %+v and is %+v", was, given)
	}
	spoil(given)
	t.wantJob(t.fullJob(jobName))
	if s := t.see(jobName).State; s != transport.JobEnabled {
		t.errorf("a new job is %s", s)
	}
}

func jobCreateExists(t *schedulerTrial) {
	t.creator()
	t.put(t.fullJob(jobName))
	err := t.create(t.job(jobName))
	t.wantError(err, transport.ErrExists, "CreateJob of one that exists")
	if _, ok := errors.AsType[*transport.Error](err); !ok {
		t.errorf("CreateJob answers %q, want a *transport.Error", text(err))
	}
	t.wantJob(t.fullJob(jobName))
	t.deleteJob(jobName)
	if err := t.create(t.job(jobName)); err != nil {
		t.errorf("CreateJob after DeleteJob: %v", err)
		return
	}
	t.wantJob(t.job(jobName))
}

func jobCreateDeclared(t *schedulerTrial) {
	t.creator()
	schedulerAbility[transport.JobDeclarer](t)
	t.serve(jobName, done)
	t.declare(t.fullJob(jobName))
	t.wantError(t.create(t.job(jobName)), transport.ErrExists, "CreateJob of one that was declared")
	t.wantJob(t.fullJob(jobName))
}

func jobCreateSchedule(t *schedulerTrial) {
	t.creator()
	for what, change := range map[string]func(*transport.Job){
		"a schedule that is none":  func(j *transport.Job) { j.Schedule = "whenever" },
		"a time zone that is none": func(j *transport.Job) { j.TimeZone = "Mars/Olympus" },
	} {
		t.createRefuses(what, transport.ErrInvalid, change)
	}
}

func jobCreateInvalid(t *schedulerTrial) {
	t.creator()
	t.needsChecks()
	for what, change := range map[string]func(*transport.Job){
		"a name that is none": func(j *transport.Job) { j.Name = "no.name" },
		"a URL that is none":  func(j *transport.Job) { j.URL = "nowhere" },
		"too many retries":    func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: 7} },
	} {
		t.createRefuses(what, transport.ErrInvalid, change)
	}
	t.createRefuses("a body over the limit", transport.ErrTooLarge, func(j *transport.Job) { j.Body = make([]byte, transport.MaxJobSize) })
}

// createRefuses records unless the change makes a job that is not created.
func (t *schedulerTrial) createRefuses(what string, want error, change func(*transport.Job)) {
	j := t.job(jobName)
	change(j)
	t.wantError(t.create(j), want, "CreateJob with %s", what)
	if n := len(t.list(-1)); n != 0 {
		t.errorf("there is a job with %s", what)
	}
}

func jobCreateRace(t *schedulerTrial) {
	t.creator()
	var made atomic.Int32
	t.atOnce(8, func(i int) {
		j := t.job(jobName)
		j.Description = fmt.Sprintf("creator %d", i)
		err := t.create(j)
		if err == nil {
			made.Add(1)
		} else if !errors.Is(err, transport.ErrExists) {
			t.errorf("CreateJob at the same time: %v", err)
		}
	})
	if n, jobs := made.Load(), len(t.list(-1)); n != 1 || jobs != 1 {
		t.errorf("%d succeeded and there are %d jobs, want one", n, jobs)
	}
}

func jobCreateContext(t *schedulerTrial) {
	c := t.creator()
	ctx, cancel := t.context()
	cancel()
	t.wantError(c.CreateJob(ctx, t.job(jobName)), ctx.Err(), "CreateJob with an ended context")
	t.wantNoJob(jobName, "its context had ended")
}

func jobCreateClosed(t *schedulerTrial) {
	t.creator()
	t.close()
	t.wantError(t.create(t.job(jobName)), transport.ErrClosed, "CreateJob after Close")
}
