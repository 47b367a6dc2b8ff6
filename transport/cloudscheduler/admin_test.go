package cloudscheduler_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport"
)

func TestJob_ReadsBackWhatWasPut(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	next := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	want := full()
	put(t, sched, full())
	want.Header["X-Kind"] = []string{"a, b"} // as the wire carries it
	want.State, want.Next = transport.JobEnabled, next
	if got := get(t, sched, want.Name); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	put(t, sched, nightly())
	want = nightly()
	want.TimeZone, want.Method, want.Deadline, want.State, want.Next = "UTC", "POST", 3*time.Minute, transport.JobEnabled, next
	want.Retry = &transport.RetryConfig{MaxAttempts: 1, MaxDoublings: 5, MinBackoff: 5 * time.Second, MaxBackoff: time.Hour}
	if got := get(t, sched, want.Name); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// stored is a job that somebody made by hand, with no more than what the API asks for.
func stored(change func(*schedulerpb.Job)) *schedulerpb.Job {
	j := &schedulerpb.Job{Name: parent + "/jobs/j", State: schedulerpb.Job_ENABLED, Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: url}}}
	change(j)
	return j
}

func TestJob_MapsWhatOthersMade(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 0, 0, 123_000_000, time.UTC)
	for name, c := range map[string]struct {
		change func(*schedulerpb.Job)
		ok     func(*transport.Job) bool
	}{
		"least": {func(j *schedulerpb.Job) {}, func(j *transport.Job) bool {
			return j.Name == "j" && j.URL == url && j.Method == "POST" && j.Deadline == 3*time.Minute && j.Retry == nil && j.Audience == "" && j.Header == nil && j.Body == nil && j.LastRun.IsZero()
		}},
		"another method": {func(j *schedulerpb.Job) { j.GetHttpTarget().HttpMethod = schedulerpb.HttpMethod_GET }, func(j *transport.Job) bool { return j.Method == "GET" }},
		"deadline":       {func(j *schedulerpb.Job) { j.AttemptDeadline = durationpb.New(time.Minute) }, func(j *transport.Job) bool { return j.Deadline == time.Minute }},
		"retries": {func(j *schedulerpb.Job) { j.RetryConfig = &schedulerpb.RetryConfig{RetryCount: 2} }, func(j *transport.Job) bool {
			return *j.Retry == transport.RetryConfig{MaxAttempts: 3}
		}},
		"a token for the whole URL": {func(j *schedulerpb.Job) {
			j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OidcToken{OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: "a@b"}}
		}, func(j *transport.Job) bool { return j.Audience == url && j.ServiceAccount == "a@b" }},
		"a token for Google": {func(j *schedulerpb.Job) {
			j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{OauthToken: &schedulerpb.OAuthToken{ServiceAccountEmail: "a@b"}}
		}, func(j *transport.Job) bool { return j.Audience == "" && j.ServiceAccount == "a@b" }},
		"headers": {func(j *schedulerpb.Job) {
			h := j.GetHttpTarget()
			h.Headers, h.Body = map[string]string{"x-appengine-x": "1", "Content-Length": "1", "x-a": "1"}, []byte("b")
		}, func(j *transport.Job) bool {
			return len(j.Header) == 2 && j.Header.Get("X-A") == "1" && j.Header.Get("Content-Type") == "application/octet-stream"
		}},
		"Pub/Sub": {func(j *schedulerpb.Job) {
			j.Target = &schedulerpb.Job_PubsubTarget{PubsubTarget: &schedulerpb.PubsubTarget{TopicName: "t"}}
		}, func(j *transport.Job) bool { return j.URL == "" && j.Method == "" && j.Deadline == 0 }},
		"App Engine": {func(j *schedulerpb.Job) {
			j.Target = &schedulerpb.Job_AppEngineHttpTarget{AppEngineHttpTarget: &schedulerpb.AppEngineHttpTarget{RelativeUri: "/x"}}
		}, func(j *transport.Job) bool { return j.URL == "" }},
		"paused":        {func(j *schedulerpb.Job) { j.State = schedulerpb.Job_PAUSED }, func(j *transport.Job) bool { return j.State == transport.JobPaused && j.Next.IsZero() }},
		"disabled":      {func(j *schedulerpb.Job) { j.State = schedulerpb.Job_DISABLED }, func(j *transport.Job) bool { return j.State == transport.JobDisabled && j.Next.IsZero() }},
		"update failed": {func(j *schedulerpb.Job) { j.State = schedulerpb.Job_UPDATE_FAILED }, func(j *transport.Job) bool { return j.State == transport.JobUpdateFailed }},
		"no state":      {func(j *schedulerpb.Job) { j.State = 0 }, func(j *transport.Job) bool { return j.State == "" }},
		"ran well": {func(j *schedulerpb.Job) {
			j.ScheduleTime, j.LastAttemptTime, j.Status = timestamppb.New(at.Add(time.Hour)), timestamppb.New(at), &statuspb.Status{}
		}, func(j *transport.Job) bool {
			return j.Next.Equal(at.Add(time.Hour)) && j.LastRun.Equal(at) && j.LastErr == nil
		}},
		"never ran": {func(j *schedulerpb.Job) { j.Status = &statuspb.Status{Code: -1} }, func(j *transport.Job) bool { return j.LastErr == nil }},
		"ran badly": {func(j *schedulerpb.Job) { j.Status = &statuspb.Status{Code: int32(codes.Internal)} }, func(j *transport.Job) bool {
			return status.Code(j.LastErr) == codes.Internal && j.LastErr.Error() == "the attempt ended with Internal"
		}},
		"ran badly, with words": {func(j *schedulerpb.Job) {
			j.Status = &statuspb.Status{Code: int32(codes.NotFound), Message: "404"}
		}, func(j *transport.Job) bool { return j.LastErr.Error() == "the attempt ended with NotFound: 404" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.keep(stored(c.change))
			if got := get(t, s.dial(t), "j"); !c.ok(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestJobs_YieldsAllPagesInOrder(t *testing.T) {
	s := newServer()
	const n = 1234
	var want []string
	for i := range n {
		id := fmt.Sprintf("job%04d", i)
		want = append(want, id)
		s.keep(stored(func(j *schedulerpb.Job) { j.Name = parent + "/jobs/" + id }))
	}
	s.keep(stored(func(j *schedulerpb.Job) { j.Name = "projects/emulator/locations/another/jobs/j" }))
	sched := s.dial(t)
	var got []string
	for j, err := range sched.Jobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, j.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d jobs: %v", len(got), got)
	}
	calls := s.calls("ListJobs")
	if len(calls) != 3 {
		t.Errorf("%d pages", len(calls))
	}
	if r := calls[0].(*schedulerpb.ListJobsRequest); r.Parent != parent || r.PageSize != 500 {
		t.Errorf("asked for %v", r)
	}
	for range sched.Jobs(t.Context()) { // a page is read when it is needed
		break
	}
	if n := len(s.calls("ListJobs")); n != 4 {
		t.Errorf("%d pages were read for one job", n-3)
	}
}

func TestJobs_NoJobs_YieldsNothing(t *testing.T) {
	for range newServer().dial(t).Jobs(t.Context()) {
		t.Error("something was yielded")
	}
}

func TestJobs_APageCannotBeRead_EndsWithItsError(t *testing.T) {
	s := newServer()
	for i := range 600 {
		s.keep(stored(func(j *schedulerpb.Job) { j.Name = fmt.Sprintf("%s/jobs/job%d", parent, i) }))
	}
	s.hook = func(_ context.Context, _ string, r proto.Message, handle func() (any, error)) (any, error) {
		if r.(*schedulerpb.ListJobsRequest).PageToken != "" {
			return nil, status.Error(codes.Internal, "injected")
		}
		return handle()
	}
	jobs, errs := 0, []error{}
	for j, err := range s.dial(t).Jobs(t.Context()) {
		switch {
		case err == nil:
			jobs++
		case j != nil:
			t.Error("a job beside an error")
		default:
			errs = append(errs, err)
		}
	}
	if jobs != 500 || len(errs) != 1 {
		t.Fatalf("%d jobs, errors %v", jobs, errs)
	}
	requireKind(t, errs[0], transport.OpList, `jobs of project "emulator" in "local"`, transport.KindOther)
}

func TestJobs_ContextEnds_EndsWithItsError(t *testing.T) {
	s := newServer()
	for i := range 3 {
		s.keep(stored(func(j *schedulerpb.Job) { j.Name = fmt.Sprintf("%s/jobs/job%d", parent, i) }))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	jobs, errs := 0, []error{}
	for _, err := range s.dial(t).Jobs(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		jobs++
		cancel()
	}
	if jobs != 1 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Fatalf("%d jobs, errors %v", jobs, errs)
	}
	requireKind(t, errs[0], transport.OpList, `jobs of project "emulator" in "local"`, transport.KindOther)
}

func TestPauseAndResume_WhatIsSoAlready_IsNoError(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	put(t, sched, nightly())
	for _, c := range []struct {
		call func(context.Context, string) error
		want transport.JobState
	}{
		{sched.ResumeJob, transport.JobEnabled}, {sched.PauseJob, transport.JobPaused}, {sched.PauseJob, transport.JobPaused},
		{sched.ResumeJob, transport.JobEnabled}, {sched.ResumeJob, transport.JobEnabled},
	} {
		if err := c.call(t.Context(), "shop--Nightly"); err != nil {
			t.Fatal(err)
		}
		if got := get(t, sched, "shop--Nightly").State; got != c.want {
			t.Errorf("state %s, want %s", got, c.want)
		}
	}
}

func TestPauseJob_CannotBe_TellsTheState(t *testing.T) {
	s := newServer()
	s.keep(stored(func(j *schedulerpb.Job) { j.State = schedulerpb.Job_DISABLED }))
	err := s.dial(t).PauseJob(t.Context(), "j")
	requireKind(t, err, transport.OpPause, `job "j"`, transport.KindOther)
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "it is DISABLED") {
		t.Errorf("error %v", err)
	}
}

func TestPauseJob_StateCannotBeRead(t *testing.T) {
	for answer, kind := range map[error]transport.Kind{errNoJob: transport.KindNotFound, status.Error(codes.PermissionDenied, "injected"): transport.KindOther} {
		s := newServer()
		s.keep(stored(func(j *schedulerpb.Job) { j.State = schedulerpb.Job_PAUSED }))
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			if method == "GetJob" {
				return nil, answer
			}
			return handle()
		}
		err := s.dial(t).PauseJob(t.Context(), "j")
		requireKind(t, err, transport.OpPause, `job "j"`, kind)
		if !strings.Contains(err.Error(), status.Convert(answer).Message()) {
			t.Errorf("error %v hides %v", err, answer)
		}
	}
}

func TestDeleteJob_RemovesIt(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	put(t, sched, nightly())
	if err := sched.DeleteJob(t.Context(), "shop--Nightly"); err != nil {
		t.Fatal(err)
	}
	if s.job("shop--Nightly") != nil {
		t.Error("it is there")
	}
	requireKind(t, sched.DeleteJob(t.Context(), "shop--Nightly"), transport.OpDelete, `job "shop--Nightly"`, transport.KindNotFound)
}

func TestRunJob_RunsItOnce(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	put(t, sched, nightly())
	if err := sched.RunJob(t.Context(), "shop--Nightly"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.ran, []string{parent + "/jobs/shop--Nightly"}) {
		t.Errorf("ran %v", s.ran)
	}
}

func TestCalls_BadName_NothingIsSent(t *testing.T) {
	s := newServer()
	for name, call := range everyCall(s.dial(t)) {
		if name == "Jobs" {
			continue
		}
		for _, job := range []string{"", "a/b", "a b"} {
			if err := call(t.Context(), job); !errors.Is(err, transport.ErrInvalid) {
				t.Errorf("%s(%q): %v", name, job, err)
			}
		}
	}
	if s.total() != 0 {
		t.Error("something was sent")
	}
}
