package emulator

import (
	"log/slog"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport"
)

// seedJobs are jobs for fuzzing, as requests hold them.
func seedJobs() []*schedulerpb.Job {
	target := &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{
		Uri: "http://x.test/é", Headers: map[string]string{"x-a": "1", "X-A": "2"}, HttpMethod: schedulerpb.HttpMethod_PATCH, Body: []byte("b"),
		AuthorizationHeader: &schedulerpb.HttpTarget_OidcToken{OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: "a@b"}},
	}}
	return []*schedulerpb.Job{
		{Name: testJob, Schedule: "*/5 1-3 * JAN,7 MON", TimeZone: "Europe/Berlin", Target: target, AttemptDeadline: durationpb.New(time.Minute)},
		{Schedule: "every 2 hours", Target: target, RetryConfig: &schedulerpb.RetryConfig{RetryCount: 5, MinBackoffDuration: durationpb.New(1)}},
		{Schedule: "2nd monday of quarter 9:00", TimeZone: "utc", Target: &schedulerpb.Job_PubsubTarget{
			PubsubTarget: &schedulerpb.PubsubTarget{TopicName: "projects/p/topics/orders", Attributes: map[string]string{"a": "b"}}}},
		{Schedule: "@daily", Target: &schedulerpb.Job_AppEngineHttpTarget{AppEngineHttpTarget: &schedulerpb.AppEngineHttpTarget{}}},
		{Name: "x", State: schedulerpb.Job_PAUSED},
	}
}

// FuzzCreateJob creates any job: it is refused with a reason, or kept and read back as it was answered, which is as
// it was sent where nothing was left out; created or updated once more with what was read, it stays the same.
func FuzzCreateJob(f *testing.F) {
	for _, j := range seedJobs() {
		f.Add([]byte(marshal(j)))
	}
	const parent = "projects/p/locations/l"
	f.Fuzz(func(t *testing.T, message []byte) {
		sent := &schedulerpb.Job{}
		if proto.Unmarshal(message, sent) != nil {
			return
		}
		sent.ProtoReflect().SetUnknown(nil) // another version's fields go unseen
		s := newScheduler(slog.New(slog.DiscardHandler), nil, &jobRunner{})
		defer s.shutdown(t.Context())
		made, err := s.CreateJob(t.Context(), &schedulerpb.CreateJobRequest{Parent: parent, Job: proto.CloneOf(sent)})
		if err != nil {
			if c := status.Code(err); c != codes.InvalidArgument && c != codes.Unimplemented {
				t.Errorf("refused with %v", err)
			}
			return
		}
		got, err := s.GetJob(t.Context(), &schedulerpb.GetJobRequest{Name: made.Name})
		if err != nil || !proto.Equal(got, made) {
			t.Fatalf("made\n%v, read back\n%v, %v", made, got, err)
		}
		if sent.Name != "" && made.Name != sent.Name || made.Schedule != sent.Schedule || made.TimeZone != sent.TimeZone || made.Description != sent.Description ||
			string(made.GetHttpTarget().GetBody()) != string(sent.GetHttpTarget().GetBody()) || made.GetHttpTarget().GetUri() != sent.GetHttpTarget().GetUri() ||
			!proto.Equal(made.GetPubsubTarget(), sent.GetPubsubTarget()) || made.State != schedulerpb.Job_ENABLED || made.ScheduleTime == nil {
			t.Errorf("sent\n%v, made\n%v", sent, made)
		}
		updated, err := s.UpdateJob(t.Context(), &schedulerpb.UpdateJobRequest{Job: proto.CloneOf(made)})
		if err != nil {
			t.Fatalf("what was read is refused: %v", err)
		}
		updated.UserUpdateTime, updated.ScheduleTime = made.UserUpdateTime, made.ScheduleTime // a moment later
		if !proto.Equal(updated, made) {
			t.Errorf("made\n%v, updated with that\n%v", made, updated)
		}
	})
}

func FuzzJobName(f *testing.F) {
	for _, s := range []string{testJob, "projects/a.b:c/locations/jobs/jobs/a_b", "projects/jobs/locations/l/jobs/jobs", "jobs/j", "", testJob + "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		location, err := locationOfJob(name)
		if err != nil {
			return
		}
		if !isLocation(location) || location+jobsPart+shortID(name) != name || transport.CheckJob(shortID(name)) != nil {
			t.Errorf("%q is in %q", name, location)
		}
	})
}

func FuzzJobRecord(f *testing.F) {
	j := newTestJob(f, testJob)
	is := &transport.Job{Name: testJob, State: transport.JobPaused, Next: time.Unix(1e9, 1), LastRun: time.Unix(1e9, 0)}
	for _, r := range []record{
		newRecord(jobRecord, marshal(j)), jobStateToRecord(is), newRecord(jobStatusRecord, testJob, marshal(&statuspb.Status{Code: 5})),
		newRecord(jobDeletedRecord, testJob), newRecord(jobStatusRecord, testJob, "\xff"), newRecord(jobRecord), newRecord(jobStateRecord, testJob),
	} {
		f.Add([]byte(r))
	}
	f.Fuzz(func(t *testing.T, r []byte) {
		s := newSaved()
		if err := s.read(newRecord(jobRecord, marshal(j))); err != nil {
			t.Fatal(err)
		}
		if s.read(r) == nil && s.read(r) != nil {
			t.Errorf("record %q can be read once only", r)
		}
		if err := s.read(jobStateToRecord(is)); err != nil {
			t.Fatal(err)
		}
		if got := s.jobs[testJob]; got != nil && (got.is.State != is.State || !got.is.Next.Equal(is.Next) || !got.is.LastRun.Equal(is.LastRun)) {
			t.Errorf("state %+v", got.is)
		}
	})
}
