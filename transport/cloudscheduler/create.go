package cloudscheduler

import (
	"context"
	"maps"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// CreateJob creates the job in one write, where PutJob needs two. ErrExists where there is one; a job that was deleted
// lately may still count. Where the answer to a first attempt is lost and a second finds a job, it counts as created if
// that job is enabled and has all these settings; else it is ErrExists too. What is sent, and the other errors, are as
// with PutJob.
func (s *Scheduler) CreateJob(ctx context.Context, j *transport.Job) error {
	a, p, err := s.prepare(transport.OpCreate, j)
	if err != nil {
		return err
	}
	lost := false
	err = s.do(ctx, a, func(ctx context.Context) error {
		_, err := s.client.CreateJob(ctx, &schedulerpb.CreateJobRequest{Parent: s.location(), Job: p})
		lost = lost || maybeDone(err)
		return err
	})
	switch {
	case err == nil, lost && status.Code(err) == codes.AlreadyExists && s.isThere(ctx, a, j.Name, p):
		return nil
	}
	a.parent = true // there is no job to be found
	return s.failed(ctx, a, err)
}

// prepare checks that the scheduler is open, and a job, and returns it as it is sent.
func (s *Scheduler) prepare(op string, j *transport.Job) (about, *schedulerpb.Job, error) {
	a := about{op: op, resource: transport.JobResource(j.Name), grant: roleAdmin, began: time.Now()}
	if s.closed.Load() {
		return a, nil, a.closed()
	}
	if err := j.Check(); err != nil {
		return a, nil, err
	}
	account, err := s.check(j)
	if err != nil {
		return a, nil, a.invalid(err)
	}
	a.account = account
	return a, s.jobProto(j, account), nil
}

// isThere reports whether the job is what a creation would have made of p. What cannot be known is not.
func (s *Scheduler) isThere(ctx context.Context, a about, name string, p *schedulerpb.Job) bool {
	got, err := s.get(ctx, a, name)
	if err != nil || got.GetState() != schedulerpb.Job_ENABLED {
		return false
	}
	have := &schedulerpb.Job{
		Name: got.GetName(), Description: got.GetDescription(), Schedule: got.GetSchedule(), TimeZone: got.GetTimeZone(),
		Target: got.GetTarget(), AttemptDeadline: got.GetAttemptDeadline(), RetryConfig: got.GetRetryConfig(),
	}
	if h, sent := have.GetHttpTarget(), p.GetHttpTarget(); h != nil {
		dropReplaced(h.Headers)
		const name = "Content-Type"
		if sent.GetHeaders()[name] == "" && h.GetHeaders()[name] == "application/octet-stream" {
			delete(h.Headers, name) // Scheduler's own
		}
		if maps.Equal(h.GetHeaders(), sent.GetHeaders()) { // one of which may be nil
			h.Headers = sent.GetHeaders()
		}
	}
	return proto.Equal(have, p)
}
