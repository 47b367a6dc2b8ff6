package emulator

import (
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/transport"
)

// textSchedule is all that the service says of a bad schedule, a bad time zone, and neither. The reason is ours.
const textSchedule = "Schedule or time zone is invalid."

// completeJob checks a job that has its name, and completes it, in place, as it is to be kept: every default resolved,
// and nothing of what is output only but when it was updated.
func completeJob(j *schedulerpb.Job, now time.Time) error {
	if n := utf8.RuneCountInString(j.Description); n > transport.MaxJobDescription {
		return invalid("Job.description must be at most %d characters long, not %d.", transport.MaxJobDescription, n)
	}
	if err := checkSchedule(j); err != nil {
		return err
	}
	if err := completeJobTarget(j); err != nil {
		return err
	}
	if err := completeJobRetry(j); err != nil {
		return err
	}
	j.State, j.Status, j.ScheduleTime, j.LastAttemptTime = 0, nil, nil, nil
	j.UserUpdateTime = timestamppb.New(now.Truncate(time.Second))
	if n := proto.Size(j); n > transport.MaxJobSize {
		return invalid("Job size too large: %d bytes, at most %d.", n, transport.MaxJobSize)
	}
	return nil
}

// checkSchedule refuses a schedule and a time zone that are none, and schedules that are ours alone.
func checkSchedule(j *schedulerpb.Job) error {
	if j.Schedule == "" {
		return invalid(textSchedule + " Job.schedule is required.")
	}
	s, err := cron.Parse(j.Schedule)
	if err != nil {
		return invalid(textSchedule+" %v", err)
	}
	if s.SubMinute() {
		return invalid(textSchedule+" %q: jobs run once a minute at most.", j.Schedule)
	}
	if _, err := cron.LoadZone(zoneOf(j)); err != nil {
		return invalid(textSchedule+" %v", err)
	}
	return nil
}

// zoneOf returns the name of a job's time zone. The API tells to write "utc", which is how the database writes it on
// file systems that do not distinguish.
func zoneOf(j *schedulerpb.Job) string {
	if strings.EqualFold(j.TimeZone, "utc") {
		return "UTC"
	}
	return j.TimeZone
}

func completeJobTarget(j *schedulerpb.Job) error {
	switch {
	case j.GetAppEngineHttpTarget() != nil:
		return status.Error(codes.Unimplemented, "App Engine targets are not emulated: use an http_target with the URL of the service.")
	case j.GetHttpTarget() != nil:
		if err := completeJobDeadline(j); err != nil {
			return err
		}
		return completeHTTPTarget(j.GetHttpTarget())
	case j.GetPubsubTarget() != nil:
		return checkPubsubTarget(j.GetPubsubTarget(), projectOf(j.Name))
	default:
		return invalid("Job must have a target: an HttpTarget, a PubsubTarget or an AppEngineHttpTarget.")
	}
}

func completeJobDeadline(j *schedulerpb.Job) error {
	if j.AttemptDeadline == nil {
		j.AttemptDeadline = durationpb.New(transport.DefaultJobDeadline)
	}
	if d := j.AttemptDeadline.AsDuration(); !j.AttemptDeadline.IsValid() || d < minDeadline || d > maxDeadline {
		return invalid("Job.attemptDeadline must be between [15s, 30m].")
	}
	return nil
}
