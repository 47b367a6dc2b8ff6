package jobs

import (
	"context"
	"iter"

	"github.com/typedtasks/typedtasks/transport"
)

// Scheduler is a Jobs as transport.Scheduler, transport.JobCreator, transport.JobAdmin and transport.JobDeclarer. It
// takes what transport.Job.Check takes.
type Scheduler struct{ jobs *Jobs }

// Scheduler returns s as a scheduler.
func (s *Jobs) Scheduler() Scheduler { return Scheduler{s} }

// PutJob implements transport.Scheduler.
func (s Scheduler) PutJob(ctx context.Context, j *transport.Job) error {
	if err := ended(ctx, transport.OpPutJob, j.Name); err != nil {
		return err
	}
	if err := j.Check(); err != nil {
		return err
	}
	return s.jobs.Put(j)
}

// CreateJob implements transport.JobCreator.
func (s Scheduler) CreateJob(ctx context.Context, j *transport.Job) error {
	if err := ended(ctx, transport.OpCreate, j.Name); err != nil {
		return err
	}
	if err := j.Check(); err != nil {
		return err
	}
	return s.jobs.Create(j)
}

// DeclareJob implements transport.JobDeclarer.
func (s Scheduler) DeclareJob(j *transport.Job) error {
	if err := j.Check(); err != nil {
		return err
	}
	return s.jobs.Declare(j)
}

// DeleteJob implements transport.Scheduler.
func (s Scheduler) DeleteJob(ctx context.Context, name string) error {
	return onJob(ctx, transport.OpDelete, name, s.jobs.Delete)
}

// Jobs implements transport.Scheduler.
func (s Scheduler) Jobs(ctx context.Context) iter.Seq2[*transport.Job, error] {
	return func(yield func(*transport.Job, error) bool) {
		all := s.jobs.All()
		for i := 0; ; i++ {
			problem := &transport.Error{Op: transport.OpList, Resource: "jobs", Err: ctx.Err()}
			if s.jobs.Closed() {
				problem.Kind = transport.KindClosed
			}
			if problem.Err != nil || problem.Kind != transport.KindOther {
				yield(nil, problem)
				return
			}
			if i == len(all) || !yield(all[i], nil) {
				return
			}
		}
	}
}

// Job implements transport.JobAdmin.
func (s Scheduler) Job(ctx context.Context, name string) (j *transport.Job, err error) {
	err = onJob(ctx, transport.OpGet, name, func(name string) (err error) {
		j, err = s.jobs.Get(name)
		return err
	})
	return j, err
}

// PauseJob implements transport.JobAdmin.
func (s Scheduler) PauseJob(ctx context.Context, name string) error {
	return onJob(ctx, transport.OpPause, name, s.jobs.Pause)
}

// ResumeJob implements transport.JobAdmin.
func (s Scheduler) ResumeJob(ctx context.Context, name string) error {
	return onJob(ctx, transport.OpResume, name, s.jobs.Resume)
}

// RunJob implements transport.JobAdmin.
func (s Scheduler) RunJob(ctx context.Context, name string) error {
	return onJob(ctx, transport.OpRun, name, s.jobs.RunNow)
}

func onJob(ctx context.Context, op, name string, f func(name string) error) error {
	if err := ended(ctx, op, name); err != nil {
		return err
	}
	return f(name)
}

func ended(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return jobError(op, name, transport.KindOther, err)
	}
	return nil
}
