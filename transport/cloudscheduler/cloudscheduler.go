// Package cloudscheduler keeps jobs in Google Cloud Scheduler, through Google's own client.
//
// # Smallest program
//
//	s, err := cloudscheduler.New(ctx)
//	defer s.Close()
//	err = s.PutJob(ctx, &transport.Job{Name: "shop--Nightly", Schedule: "0 3 * * *", URL: url, Audience: audience})
//
// Through packages tasks and schedule it is Config.Scheduler. On Cloud Run, Functions and Compute Engine New needs no
// option: project, location and service account come from the metadata server. Elsewhere set CLOUD_TASKS_PROJECT,
// CLOUD_TASKS_LOCATION and CLOUD_TASKS_SERVICE_ACCOUNT, or the options of those names. With
// CLOUD_SCHEDULER_EMULATOR_HOST set to host:port it talks to an emulator, without credentials.
//
// # Jobs
//
// PutJob updates the job of that name, and creates it where there is none; CreateJob only creates, in one write.
// Schedules are checked before anything is
// sent: five fields, or Scheduler's English form, at most once a minute.
//
// # Delivery guarantees
//
// At least once at each time of the schedule, one run of a job after the other: one that is still running when the
// next is due delays it, or lets it be skipped. A time that the clock skips in spring may not run, and one that repeats
// in autumn may run twice, unless the zone has no such changes, as UTC.
//
// # Concurrency
//
// A Scheduler is safe for concurrent use. It has no goroutines but those of Google's client, which end with Close.
//
// # Limits
//
// Those of Cloud Scheduler: 5000 jobs in a location, 500 writes and 1250 reads a minute. A call that is refused for the
// moment, that one's quota included, is made again, for as long as [WithRetryTime] says and its context allows.
//
// What the driver may do depends on the caller's roles: roles/cloudscheduler.admin for all of it,
// roles/cloudscheduler.viewer to look, roles/cloudscheduler.jobRunner to run jobs; and
// roles/iam.serviceAccountUser, which has iam.serviceAccounts.actAs, on the service account whose tokens the jobs
// send.
//
// # Testing
//
// Tests of a program need no Cloud Scheduler: transport/memory and tasktest fire jobs themselves.
package cloudscheduler

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	apiv1 "cloud.google.com/go/scheduler/apiv1"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// Scheduler keeps the jobs of one project and location. It is made by [New] and safe for concurrent use. Besides a
// transport.Scheduler it is a transport.JobCreator, a transport.JobAdmin and a transport.PushAuthorizer.
type Scheduler struct {
	client *apiv1.CloudSchedulerClient
	owned  bool // whether Close ends it
	logger *slog.Logger

	project, region string
	account         string    // whose tokens the jobs send; empty: none is known
	emulator        gcp.Value // host:port, and what said so; empty: none
	retryTime       time.Duration

	closed atomic.Bool
	warned atomic.Int64 // when a call that is made again was last logged, in Unix nanoseconds
}

var (
	_ transport.Scheduler      = (*Scheduler)(nil)
	_ transport.JobCreator     = (*Scheduler)(nil)
	_ transport.JobAdmin       = (*Scheduler)(nil)
	_ transport.PushAuthorizer = (*Scheduler)(nil)
)

// New connects to Cloud Scheduler. What no option sets comes from the environment (see [OptionsFromEnv]), then from
// the metadata server; the error names all that is missing or wrong, and how to set it. A service account may be
// missing: only jobs with an Audience need one. ctx bounds these questions; New does not wait for the connection,
// which is made in the background.
func New(ctx context.Context, opts ...Option) (*Scheduler, error) {
	r, err := resolve(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &Scheduler{
		client:    r.client,
		logger:    r.Logger,
		project:   r.Project.Text,
		region:    r.Location.Text,
		account:   r.Account.Text,
		emulator:  r.Endpoint,
		retryTime: r.retryTime,
	}
	if s.client == nil {
		if s.client, err = apiv1.NewCloudSchedulerClient(ctx, r.DialOptions(r.Watching()...)...); err != nil {
			return nil, gcp.NotConnected(driver(), err)
		}
		s.owned = true
	} else {
		s.emulator = gcp.Value{} // the client leads where it leads
	}
	return s, nil
}

// PushServiceAccount is the account whose OIDC token a job sends where it names none; empty where none is known.
func (s *Scheduler) PushServiceAccount() string { return s.account }

// Close ends the connections that New opened. A client that was passed in with [WithClient] stays open. Afterwards
// everything answers ErrClosed. Calling it again does nothing.
func (s *Scheduler) Close() error {
	if s.closed.Swap(true) || !s.owned {
		return nil
	}
	return s.client.Close()
}

// location is the parent of the jobs, projects/P/locations/L.
func (s *Scheduler) location() string { return "projects/" + s.project + "/locations/" + s.region }

// fullName is the name of a job as the API wants it.
func (s *Scheduler) fullName(job string) string { return s.location() + "/jobs/" + job }
