package emulator

import (
	"context"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

// PauseJob takes jobs that are enabled only. An attempt in flight goes on and is not retried.
func (s *scheduler) PauseJob(ctx context.Context, r *schedulerpb.PauseJobRequest) (*schedulerpb.Job, error) {
	return s.act(ctx, r.Name, transport.JobEnabled, s.core.Pause)
}

// ResumeJob takes jobs that are paused only. What was missed is not made up for.
func (s *scheduler) ResumeJob(ctx context.Context, r *schedulerpb.ResumeJobRequest) (*schedulerpb.Job, error) {
	return s.act(ctx, r.Name, transport.JobPaused, s.core.Resume)
}

// RunJob takes jobs in any state, and does not wait for the attempt.
func (s *scheduler) RunJob(ctx context.Context, r *schedulerpb.RunJobRequest) (*schedulerpb.Job, error) {
	return s.act(ctx, r.Name, "", s.core.RunNow)
}

// act does something to a job that is in a state; any, if none is given.
func (s *scheduler) act(ctx context.Context, name string, in transport.JobState, do func(string) error) (*schedulerpb.Job, error) {
	if err := checkJobName(name); err != nil {
		return nil, err
	}
	j, err := s.actAlone(name, in, do)
	if err != nil {
		return nil, err
	}
	return j, s.store.sync(ctx)
}

func (s *scheduler) actAlone(name string, in transport.JobState, do func(string) error) (*schedulerpb.Job, error) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	j := s.book.jobs[name]
	if j == nil {
		return nil, noJob()
	}
	is, err := s.core.Get(name)
	if err != nil {
		return nil, coreError(err)
	}
	if in != "" && is.State != in {
		return nil, status.Errorf(codes.FailedPrecondition, "Job must be in state %s, it is %s.", in, is.State)
	}
	if err := do(name); err != nil {
		return nil, coreError(err)
	}
	return s.view(j)
}
