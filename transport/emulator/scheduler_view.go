package emulator

import (
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport"
)

// toCore returns a complete job as the core takes it, which has no need of the target.
func toCore(j *schedulerpb.Job) *transport.Job {
	r := toJobRetry(j.RetryConfig)
	c := &transport.Job{Name: j.Name, Schedule: j.Schedule, TimeZone: zoneOf(j), Retry: &r}
	if j.GetHttpTarget() != nil {
		c.Deadline = j.AttemptDeadline.AsDuration()
	}
	return c
}

// view returns a job as clients see it. The book's mu is held; the answer shares what is never changed.
func (s *scheduler) view(j *job) (*schedulerpb.Job, error) {
	is, err := s.core.Get(j.Name)
	if err != nil {
		return nil, coreError(err)
	}
	return &schedulerpb.Job{
		Name: j.Name, Description: j.Description, Target: j.Target, Schedule: j.Schedule, TimeZone: j.TimeZone,
		RetryConfig: j.RetryConfig, AttemptDeadline: j.AttemptDeadline, UserUpdateTime: j.UserUpdateTime,
		State: stateOf(is), ScheduleTime: microsOrNone(is.Next), LastAttemptTime: microsOrNone(is.LastRun), Status: j.status,
	}, nil
}

func stateOf(is *transport.Job) schedulerpb.Job_State {
	return schedulerpb.Job_State(schedulerpb.Job_State_value[string(is.State)])
}

func microsOrNone(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

func noJob() error { return status.Error(codes.NotFound, "Job not found.") }

func jobExists(name string) error {
	return status.Errorf(codes.AlreadyExists, "Job %s already exists.", name)
}

// coreError is what the service answers to a call about a job that the core refused: it has checked the rest before.
func coreError(err error) error {
	if transport.KindOf(err) == transport.KindClosed {
		return status.Error(codes.Unavailable, textStopping)
	}
	return invalid("%s", causeOf(err))
}
