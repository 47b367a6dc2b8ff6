package cloudscheduler

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// putRounds is how often an update and a creation are tried in turn while others delete and create the job.
const putRounds = 3

// PutJob creates the job or replaces it. One that is paused stays paused, and one that the platform holds to be
// UPDATE_FAILED is put in order. Every setting is sent, defaults spelled out. Cloud Scheduler sends a body without a
// Content-Type as application/octet-stream, and replaces User-Agent, Host, Content-Length, headers of the connection and
// those that begin with X-Google-, X-AppEngine- and X-CloudScheduler: all of them are left out.
//
// ErrInvalid for what Job.Check refuses, for a schedule or time zone that is none, for one that fires more often than
// once a minute, and for an Audience where no service account is known.
func (s *Scheduler) PutJob(ctx context.Context, j *transport.Job) error {
	a, p, err := s.prepare(transport.OpPutJob, j)
	if err != nil {
		return err
	}
	update := &schedulerpb.UpdateJobRequest{Job: p, UpdateMask: &fieldmaskpb.FieldMask{Paths: putFields()}}
	create := &schedulerpb.CreateJobRequest{Parent: s.location(), Job: p}
	for round := 1; ; round++ {
		err := s.do(ctx, a, func(ctx context.Context) error {
			_, err := s.client.UpdateJob(ctx, update)
			return err
		})
		if err == nil {
			return nil
		}
		if status.Code(err) != codes.NotFound || namesLocation(err) {
			return s.failed(ctx, a, err)
		}
		err = s.do(ctx, a, func(ctx context.Context) error {
			_, err := s.client.CreateJob(ctx, create)
			return err
		})
		switch {
		case err == nil:
			return nil
		case status.Code(err) != codes.AlreadyExists:
			a.parent = true // the job is not what was not found
			return s.failed(ctx, a, err)
		case round == putRounds:
			return s.failed(ctx, a, fmt.Errorf("it can be neither updated nor created: others change it at the same time, or it was deleted lately and its name is not free yet: %w", err))
		}
	}
}

// check reports what is wrong with a job that passes its own Check, and returns whose token it sends, if any.
func (s *Scheduler) check(j *transport.Job) (account string, err error) {
	schedule, err := cron.Parse(j.Schedule)
	if err == nil && schedule.SubMinute() {
		err = fmt.Errorf("schedule %q: Cloud Scheduler fires once a minute at most: schedules of seconds are for development, in memory", schedule)
	}
	_, zoneErr := cron.LoadZone(j.TimeZone)
	var accountErr error
	switch {
	case j.Audience == "":
	case j.ServiceAccount != "":
		account = j.ServiceAccount
		accountErr = gcp.Value{Text: account, Source: "ServiceAccount"}.Check(gcp.CheckAccount)
	case s.account != "":
		account = s.account
	default:
		accountErr = fmt.Errorf("a token for Audience %q needs a service account: set it by WithServiceAccount or %s, or by ServiceAccount of the job, or give up the token by an empty Audience (schedule.NoOIDC)",
			j.Audience, gcp.EnvAccount)
	}
	return account, errors.Join(err, zoneErr, accountErr)
}

// putFields are the fields of a job that are ours: the mask of an update.
func putFields() []string {
	return []string{"description", "schedule", "time_zone", "http_target", "attempt_deadline", "retry_config"}
}

// once switches off what Google's client tries again by itself.
func once() gax.CallOption { return gax.WithRetry(func() gax.Retryer { return nil }) }
