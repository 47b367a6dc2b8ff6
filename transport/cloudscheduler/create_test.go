package cloudscheduler_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

func TestCreateJob_OneWrite_SendsEverySetting(t *testing.T) {
	for name, j := range map[string]*transport.Job{"full": full(), "least": bodyOnly()} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			sched := s.dial(t)
			if err := sched.CreateJob(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			var want schedulerpb.UpdateJobRequest
			golden(t, name, &want)
			r := s.calls("CreateJob")[0].(*schedulerpb.CreateJobRequest)
			if r.Parent != parent || !proto.Equal(r.Job, want.Job) || s.total() != 1 {
				t.Errorf("%d calls, created with\n%s", s.total(), prototext.Format(r))
			}
			err := sched.CreateJob(t.Context(), j)
			requireKind(t, err, transport.OpCreate, `job "shop--Nightly"`, transport.KindExists)
			if s.total() != 2 {
				t.Errorf("%d calls", s.total())
			}
		})
	}
}

// bodyOnly is nightly with a body whose type Cloud Scheduler adds.
func bodyOnly() *transport.Job {
	j := nightly()
	j.Body = []byte("x")
	return j
}

func TestCreateJob_Refused_NothingIsSent(t *testing.T) {
	s, opts := withoutAccount(t)
	sched := connect(t, opts...)
	for name, change := range map[string]func(*transport.Job){
		"name":     func(j *transport.Job) { j.Name = "a.b" },
		"schedule": func(j *transport.Job) { j.Schedule = "@daily" },
		"account":  func(j *transport.Job) { j.Audience = audience },
	} {
		j := nightly()
		change(j)
		if err := sched.CreateJob(t.Context(), j); !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sched.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sched.CreateJob(t.Context(), nightly()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if s.total() != 0 {
		t.Errorf("%d calls", s.total())
	}
}

func TestCreateJob_RefusedForTheMoment_IsMadeAgain(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted} {
		bubble(t, func(t *testing.T) {
			s := failing(5, code, false)
			began := time.Now()
			err := s.pipe(t).CreateJob(t.Context(), nightly())
			if took := time.Since(began); err != nil || s.total() != 6 || took < 7750*time.Millisecond || took > 23250*time.Millisecond {
				t.Errorf("%s: %d calls in %s: %v", code, s.total(), took, err)
			}
		})
	}
	for code, kind := range map[codes.Code]transport.Kind{
		codes.PermissionDenied: transport.KindOther, codes.InvalidArgument: transport.KindInvalid, codes.NotFound: transport.KindOther, // the location
	} {
		s := failing(1, code, false)
		err := s.dial(t).CreateJob(t.Context(), nightly())
		requireKind(t, err, transport.OpCreate, `job "shop--Nightly"`, kind)
		if s.total() != 1 {
			t.Errorf("%s: %d calls", code, s.total())
		}
	}
}

// losing loses the answer to the first creation, and has something happen after it.
func losing(then func(s *server, j *schedulerpb.Job)) *server {
	s := newServer()
	lost := false
	s.hook = func(_ context.Context, method string, r proto.Message, handle func() (any, error)) (any, error) {
		if c, ok := r.(*schedulerpb.CreateJobRequest); ok && !lost {
			lost = true
			if _, err := handle(); err != nil {
				return nil, err
			}
			then(s, s.job(c.Job.Name[strings.LastIndexByte(c.Job.Name, '/')+1:]))
			return nil, status.Error(codes.Unavailable, "injected")
		}
		return handle()
	}
	return s
}

func TestCreateJob_AnswerIsLost_IsDoneWhereItIsThereAsItWasSent(t *testing.T) {
	headed := bodyOnly()
	headed.Header = http.Header{"X-Google-A": {"left out"}, "Content-Type": {"text/plain"}}
	typed := nightly()
	typed.Header = http.Header{"X-A": {"a"}}
	typed.Body = []byte("{}")
	for name, j := range map[string]*transport.Job{"full": full(), "least": nightly(), "a body": bodyOnly(), "headers": headed, "headers and a body": typed} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := losing(func(*server, *schedulerpb.Job) {})
				if err := s.pipe(t).CreateJob(t.Context(), j); err != nil {
					t.Error(err)
				}
				if c, u := len(s.calls("CreateJob")), len(s.calls("UpdateJob")); c != 2 || u != 0 {
					t.Errorf("created %d times, updated %d times", c, u)
				}
			})
		})
	}
}

func TestCreateJob_AnswerIsLost_AnotherJobIsThere_ErrExists(t *testing.T) {
	for name, change := range map[string]func(*schedulerpb.Job){
		"another description": func(j *schedulerpb.Job) { j.Description = "another's" },
		"another schedule":    func(j *schedulerpb.Job) { j.Schedule = "* * * * *" },
		"another zone":        func(j *schedulerpb.Job) { j.TimeZone = "Asia/Tokyo" },
		"another deadline":    func(j *schedulerpb.Job) { j.AttemptDeadline = nil },
		"other retries":       func(j *schedulerpb.Job) { j.RetryConfig = nil },
		"another URL":         func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = "https://x.example" },
		"another token":       func(j *schedulerpb.Job) { j.GetHttpTarget().AuthorizationHeader = nil },
		"another type":        func(j *schedulerpb.Job) { j.GetHttpTarget().Headers["Content-Type"] = "application/octet-stream" },
		"one header more":     func(j *schedulerpb.Job) { j.GetHttpTarget().Headers["X-More"] = "1" },
		"another target": func(j *schedulerpb.Job) {
			j.Target = &schedulerpb.Job_PubsubTarget{PubsubTarget: &schedulerpb.PubsubTarget{}}
		},
		"it is paused": func(j *schedulerpb.Job) { j.State = schedulerpb.Job_PAUSED },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := losing(func(_ *server, j *schedulerpb.Job) { change(j) })
				err := s.pipe(t).CreateJob(t.Context(), full())
				requireKind(t, err, transport.OpCreate, `job "shop--Nightly"`, transport.KindExists)
				if len(s.calls("UpdateJob")) != 0 {
					t.Error("another's job was changed")
				}
			})
		})
	}
	t.Run("it cannot be read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := losing(func(*server, *schedulerpb.Job) {})
			hook := s.hook
			s.hook = func(ctx context.Context, method string, r proto.Message, handle func() (any, error)) (any, error) {
				if method == "GetJob" {
					return nil, status.Error(codes.PermissionDenied, "injected")
				}
				return hook(ctx, method, r, handle)
			}
			requireKind(t, s.pipe(t).CreateJob(t.Context(), full()), transport.OpCreate, `job "shop--Nightly"`, transport.KindExists)
		})
	})
	t.Run("no answer was lost", func(t *testing.T) {
		s := newServer()
		sched := s.dial(t, cloudscheduler.WithRetryTime(0))
		put(t, sched, full())
		requireKind(t, sched.CreateJob(t.Context(), full()), transport.OpCreate, `job "shop--Nightly"`, transport.KindExists)
		if len(s.calls("GetJob")) != 0 {
			t.Error("it was looked up")
		}
	})
}
