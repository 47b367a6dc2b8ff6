package cloudscheduler

import (
	"context"
	"fmt"
	"iter"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// pageSize is the most that Cloud Scheduler allows.
const pageSize = 500

// Job returns the job as it is. Its defaults are filled in, its Method is never empty, and its headers are without
// those that Cloud Scheduler adds to every request; a body that was put without a Content-Type may have got one. A job
// with a ServiceAccount and no Audience sends an OAuth token, as somebody else made it.
func (s *Scheduler) Job(ctx context.Context, name string) (*transport.Job, error) {
	a, err := s.open(transport.OpGet, name, roleViewer)
	if err != nil {
		return nil, err
	}
	p, err := s.get(ctx, a, name)
	if err != nil {
		return nil, s.failed(ctx, a, err)
	}
	return job(p), nil
}

// Jobs yields all jobs of the project and location as [Scheduler.Job] returns them, reading them in pages of 500. Those
// for Pub/Sub and App Engine have no URL. It ends with an error when a page cannot be read, and when ctx has ended.
func (s *Scheduler) Jobs(ctx context.Context) iter.Seq2[*transport.Job, error] {
	return func(yield func(*transport.Job, error) bool) {
		a := about{op: transport.OpList, resource: fmt.Sprintf("jobs of project %q in %q", s.project, s.region), grant: roleViewer, parent: true}
		if s.closed.Load() {
			yield(nil, a.closed())
			return
		}
		for token, more := "", true; more; more = token != "" {
			var page []*schedulerpb.Job
			a.began = time.Now()
			err := s.do(ctx, a, func(ctx context.Context) (err error) {
				page, token, err = s.page(ctx, token)
				return err
			})
			if err != nil {
				yield(nil, s.failed(ctx, a, err))
				return
			}
			for _, p := range page {
				if err := ctx.Err(); err != nil {
					yield(nil, s.failed(ctx, a, err))
					return
				}
				if !yield(job(p), nil) {
					return
				}
			}
		}
	}
}

// page reads the page of a token. next is the token as it was where that fails.
func (s *Scheduler) page(ctx context.Context, token string) (page []*schedulerpb.Job, next string, err error) {
	it := s.client.ListJobs(ctx, &schedulerpb.ListJobsRequest{Parent: s.location(), PageSize: pageSize, PageToken: token}, once())
	for {
		p, err := it.Next()
		if err == iterator.Done {
			return page, "", nil
		}
		if err != nil {
			return nil, token, err
		}
		if page = append(page, p); it.PageInfo().Remaining() == 0 {
			return page, it.PageInfo().Token, nil
		}
	}
}

// DeleteJob removes the job. Where the answer to a first attempt is lost and a second finds no job, it counts as
// removed.
func (s *Scheduler) DeleteJob(ctx context.Context, name string) error {
	a, err := s.open(transport.OpDelete, name, roleAdmin)
	if err != nil {
		return err
	}
	lost := false
	err = s.do(ctx, a, func(ctx context.Context) error {
		err := s.client.DeleteJob(ctx, &schedulerpb.DeleteJobRequest{Name: s.fullName(name)}, once())
		if lost && status.Code(err) == codes.NotFound {
			return nil
		}
		lost = lost || maybeDone(err)
		return err
	})
	if err != nil {
		return s.failed(ctx, a, err)
	}
	return nil
}

// PauseJob stops firing the job. One that is paused stays so, without an error; one that is disabled cannot be paused.
func (s *Scheduler) PauseJob(ctx context.Context, name string) error {
	return s.turn(ctx, transport.OpPause, name, transport.JobPaused, func(ctx context.Context, full string) error {
		_, err := s.client.PauseJob(ctx, &schedulerpb.PauseJobRequest{Name: full})
		return err
	})
}

// ResumeJob starts firing the job again. One that is enabled stays so, without an error.
func (s *Scheduler) ResumeJob(ctx context.Context, name string) error {
	return s.turn(ctx, transport.OpResume, name, transport.JobEnabled, func(ctx context.Context, full string) error {
		_, err := s.client.ResumeJob(ctx, &schedulerpb.ResumeJobRequest{Name: full})
		return err
	})
}

// turn takes the job to a state. Cloud Scheduler refuses that where it is there already.
func (s *Scheduler) turn(ctx context.Context, op, name string, to transport.JobState, f func(context.Context, string) error) error {
	a, err := s.open(op, name, roleAdmin)
	if err != nil {
		return err
	}
	err = s.do(ctx, a, func(ctx context.Context) error { return f(ctx, s.fullName(name)) })
	if status.Code(err) == codes.FailedPrecondition {
		switch p, getErr := s.get(ctx, a, name); {
		case status.Code(getErr) == codes.NotFound:
			err = getErr
		case getErr != nil:
			err = fmt.Errorf("%w; its state is not known: %w", err, getErr)
		case state(p.GetState()) == to:
			return nil
		default:
			err = fmt.Errorf("it is %s: %w", p.GetState(), err)
		}
	}
	if err != nil {
		return s.failed(ctx, a, err)
	}
	return nil
}

// RunJob fires the job now, and does not wait for the answer. It is not tried again where it may have been done.
func (s *Scheduler) RunJob(ctx context.Context, name string) error {
	a, err := s.open(transport.OpRun, name, roleRunner)
	if err != nil {
		return err
	}
	a.notTwice = true
	err = s.do(ctx, a, func(ctx context.Context) error {
		_, err := s.client.RunJob(ctx, &schedulerpb.RunJobRequest{Name: s.fullName(name)})
		return err
	})
	if err != nil {
		return s.failed(ctx, a, err)
	}
	return nil
}

func (s *Scheduler) get(ctx context.Context, a about, name string) (p *schedulerpb.Job, err error) {
	err = s.do(ctx, a, func(ctx context.Context) (err error) {
		p, err = s.client.GetJob(ctx, &schedulerpb.GetJobRequest{Name: s.fullName(name)}, once())
		return err
	})
	return p, err
}

// open checks that the scheduler is, and a name before it is used.
func (s *Scheduler) open(op, name, grant string) (about, error) {
	a := about{op: op, resource: transport.JobResource(name), grant: grant, began: time.Now()}
	if s.closed.Load() {
		return a, a.closed()
	}
	if err := transport.CheckJob(name); err != nil {
		return a, a.invalid(err)
	}
	return a, nil
}
