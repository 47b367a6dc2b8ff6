package emulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	cloudscheduler "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const (
	nightly   = location + "/jobs/nightly"
	noSuchJob = location + "/jobs/no-such"

	textNoJob   = "Job not found."
	textJobName = `Job name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>".`
)

// schedulerRig is a rig with Google's client for Cloud Scheduler.
type schedulerRig struct {
	*pubsubRig
	jobs *cloudscheduler.CloudSchedulerClient
}

// startScheduler is start with a client for jobs, on a real socket.
func startScheduler(t testing.TB, opts ...emulator.Option) *schedulerRig {
	t.Helper()
	return withScheduler(start(t, opts...))
}

// startSchedulerHere is startScheduler within a bubble, whose time begins at midnight of 1 January 2000, a Saturday.
func startSchedulerHere(t testing.TB, opts ...emulator.Option) *schedulerRig {
	t.Helper()
	return withScheduler(startHere(t, opts...))
}

func withScheduler(r *rig) *schedulerRig {
	r.t.Helper()
	s := &schedulerRig{pubsubRig: withPubsub(r)}
	var err error
	if s.jobs, err = cloudscheduler.NewCloudSchedulerClient(r.t.Context(), option.WithGRPCConn(r.conn)); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// reopen is restart for a rig with jobs.
func (r *schedulerRig) reopen(file string, opts ...emulator.Option) *schedulerRig {
	r.t.Helper()
	return withScheduler(r.restart(file, opts...))
}

// job is nightly, a POST to the worker at three, changed as set says.
func (r *schedulerRig) job(set ...func(*schedulerpb.Job)) *schedulerpb.Job {
	j := &schedulerpb.Job{
		Name: nightly, Schedule: "0 3 * * *",
		Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: r.worker.url + "/run", Body: []byte("body")}},
	}
	for _, f := range set {
		f(j)
	}
	return j
}

func every(schedule string) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) { j.Schedule = schedule }
}

// retried gives a job retries a minute apart, at most.
func retried(count int32) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) {
		j.RetryConfig = &schedulerpb.RetryConfig{RetryCount: count, MinBackoffDuration: durationpb.New(time.Minute), MaxBackoffDuration: durationpb.New(time.Minute)}
	}
}

// publishing lets a job publish to orders.
func publishing(j *schedulerpb.Job) {
	j.Target = &schedulerpb.Job_PubsubTarget{PubsubTarget: &schedulerpb.PubsubTarget{
		TopicName: orders, Data: []byte("tick"), Attributes: map[string]string{"by": "scheduler"},
	}}
}

func (r *schedulerRig) tryCreate(j *schedulerpb.Job) (*schedulerpb.Job, error) {
	return r.jobs.CreateJob(r.ctx(), &schedulerpb.CreateJobRequest{Parent: location, Job: j})
}

func (r *schedulerRig) createJob(set ...func(*schedulerpb.Job)) *schedulerpb.Job {
	r.t.Helper()
	made, err := r.tryCreate(r.job(set...))
	if err != nil {
		r.t.Fatalf("CreateJob: %v", err)
	}
	return made
}

func (r *schedulerRig) getJob(name string) *schedulerpb.Job {
	r.t.Helper()
	j, err := r.jobs.GetJob(r.ctx(), &schedulerpb.GetJobRequest{Name: name})
	if err != nil {
		r.t.Fatalf("GetJob: %v", err)
	}
	return j
}

func (r *schedulerRig) tryUpdate(j *schedulerpb.Job, mask ...string) (*schedulerpb.Job, error) {
	req := &schedulerpb.UpdateJobRequest{Job: j}
	if mask != nil {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
	}
	return r.jobs.UpdateJob(r.ctx(), req)
}

func (r *schedulerRig) updateJob(j *schedulerpb.Job, mask ...string) *schedulerpb.Job {
	r.t.Helper()
	updated, err := r.tryUpdate(j, mask...)
	if err != nil {
		r.t.Fatalf("UpdateJob %v: %v", mask, err)
	}
	return updated
}

func (r *schedulerRig) pause(name string) (*schedulerpb.Job, error) {
	return r.jobs.PauseJob(r.ctx(), &schedulerpb.PauseJobRequest{Name: name})
}

func (r *schedulerRig) resume(name string) (*schedulerpb.Job, error) {
	return r.jobs.ResumeJob(r.ctx(), &schedulerpb.ResumeJobRequest{Name: name})
}

func (r *schedulerRig) run(name string) (*schedulerpb.Job, error) {
	return r.jobs.RunJob(r.ctx(), &schedulerpb.RunJobRequest{Name: name})
}

// must is for a call whose answer does not matter.
func (r *schedulerRig) must(_ *schedulerpb.Job, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// pass lets time pass in a bubble, and what comes of it.
func pass(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

// configOf returns a job without what is output only.
func configOf(j *schedulerpb.Job) *schedulerpb.Job {
	j = proto.CloneOf(j)
	j.State, j.Status, j.UserUpdateTime, j.ScheduleTime, j.LastAttemptTime = 0, nil, nil, nil, nil
	return j
}
