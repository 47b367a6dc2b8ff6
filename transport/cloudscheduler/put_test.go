package cloudscheduler_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
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

// golden reads a request from testdata.
func golden(t *testing.T, name string, into proto.Message) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".txtpb")
	if err == nil {
		err = prototext.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutJob_SendsEverySetting(t *testing.T) {
	least := nightly()
	least.Body = []byte("x") // without a Content-Type
	derived := nightly()
	derived.Audience, derived.Retry = audience, &transport.RetryConfig{MaxAttempts: 2, MinBackoff: 2 * time.Hour}
	derived.Header = http.Header{"user-agent": {"mine"}, "X-CloudScheduler": {"x"}, "X-Google-Y": {"y"}, "Host": {"h"}, "connection": {"close"}, "X-Mine": {"kept"}}
	for name, j := range map[string]*transport.Job{"full": full(), "least": least, "derived": derived} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			sched := s.dial(t)
			put(t, sched, j)
			var want schedulerpb.UpdateJobRequest
			golden(t, name, &want)
			update := s.calls("UpdateJob")[0]
			create := s.calls("CreateJob")[0].(*schedulerpb.CreateJobRequest)
			if !proto.Equal(update, &want) {
				t.Errorf("updated with\n%s", prototext.Format(update))
			}
			if create.Parent != parent || !proto.Equal(create.Job, want.Job) {
				t.Errorf("created with\n%s", prototext.Format(create))
			}
			put(t, sched, j) // now it is there
			if again := s.calls("UpdateJob")[1]; !proto.Equal(again, &want) || len(s.calls("CreateJob")) != 1 {
				t.Errorf("updated with\n%s", prototext.Format(again))
			}
		})
	}
}

func TestPutJob_CallersJob_IsNeitherKeptNorChanged(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	j, same := full(), full()
	put(t, sched, j)
	j.Body[0], j.Header["Content-Type"][0] = 'X', "X"
	if got := s.job(j.Name).GetHttpTarget(); string(got.Body) != string(same.Body) || got.Headers["Content-Type"] != "application/json" {
		t.Errorf("the server has %v", got)
	}
	j = full()
	j.Header["X-Google-A"] = []string{"left out"}
	put(t, sched, j)
	if len(j.Header) != len(same.Header)+1 {
		t.Errorf("the caller's header became %v", j.Header)
	}
}

func TestPutJob_ReplacesAllThatIsOurs_AndKeepsThePause(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	put(t, sched, full())
	if err := sched.PauseJob(t.Context(), "shop--Nightly"); err != nil {
		t.Fatal(err)
	}
	put(t, sched, nightly())
	got := s.job("shop--Nightly")
	if got.State != schedulerpb.Job_PAUSED {
		t.Errorf("state %s", got.State)
	}
	if got.Description != "" || got.Schedule != "0 3 * * 1-5" || got.TimeZone != "UTC" || got.AttemptDeadline.AsDuration() != 3*time.Minute || got.RetryConfig.RetryCount != 0 ||
		got.RetryConfig.MaxRetryDuration != nil || len(got.GetHttpTarget().Headers) != 0 || got.GetHttpTarget().GetOidcToken() != nil {
		t.Errorf("something is left of what was there: %v", got)
	}
}

func TestPutJob_UpdateFailed_IsPutAgain(t *testing.T) {
	s := newServer()
	s.keep(&schedulerpb.Job{Name: parent + "/jobs/shop--Nightly", State: schedulerpb.Job_UPDATE_FAILED})
	sched := s.dial(t)
	if got := get(t, sched, "shop--Nightly"); got.State != transport.JobUpdateFailed {
		t.Errorf("state %s", got.State)
	}
	put(t, sched, nightly())
	if got := get(t, sched, "shop--Nightly"); got.State != transport.JobEnabled || got.URL != url {
		t.Errorf("got %+v", got)
	}
}

func TestPutJob_Invalid_NothingIsSent(t *testing.T) {
	change := func(f func(*transport.Job)) *transport.Job {
		j := nightly()
		f(j)
		return j
	}
	s := newServer()
	sched := s.dial(t)
	for name, c := range map[string]struct {
		job   *transport.Job
		kind  transport.Kind
		parts []string
	}{
		"name":              {change(func(j *transport.Job) { j.Name = "a.b" }), transport.KindInvalid, []string{"job id", "a.b"}},
		"too large":         {change(func(j *transport.Job) { j.Body = make([]byte, transport.MaxJobSize) }), transport.KindTooLarge, []string{"bytes"}},
		"no schedule":       {change(func(j *transport.Job) { j.Schedule = "" }), transport.KindInvalid, []string{"schedule"}},
		"a field":           {change(func(j *transport.Job) { j.Schedule = "* * 0 0" }), transport.KindInvalid, []string{"schedule", "* * 0 0"}},
		"a short form":      {change(func(j *transport.Job) { j.Schedule = "@daily" }), transport.KindInvalid, []string{"@daily", "0 0 * * *"}},
		"seconds":           {change(func(j *transport.Job) { j.Schedule = "every 10 seconds" }), transport.KindInvalid, []string{"every 10 seconds", "once a minute", "development"}},
		"zone":              {change(func(j *transport.Job) { j.TimeZone = "Mars/Olympus" }), transport.KindInvalid, []string{"Mars/Olympus"}},
		"schedule and zone": {change(func(j *transport.Job) { j.Schedule, j.TimeZone = "nonsense", "Local" }), transport.KindInvalid, []string{"nonsense", "Local"}},
		"account": {change(func(j *transport.Job) { j.Audience, j.ServiceAccount = audience, "nobody" }), transport.KindInvalid,
			[]string{`ServiceAccount="nobody"`, "e-mail"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := sched.PutJob(t.Context(), c.job)
			e, ok := errors.AsType[*transport.Error](err)
			if !ok || e.Op != transport.OpPutJob || e.Resource != transport.JobResource(c.job.Name) || e.Kind != c.kind {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v does not say %s", err, part)
				}
			}
		})
	}
	if n := s.total(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestPutJob_Token_IsOfTheFirstAccountKnown(t *testing.T) {
	for name, c := range map[string]struct {
		opts []cloudscheduler.Option
		job  transport.Job
		want string
	}{
		"the job's":                    {[]cloudscheduler.Option{cloudscheduler.WithServiceAccount("driver@p")}, transport.Job{Audience: audience, ServiceAccount: "job@p"}, "job@p"},
		"the driver's":                 {[]cloudscheduler.Option{cloudscheduler.WithServiceAccount("driver@p")}, transport.Job{Audience: audience}, "driver@p"},
		"no audience":                  {[]cloudscheduler.Option{cloudscheduler.WithServiceAccount("driver@p")}, transport.Job{ServiceAccount: "job@p"}, ""},
		"none is known, but the job's": {nil, transport.Job{Audience: audience, ServiceAccount: "job@p"}, "job@p"},
		"none is known, or needed":     {nil, transport.Job{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, opts := withoutAccount(t)
			j := nightly()
			j.Audience, j.ServiceAccount = c.job.Audience, c.job.ServiceAccount
			put(t, connect(t, append(opts, c.opts...)...), j)
			token := s.job(j.Name).GetHttpTarget().GetOidcToken()
			if token.GetServiceAccountEmail() != c.want || c.want != "" && token.GetAudience() != audience {
				t.Errorf("token %v", token)
			}
		})
	}
}

func TestPutJob_AudienceWithoutAccount_NamesTheOption(t *testing.T) {
	s, opts := withoutAccount(t)
	sched := connect(t, opts...)
	if got := sched.PushServiceAccount(); got != "" {
		t.Errorf("account %q", got)
	}
	j := nightly()
	j.Audience = audience
	err := sched.PutJob(t.Context(), j)
	if !errors.Is(err, transport.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{audience, "WithServiceAccount", "CLOUD_TASKS_SERVICE_ACCOUNT", "schedule.NoOIDC"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
	if s.total() != 0 {
		t.Error("something was sent")
	}
}

func TestPutJob_OthersCreateAndDeleteIt_ComesToAnEnd(t *testing.T) {
	t.Run("created meanwhile", func(t *testing.T) {
		s := newServer()
		var once sync.Once
		s.hook = func(_ context.Context, method string, r proto.Message, handle func() (any, error)) (any, error) {
			if c, ok := r.(*schedulerpb.CreateJobRequest); ok {
				once.Do(func() { s.keep(&schedulerpb.Job{Name: c.Job.Name, State: schedulerpb.Job_PAUSED}) })
			}
			return handle()
		}
		put(t, s.dial(t), nightly())
		if got := s.job("shop--Nightly"); got.GetHttpTarget().GetUri() != url || got.State != schedulerpb.Job_PAUSED {
			t.Errorf("the server has %v", got)
		}
	})
	t.Run("its name is not free", func(t *testing.T) {
		s := newServer()
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			if method == "CreateJob" {
				return nil, errExists
			}
			return handle()
		}
		err := s.dial(t).PutJob(t.Context(), nightly())
		requireKind(t, err, transport.OpPutJob, `job "shop--Nightly"`, transport.KindExists)
		if !strings.Contains(err.Error(), "deleted lately") || len(s.calls("CreateJob")) != 3 {
			t.Errorf("after %d rounds: %v", len(s.calls("CreateJob")), err)
		}
	})
}

func TestPutJob_Many_AnswersAreLost_EachIsThereOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		var mu sync.Mutex
		calls := 0
		s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
			mu.Lock()
			calls++
			lost := calls%7 == 0
			mu.Unlock()
			resp, err := handle()
			if lost {
				return nil, status.Error(codes.Unavailable, "injected")
			}
			return resp, err
		}
		sched := s.pipe(t)
		const n = 600
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				j := nightly()
				j.Name = fmt.Sprintf("shop--Job%03d", i)
				j.Description = j.Name
				if err := sched.PutJob(t.Context(), j); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		seen := map[string]int{}
		for j, err := range sched.Jobs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[j.Name]++; j.Description != j.Name {
				t.Errorf("job %q has description %q", j.Name, j.Description)
			}
		}
		if len(seen) != n || slices.Max(slices.Collect(maps.Values(seen))) != 1 {
			t.Errorf("%d jobs", len(seen))
		}
	})
}
