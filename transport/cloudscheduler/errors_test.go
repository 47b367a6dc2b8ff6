package cloudscheduler_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func nothing(*schedulerpb.Job) {}

// refusing answers the named methods with an error.
func refusing(answers map[string]error) *server {
	s := newServer()
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if err := answers[method]; err != nil {
			return nil, err
		}
		return handle()
	}
	return s
}

func TestCalls_NoSuchJob_ErrNotFoundTellsWhere(t *testing.T) {
	sched := newServer().dial(t)
	for name, call := range everyCall(sched) {
		if name == "PutJob" || name == "Jobs" {
			continue
		}
		err := call(t.Context(), "shop--Nightly")
		op, resource := opOf(name)
		requireKind(t, err, op, resource, transport.KindNotFound)
		if !errors.Is(err, transport.ErrNotFound) || !strings.Contains(err.Error(), "it does not exist: in "+parent+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := errors.AsType[*apierror.APIError](err); !ok {
			t.Errorf("%s: %v hides Google's error", name, err)
		}
	}
}

func TestCalls_NoSuchLocation_SaysSoAndIsNoMissingJob(t *testing.T) {
	must := status.Error(codes.InvalidArgument, "Location must equal us-east1 because the App Engine app that is associated with this project is located in us-east1")
	none := status.Error(codes.InvalidArgument, "Location 'local' is not a valid location. Use ListLocations to list valid locations.")
	missing := status.Error(codes.NotFound, "Location 'local' does not exist.")
	for name, c := range map[string]struct {
		method string
		err    error
		kind   transport.Kind
	}{
		"put, refused":          {"UpdateJob", none, transport.KindInvalid},
		"put, not found":        {"UpdateJob", missing, transport.KindOther},
		"create, refused":       {"CreateJob", must, transport.KindInvalid},
		"create, not found":     {"CreateJob", status.Error(codes.NotFound, "Requested entity was not found."), transport.KindOther},
		"get, not found":        {"GetJob", missing, transport.KindOther},
		"list, not found":       {"ListJobs", status.Error(codes.NotFound, "Requested entity was not found."), transport.KindOther},
		"delete, not found":     {"DeleteJob", missing, transport.KindOther},
		"delete, refused":       {"DeleteJob", must, transport.KindInvalid},
		"a name with locations": {"GetJob", status.Error(codes.NotFound, "Resource 'projects/p/locations/l/jobs/j' was not found"), transport.KindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			method := map[string]string{"UpdateJob": "PutJob", "CreateJob": "PutJob", "GetJob": "Job", "ListJobs": "Jobs"}[c.method]
			if method == "" {
				method = c.method
			}
			err := everyCall(refusing(map[string]error{c.method: c.err}).dial(t))[method](t.Context(), "shop--Nightly")
			op, resource := opOf(method)
			requireKind(t, err, op, resource, c.kind)
			if got := errors.Is(err, transport.ErrNotFound); got != (c.kind == transport.KindNotFound) {
				t.Errorf("ErrNotFound is %v: %v", got, err)
			}
			said := strings.Contains(err.Error(), `location "local" of project "emulator": set the right ones with WithLocation or CLOUD_TASKS_LOCATION`)
			if said != (c.kind != transport.KindNotFound) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCalls_PermissionDenied_TellsTheRole(t *testing.T) {
	denied := func(text string) error { return status.Error(codes.PermissionDenied, text) }
	const lacks = "The principal (user or service account) lacks IAM permission "
	for name, c := range map[string]struct {
		method, text string
		want         []string
		never        string
	}{
		"list":         {"Jobs", lacks + `"cloudscheduler.jobs.list"`, []string{"grant the caller roles/cloudscheduler.viewer)"}, "iam.service"},
		"get":          {"Job", "denied", []string{"grant the caller roles/cloudscheduler.viewer)"}, "iam.service"},
		"delete":       {"DeleteJob", "denied", []string{"roles/cloudscheduler.admin)"}, "iam.service"},
		"pause":        {"PauseJob", "denied", []string{"roles/cloudscheduler.admin)"}, "iam.service"},
		"resume":       {"ResumeJob", "denied", []string{"roles/cloudscheduler.admin)"}, "iam.service"},
		"run":          {"RunJob", "denied", []string{"roles/cloudscheduler.jobRunner)"}, "admin"},
		"put":          {"PutJob", "denied", []string{"roles/cloudscheduler.admin and, on " + account + ", roles/iam.serviceAccountUser)"}, "viewer"},
		"put, its own": {"PutJob", lacks + `"cloudscheduler.jobs.update" for the resource`, []string{"(grant the caller roles/cloudscheduler.admin)"}, "iam.serviceAccountUser"},
		"put, act as":  {"PutJob", lacks + `"iam.serviceAccounts.actAs" for the resource`, []string{"(grant the caller roles/iam.serviceAccountUser on " + account + ")"}, "admin"},
		"no location":  {"PutJob", lacks + `"cloudscheduler.jobs.create" for the resource "projects/p/locations/europe-west4" (or the resource may not exist).`, []string{"roles/cloudscheduler.admin", "WithLocation"}, "actAs"},
		"no API":       {"Jobs", "Cloud Scheduler API has not been used in project 1 before or it is disabled.", []string{"has not been used"}, "roles/"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]error{}
			for _, method := range []string{"UpdateJob", "GetJob", "ListJobs", "DeleteJob", "PauseJob", "ResumeJob", "RunJob"} {
				answers[method] = denied(c.text)
			}
			sched := refusing(answers).dial(t)
			j := nightly()
			j.Audience = audience
			call := everyCall(sched)[c.method]
			if c.method == "PutJob" {
				call = func(ctx context.Context, _ string) error { return sched.PutJob(ctx, j) }
			}
			err := call(t.Context(), j.Name)
			op, resource := opOf(c.method)
			requireKind(t, err, op, resource, transport.KindOther)
			if status.Code(err) != codes.PermissionDenied {
				t.Errorf("error %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v does not say %s", err, part)
				}
			}
			if strings.Contains(err.Error(), c.never) {
				t.Errorf("error %v says %s", err, c.never)
			}
		})
	}
}

func TestPutJob_PermissionDeniedOnSome_TheRestIsPut(t *testing.T) {
	s := newServer()
	s.hook = func(_ context.Context, _ string, r proto.Message, handle func() (any, error)) (any, error) {
		if u, ok := r.(*schedulerpb.UpdateJobRequest); ok && strings.HasSuffix(u.Job.Name, "/b") {
			return nil, status.Error(codes.PermissionDenied, "injected")
		}
		return handle()
	}
	sched := s.dial(t)
	for _, name := range []string{"a", "b", "c"} {
		j := nightly()
		j.Name = name
		if err := sched.PutJob(t.Context(), j); (err != nil) != (name == "b") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.job("a") == nil || s.job("b") != nil || s.job("c") == nil {
		t.Errorf("the server has %v", s.jobs)
	}
}
